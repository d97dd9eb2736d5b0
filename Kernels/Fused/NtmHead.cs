using System.Numerics;
using System.Runtime.CompilerServices;
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
        for (int j = 0; j < width; j++, memory += padded) r[j] = NtmAddressing.Dot<V, T>(memory, w, padded);
    }

    /// <summary>dM[i, j] += w[i] dr[j] and dw[i] += sum over j of M[i, j] dr[j].</summary>
    public static void ReadBackward<V, T>(T* memory, T* w, T* dr, T* dMemory, T* dw, int padded, int width)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < padded; i += V.Count)
        {
            V weight = V.Load(w + i), sum = V.Load(dw + i);
            T* m = memory + i, dm = dMemory + i;
            for (int j = 0; j < width; j++, m += padded, dm += padded)
            {
                V d = V.Create(dr[j]);
                sum = V.Fma(d, V.Load(m), sum);
                V.Store(dm, V.Fma(d, weight, V.Load(dm)));
            }
            V.Store(dw + i, sum);
        }
    }

    /// <summary>M'[i, j] = M[i, j] prod (1 - w[i] e[j]) + sum w[i] a[j], over all writing heads, equations (3) and (4).</summary>
    public static void Write<V, T>(in NtmSizes s, T* memory, T* weightings, T* parameters, T* newMemory)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width, heads = s.Heads, first = s.ReadHeads, erase = s.AddressParameters;
        for (int j = 0; j < width; j++, memory += padded, newMemory += padded)
            for (int i = 0; i < padded; i += V.Count)
            {
                V kept = V.Load(memory + i), added = V.Zero;
                for (int head = first; head < heads; head++)
                {
                    T* e = parameters + s.HeadOffset(head) + erase + j;
                    V w = V.Load(weightings + (long)head * padded + i);
                    kept *= V.One - w * V.Create(e[0]);
                    added = V.Fma(w, V.Create(e[width]), added);
                }
                V.Store(newMemory + i, kept + added);
            }
    }

    /// <summary>
    /// From dM' = dL/dM': dL/dM, which replaces it; dL/dw, to be added to; and dL/de and dL/da, to be written. With E the product over the other heads,
    /// de = -sum dM' M E w, dw = sum dM' (a - M E e), da = sum dM' w.
    /// </summary>
    public static void WriteBackward<V, T>(in NtmSizes s, T* memory, T* weightings, T* parameters, T* dMemory, T* dWeightings, T* dParameters)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width, last = s.Heads - 1;
        for (int j = 0; j < width; j++)
        {
            T* m = memory + (long)j * padded, dm = dMemory + (long)j * padded;
            for (int head = s.ReadHeads; head <= last; head++)
            {
                int offset = s.HeadOffset(head) + s.AddressParameters + j;
                T* w = weightings + (long)head * padded, dw = dWeightings + (long)head * padded;
                V e = V.Create(parameters[offset]), a = V.Create(parameters[offset + width]), dErase = V.Zero, dAdd = V.Zero;
                for (int i = 0; i < padded; i += V.Count)
                {
                    V d = V.Load(dm + i), weight = V.Load(w + i), erased = V.Load(m + i);
                    for (int other = s.ReadHeads; other <= last; other++)
                        if (other != head) erased *= Kept<V, T>(s, weightings, parameters, other, j, i);
                    dErase = V.Fma(d * erased, weight, dErase);
                    dAdd = V.Fma(d, weight, dAdd);
                    V.Store(dw + i, V.Fma(d, a - erased * e, V.Load(dw + i)));
                }
                dParameters[offset] = -V.Sum(dErase);
                dParameters[offset + width] = V.Sum(dAdd);
            }
            for (int head = s.ReadHeads; head <= last; head++)
                for (int i = 0; i < padded; i += V.Count) V.Store(dm + i, V.Load(dm + i) * Kept<V, T>(s, weightings, parameters, head, j, i));
        }
    }

    /// <summary>1 - w[i] e[j]: how much of M[i, j] a writing head keeps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Kept<V, T>(in NtmSizes s, T* weightings, T* parameters, int head, int j, int i) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        V.One - V.Load(weightings + (long)head * s.PaddedSlots + i) * V.Create(parameters[s.HeadOffset(head) + s.AddressParameters + j]);
}
