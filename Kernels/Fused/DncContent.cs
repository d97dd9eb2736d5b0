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

    static T Norm<V, T>(T* key, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        T.Sqrt(NtmAddressing.Dot<V, T>(key, key, width) + T.CreateTruncating(Epsilon));

    /// <summary>similarity = D(k, M[i]) and content = C(M, k, b) of several heads, whose keys share every load of the memory.</summary>
    public static void Forward<V, T>(in DncSizes s, T* memory, T* norms, T* keys, T* strengths, int heads, T* similarity, T* content)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        new Span<T>(similarity, heads * padded).Clear();
        Recurrence.MultiplyAdd<V, T>(memory, padded, keys, width, width, similarity, padded, padded, heads);
        for (int head = 0; head < heads; head++, similarity += padded, content += padded)
        {
            V length = V.Create(Norm<V, T>(keys + head * width, width));
            for (int i = 0; i < padded; i += V.Count) V.Store(similarity + i, V.Load(similarity + i) / (length * V.Load(norms + i)));
            NtmAddressing.Softmax(similarity, V.Create(strengths[head]), content, s.Slots, padded);
        }
    }

    /// <summary>
    /// From dL/dcontent: dL/dk and dL/db, to be written. With dx = c (dc - c . dc): db = dx . D, and with d = b dx and n = |k| |M[i]|, dk = sum of d M[i] / n - d D k / |k|^2. What
    /// dM[i] = sum over heads of d k / n - d D M[i] / |M[i]|^2 is made of, is written too: d / n of every head, and the factor of M[i].
    /// </summary>
    public static void Backward<V, T>(
        in DncSizes s, T* memory, T* norms, T* keys, T* strengths, int heads, T* similarity, T* content, T* dContent, T* toKeys, T* toSlots, T* dKeys, T* dStrengths)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        new Span<T>(toSlots, padded).Clear();
        for (int head = 0; head < heads; head++, similarity += padded, content += padded, dContent += padded)
        {
            T* key = keys + head * width, dKey = dKeys + head * width, toKey = toKeys + (long)head * padded;
            T keyNorm = Norm<V, T>(key, width);
            V mean = V.Create(NtmAddressing.Dot<V, T>(content, dContent, padded)), b = V.Create(strengths[head]), length = V.Create(keyNorm), sum = V.Zero;
            for (int i = 0; i < padded; i += V.Count)
            {
                V dx = V.Load(content + i) * (V.Load(dContent + i) - mean), inverse = V.One / V.Load(norms + i), pull = dx * V.Load(similarity + i);
                sum += pull;
                V.Store(toKey + i, b * dx / length * inverse);
                V.Store(toSlots + i, V.Load(toSlots + i) - b * pull * inverse * inverse);
            }
            dStrengths[head] = V.Sum(sum);
            T keyPull = -(strengths[head] * dStrengths[head]) / (keyNorm * keyNorm);
            for (int j = 0; j < width; j++) dKey[j] = keyPull * key[j];
        }
        Recurrence.MultiplyAddTransposed<V, T>(memory, padded, width, toKeys, padded, padded, dKeys, width, heads);
    }
}
