using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Content-based addressing of a Differentiable Neural Computer (Graves et al. 2016, Methods), one key, one step, one sequence:
/// <code>
/// C(M, k, b)[i] = softmax over i of b D(k, M[i]),    D(u, v) = u . v / (|u| |v|)
/// </code>
/// </summary>
/// <remarks>
/// The memory lies transposed, [width, slots], so that a vector holds neighbouring slots; rows of slots are padded with zeros to whole vectors. The memory begins as zeros, where the cosine has no
/// gradient: lengths are therefore |v| = sqrt(v . v + e), smooth everywhere, and a slot shorter than sqrt(e) counts as an empty one.
/// </remarks>
static unsafe class DncContent
{
    /// <summary>Added to the square of every length.</summary>
    public const double Epsilon = 1e-6;

    /// <summary>norms[i] = |M[i]| for every slot.</summary>
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

    static T Norm<T>(T* key, int width) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T sum = T.CreateTruncating(Epsilon);
        for (int j = 0; j < width; j++) sum += key[j] * key[j];
        return T.Sqrt(sum);
    }

    /// <summary>similarity = D(k, M[i]) and content = C(M, k, b).</summary>
    public static void Forward<V, T>(in DncSizes s, T* memory, T* norms, T* key, T strength, T* similarity, T* content)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        V keyNorm = V.Create(Norm(key, width));
        for (int i = 0; i < padded; i += V.Count)
        {
            V dot = V.Zero;
            T* m = memory + i;
            for (int j = 0; j < width; j++, m += padded) dot = V.Fma(V.Create(key[j]), V.Load(m), dot);
            V.Store(similarity + i, dot / (keyNorm * V.Load(norms + i)));
        }
        NtmAddressing.Softmax(similarity, V.Create(strength), content, s.Slots, padded);
    }

    /// <summary>
    /// From dL/dcontent: dL/dk and dL/db, to be written, and dL/dM, to be added to. With dx = c (dc - c . dc): db = dx . D, and with d = b dx and n = |k| |M[i]|,
    /// dM[i] = d k / n - d D M[i] / |M[i]|^2 and dk = sum of d M[i] / n - d D k / |k|^2. <paramref name="scratch"/> has room for two rows of slots.
    /// </summary>
    public static void Backward<V, T>(
        in DncSizes s, T* memory, T* norms, T* key, T strength, T* similarity, T* content, T* dContent, T* scratch, T* dKey, T* dStrength, T* dMemory)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        T keyNorm = Norm(key, width);
        T* toKey = scratch, toSlot = scratch + padded;                      // d / n and -d D / |M[i]|^2
        V mean = V.Create(NtmAddressing.Dot<V, T>(content, dContent, padded)), b = V.Create(strength), length = V.Create(keyNorm), sum = V.Zero;
        for (int i = 0; i < padded; i += V.Count)
        {
            V dx = V.Load(content + i) * (V.Load(dContent + i) - mean), norm = V.Load(norms + i), pull = dx * V.Load(similarity + i);
            sum += pull;
            V.Store(toKey + i, b * dx / (length * norm));
            V.Store(toSlot + i, -(b * pull) / (norm * norm));
        }
        *dStrength = V.Sum(sum);
        T keyPull = -(strength * *dStrength) / (keyNorm * keyNorm);
        for (int j = 0; j < width; j++)
        {
            T* m = memory + (long)j * padded, dm = dMemory + (long)j * padded;
            V k = V.Create(key[j]), dk = V.Zero;
            for (int i = 0; i < padded; i += V.Count)
            {
                V x = V.Load(m + i), d = V.Load(toKey + i);
                dk = V.Fma(d, x, dk);
                V.Store(dm + i, V.Fma(d, k, V.Fma(V.Load(toSlot + i), x, V.Load(dm + i))));
            }
            dKey[j] = V.Sum(dk) + keyPull * key[j];
        }
    }
}
