using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>What a head does beside addressing, one step of one sequence: its activations, reading, erasing and adding. The memory lies as in <see cref="NtmAddressing"/>.</summary>
static unsafe class NtmHead
{
    /// <summary>
    /// Brings every parameter into its range: strength = softplus, gate = sigmoid, shift = softmax, sharpening = 1 + softplus, erase = sigmoid; key and
    /// add stay as they are.
    /// </summary>
    public static void Activate<V, T>(in NtmSizes s, T* parameters) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int head = 0; head < s.Heads; head++)
        {
            T* p = parameters + s.HeadOffset(head) + s.Width, shift = p + 2, erase = p + s.Shifts + 3;
            p[0] = Recurrence.Lane<V, T>(V.Softplus(V.Create(p[0])));
            p[1] = Recurrence.Lane<V, T>(V.Sigmoid(V.Create(p[1])));
            T max = T.NegativeInfinity, sum = T.Zero;
            for (int j = 0; j < s.Shifts; j++) max = T.Max(max, shift[j]);
            for (int j = 0; j < s.Shifts; j++)
            {
                shift[j] = Recurrence.Lane<V, T>(V.Exp(V.Create(shift[j] - max)));
                sum += shift[j];
            }
            for (int j = 0; j < s.Shifts; j++) shift[j] /= sum;
            shift[s.Shifts] = T.One + Recurrence.Lane<V, T>(V.Softplus(V.Create(shift[s.Shifts])));
            if (head < s.ReadHeads) continue;
            for (int j = 0; j < s.Width; j += V.Count)
                Lanes.Store(erase + j, 1, V.Sigmoid(Lanes.Load<V, T>(erase + j, 1, s.Width - j)), s.Width - j);
        }
    }

    /// <summary>From the gradients of the activated parameters those of the raw ones, in place. The slope of y = softplus(x) is 1 - e^-y.</summary>
    public static void ActivateBackward<V, T>(in NtmSizes s, T* parameters, T* gradients) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int head = 0; head < s.Heads; head++)
        {
            int offset = s.HeadOffset(head) + s.Width;
            T* p = parameters + offset, d = gradients + offset, shift = p + 2, dShift = d + 2, erase = p + s.Shifts + 3, dErase = d + s.Shifts + 3;
            d[0] *= T.One - Recurrence.Lane<V, T>(V.Exp(V.Create(-p[0])));
            d[1] *= p[1] * (T.One - p[1]);
            T dot = T.Zero;
            for (int j = 0; j < s.Shifts; j++) dot += shift[j] * dShift[j];
            for (int j = 0; j < s.Shifts; j++) dShift[j] = shift[j] * (dShift[j] - dot);
            dShift[s.Shifts] *= T.One - Recurrence.Lane<V, T>(V.Exp(V.Create(T.One - shift[s.Shifts])));
            if (head < s.ReadHeads) continue;
            for (int j = 0; j < s.Width; j++) dErase[j] *= erase[j] * (T.One - erase[j]);
        }
    }

    /// <summary>r[j] = sum over i of w[i] M[i, j], equation (2).</summary>
    public static void Read<V, T>(T* memory, T* w, T* r, int padded, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        new Span<T>(r, width).Clear();
        Recurrence.MultiplyAddTransposed<V, T>(memory, padded, width, w, padded, padded, r, width, 1);
    }

    /// <summary>dM[i, j] += w[i] dr[j] and dw[i] += sum over j of M[i, j] dr[j].</summary>
    public static void ReadBackward<V, T>(T* memory, T* w, T* dr, T* dMemory, T* dw, int padded, int width)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Recurrence.MultiplyAdd<V, T>(memory, padded, dr, 0, width, dw, 0, padded, 1);
        Recurrence.AddOuter<V, T>(dr, width, w, padded, 1, dMemory, padded, width, padded);
    }

    /// <summary>M'[i, j] = M[i, j] (1 - w[i] e[j]) + w[i] a[j], equations (3) and (4), of a single writing head.</summary>
    public static void Write<V, T>(T* memory, T* w, T* erase, T* add, T* newMemory, int padded, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < width; j++, memory += padded, newMemory += padded)
        {
            V e = V.Create(erase[j]), a = V.Create(add[j]);
            for (int i = 0; i < padded; i += V.Count)
            {
                V old = V.Load(memory + i);
                V.Store(newMemory + i, V.Fma(V.Load(w + i), a - e * old, old));
            }
        }
    }

    /// <summary>From dM' = dL/dM': dL/dM, which replaces it; dL/dw, to be added to; and dL/de and dL/da, to be written: de = -sum dM' M w, dw = sum dM' (a - M e), da = sum dM' w.</summary>
    public static void WriteBackward<V, T>(T* memory, T* w, T* erase, T* add, T* dMemory, T* dw, T* dErase, T* dAdd, int padded, int width)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < width; j++, memory += padded, dMemory += padded)
        {
            V e = V.Create(erase[j]), a = V.Create(add[j]), de = V.Zero, da = V.Zero;
            for (int i = 0; i < padded; i += V.Count)
            {
                V d = V.Load(dMemory + i), old = V.Load(memory + i), added = d * V.Load(w + i);
                da += added;
                de = V.Fma(added, old, de);
                V.Store(dw + i, V.Fma(d, a - e * old, V.Load(dw + i)));
                V.Store(dMemory + i, d - added * e);
            }
            dErase[j] = -V.Sum(de);
            dAdd[j] = V.Sum(da);
        }
    }

    /// <summary>M'[i, j] = M[i, j] prod (1 - w[i] e[j]) + sum w[i] a[j], over all writing heads, equations (3) and (4).</summary>
    public static void Write<V, T>(in NtmSizes s, T* memory, T* weightings, T* parameters, T* newMemory)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width, heads = s.WriteHeads, stride = s.AddressParameters + 2 * width;
        T* writers = weightings + (long)s.ReadHeads * padded, erase = parameters + s.HeadOffset(s.ReadHeads) + s.AddressParameters;
        if (heads == 1) Write<V, T>(memory, writers, erase, erase + width, newMemory, padded, width);
        else
            for (int j = 0; j < width; j++, memory += padded, newMemory += padded, erase++)
                for (int i = 0; i < padded; i += V.Count)
                {
                    V kept = V.Load(memory + i), added = V.Zero;
                    T* w = writers + i, e = erase;
                    for (int head = 0; head < heads; head++, w += padded, e += stride)
                    {
                        V weight = V.Load(w);
                        kept *= V.One - weight * V.Create(e[0]);
                        added = V.Fma(weight, V.Create(e[width]), added);
                    }
                    V.Store(newMemory + i, kept + added);
                }
    }

    /// <summary>As of a single head. With E the product over the other heads, de = -sum dM' M E w, dw = sum dM' (a - M E e), da = sum dM' w.</summary>
    public static void WriteBackward<V, T>(in NtmSizes s, T* memory, T* weightings, T* parameters, T* dMemory, T* dWeightings, T* dParameters)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width, heads = s.WriteHeads, stride = s.AddressParameters + 2 * width, at = s.HeadOffset(s.ReadHeads) + s.AddressParameters;
        T* writers = weightings + (long)s.ReadHeads * padded, dWriters = dWeightings + (long)s.ReadHeads * padded, erase = parameters + at, dErase = dParameters + at;
        if (heads == 1) WriteBackward<V, T>(memory, writers, erase, erase + width, dMemory, dWriters, dErase, dErase + width, padded, width);
        else
            for (int j = 0; j < width; j++, memory += padded, dMemory += padded, erase++, dErase++)
                for (int head = 0; head < heads; head++)
                {
                    T* w = writers + (long)head * padded, dw = dWriters + (long)head * padded;
                    V e = V.Create(erase[head * stride]), a = V.Create(erase[head * stride + width]), de = V.Zero, da = V.Zero;
                    for (int i = 0; i < padded; i += V.Count)
                    {
                        V d = V.Load(dMemory + i), added = d * V.Load(w + i), others = V.One;
                        for (int other = 0; other < heads; other++)
                            if (other != head) others *= V.One - V.Load(writers + (long)other * padded + i) * V.Create(erase[other * stride]);
                        V erased = V.Load(memory + i) * others;
                        da += added;
                        de = V.Fma(added, erased, de);
                        V.Store(dw + i, V.Fma(d, a - erased * e, V.Load(dw + i)));
                        if (head == heads - 1) V.Store(dMemory + i, (d - added * e) * others);      // no head needs dM' any more
                    }
                    dErase[head * stride] = -V.Sum(de);
                    dErase[head * stride + width] = V.Sum(da);
                }
    }
}
