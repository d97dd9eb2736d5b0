using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The heads of a memory-augmented neural network (Santoro et al. 2016, section 3), one step of one sequence. Equation numbers are the paper's.
/// </summary>
/// <remarks>
/// The memory lies transposed, [width, slots], so that a vector holds neighbouring slots; rows of slots are padded with zeros to whole vectors. The memory begins as zeros, where the cosine has no
/// gradient: lengths are therefore |v| = sqrt(v . v + e), smooth everywhere, and a slot shorter than sqrt(e) counts as an empty one.
/// </remarks>
static unsafe class MannHead
{
    /// <summary>Keys and what is written = tanh, gates = sigmoid, in place.</summary>
    public static void Activate<V, T>(in MannSizes s, T* p) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int keys = s.GateOffset;
        for (int j = 0; j < keys; j += V.Count) Lanes.Store(p + j, 1, V.Tanh(Lanes.Load<V, T>(p + j, 1, keys - j)), keys - j);
        for (int head = 0; head < s.Heads; head++) p[keys + head] = Recurrence.Lane<V, T>(V.Sigmoid(V.Create(p[keys + head])));
    }

    /// <summary>From the gradients of the activated parameters those of the raw ones, in place.</summary>
    public static void ActivateBackward<T>(in MannSizes s, T* p, T* d) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int keys = s.GateOffset;
        for (int j = 0; j < keys; j++) d[j] *= T.One - p[j] * p[j];
        for (int j = keys; j < keys + s.Heads; j++) d[j] *= p[j] * (T.One - p[j]);
    }

    /// <summary>Equation (6): the slots used least, one for each head, of equal ones the first.</summary>
    public static void LeastUsed<T>(in MannSizes s, T* usage, int* least) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int head = 0; head < s.Heads; head++)
        {
            int best = -1;
            for (int i = 0; i < s.Slots; i++)
                if ((best < 0 || usage[i] < usage[best]) && !new ReadOnlySpan<int>(least, head).Contains(i)) best = i;
            least[head] = best;
        }
    }

    /// <summary>Equation (7): w^w = g w^r_(t-1) + (1 - g) w^lu_(t-1).</summary>
    public static void WriteWeights<V, T>(in MannSizes s, T* gates, T* before, int* least, T* w) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots;
        for (int head = 0; head < s.Heads; head++, before += padded, w += padded)
        {
            V gate = V.Create(gates[head]);
            for (int i = 0; i < padded; i += V.Count) V.Store(w + i, gate * V.Load(before + i));
            w[least[head]] += T.One - gates[head];
        }
    }

    /// <summary>Equation (8), the least used slots emptied before: M'(i) = M(i) [i not among them] + sum over heads of w^w(i) a.</summary>
    public static void Write<V, T>(in MannSizes s, T* m, T* w, T* written, int* least, T* to) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width, heads = s.Heads;
        Recurrence.Copy(m, to, width * padded);
        for (int j = 0; j < width; j++, to += padded)
        {
            for (int head = 0; head < heads; head++) to[least[head]] = T.Zero;
            for (int head = 0; head < heads; head++)
            {
                V a = V.Create(written[head * width + j]);
                T* weights = w + head * padded;
                for (int i = 0; i < padded; i += V.Count) V.Store(to + i, V.Fma(a, V.Load(weights + i), V.Load(to + i)));
            }
        }
    }

    /// <summary>From dM' = dL/dM': dL/dM, which replaces it; dL/dw^w, to be written; and dL/da, to be added to.</summary>
    public static void WriteBackward<V, T>(in MannSizes s, T* w, T* written, int* least, T* dm, T* dw, T* dWritten) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width, heads = s.Heads;
        new Span<T>(dw, heads * padded).Clear();
        for (int j = 0; j < width; j++, dm += padded)
        {
            for (int head = 0; head < heads; head++)
            {
                T* weights = w + head * padded, dWeights = dw + head * padded;
                V a = V.Create(written[head * width + j]), sum = V.Zero;
                for (int i = 0; i < padded; i += V.Count)
                {
                    V d = V.Load(dm + i);
                    sum = V.Fma(d, V.Load(weights + i), sum);
                    V.Store(dWeights + i, V.Fma(d, a, V.Load(dWeights + i)));
                }
                dWritten[head * width + j] += V.Sum(sum);
            }
            for (int head = 0; head < heads; head++) dm[least[head]] = T.Zero;
        }
    }

    /// <summary>Added to the square of every length.</summary>
    public const double Epsilon = 1e-6;

    static T Norm<T>(T* key, int width) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T sum = T.CreateTruncating(Epsilon);
        for (int j = 0; j < width; j++) sum += key[j] * key[j];
        return T.Sqrt(sum);
    }

    /// <summary>norms[i] = |M(i)| for every slot.</summary>
    public static void Norms<V, T>(T* memory, int padded, int width, T* norms) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < padded; i += V.Count)
        {
            V sum = V.Constant(Epsilon);
            T* m = memory + i;
            for (int j = 0; j < width; j++, m += padded)
            {
                V x = V.Load(m);
                sum = V.Fma(x, x, sum);
            }
            V.Store(norms + i, V.Sqrt(sum));
        }
    }

    /// <summary>Equations (2) and (3) for one head: K = k . M(i) / (|k| |M(i)|) and w^r = softmax(strength K).</summary>
    public static void Address<V, T>(in MannSizes s, T* m, T* norms, T* key, T* similarity, T* w) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        V keyNorm = V.Create(Norm(key, width));
        for (int i = 0; i < padded; i += V.Count)
        {
            V dot = V.Zero;
            T* column = m + i;
            for (int j = 0; j < width; j++, column += padded) dot = V.Fma(V.Create(key[j]), V.Load(column), dot);
            V.Store(similarity + i, dot / (keyNorm * V.Load(norms + i)));
        }
        NtmAddressing.Softmax(similarity, V.Constant(s.KeyStrength), w, s.Slots, padded);
    }

    /// <summary>
    /// From dL/dw^r: dL/dk and dL/dM, both to be added to. With d = strength w (dw - w . dw) and n = |k| |M(i)|: dM(i) = d k / n - d K M(i) / |M(i)|^2 and
    /// dk = sum over i of d M(i) / n - d K k / |k|^2. <paramref name="scratch"/> has room for two rows of slots.
    /// </summary>
    public static void AddressBackward<V, T>(in MannSizes s, T* m, T* norms, T* key, T* similarity, T* w, T* dw, T* scratch, T* dKey, T* dm)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        T keyNorm = Norm(key, width);
        T* toKey = scratch, toSlot = scratch + padded;                      // d / n and -d K / |M(i)|^2
        V mean = V.Create(NtmAddressing.Dot<V, T>(w, dw, padded)), strength = V.Constant(s.KeyStrength), length = V.Create(keyNorm), sum = V.Zero;
        for (int i = 0; i < padded; i += V.Count)
        {
            V d = strength * V.Load(w + i) * (V.Load(dw + i) - mean), norm = V.Load(norms + i), pull = d * V.Load(similarity + i);
            sum += pull;
            V.Store(toKey + i, d / (length * norm));
            V.Store(toSlot + i, -pull / (norm * norm));
        }
        T keyPull = -V.Sum(sum) / (keyNorm * keyNorm);
        for (int j = 0; j < width; j++, m += padded, dm += padded)
        {
            V k = V.Create(key[j]), dk = V.Zero;
            for (int i = 0; i < padded; i += V.Count)
            {
                V x = V.Load(m + i), d = V.Load(toKey + i);
                dk = V.Fma(d, x, dk);
                V.Store(dm + i, V.Fma(d, k, V.Fma(V.Load(toSlot + i), x, V.Load(dm + i))));
            }
            dKey[j] += V.Sum(dk) + keyPull * key[j];
        }
    }

    /// <summary>Equation (5): w^u = gamma w^u_(t-1) + sum over heads of w^r + w^w.</summary>
    public static void Use<V, T>(in MannSizes s, T* usage, T* reads, T* writes) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots;
        V gamma = V.Constant(s.Decay);
        for (int i = 0; i < padded; i += V.Count)
        {
            V used = V.Zero;
            for (int head = 0; head < s.Heads; head++) used += V.Load(reads + head * padded + i) + V.Load(writes + head * padded + i);
            V.Store(usage + i, V.Fma(gamma, V.Load(usage + i), used));
        }
    }
}
