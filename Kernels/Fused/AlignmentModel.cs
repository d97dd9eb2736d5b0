using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The alignment model of Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473, appendix A.1.2), one step of one sequence: with the query q = W_a s_i-1 and the keys k_j = U_a h_j
/// <code>
/// e_j   = v . tanh(q + k_j)
/// alpha = softmax(e)                               (6)
/// c     = sum over j of alpha_j h_j                (5)
/// </code>
/// </summary>
/// <remarks>The tangents are computed again on the way back. Kept, they would be time x source x alignment numbers for each sequence, more than all the rest together.</remarks>
static unsafe class AlignmentModel
{
    /// <summary>alpha, in a row padded to whole vectors, of the first <paramref name="positions"/>; one that is not <paramref name="seen"/> has the weight 0, as the padding has.</summary>
    public static void Weigh<V, T>(T* q, T* keys, T* v, int* seen, T* alpha, int positions, int padded, int size) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < positions; j++, keys += size) alpha[j] = seen[j] == 0 ? T.NegativeInfinity : Energy<V, T>(q, keys, v, size);
        NtmAddressing.Softmax(alpha, V.One, alpha, positions, padded);
    }

    static T Energy<V, T>(T* q, T* key, T* v, int size) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V sum = V.Zero;
        for (int k = 0; k < size; k += V.Count)
        {
            int n = size - k;
            V tangent = V.Tanh(Lanes.Load<V, T>(q + k, 1, n) + Lanes.Load<V, T>(key + k, 1, n));
            sum = V.Fma(Lanes.Load<V, T>(v + k, 1, n), tangent, sum);
        }
        return V.Sum(sum);
    }

    /// <summary>
    /// From dL/dalpha, which becomes de = alpha (dalpha - alpha . dalpha): dL/dq, to be written; dL/dk_j and dL/dv, to be added to. With t_j = tanh(q + k_j): dv = sum over j of de_j t_j, and
    /// dk_j = de_j v (1 - t_j^2), whose sum is dq.
    /// </summary>
    public static void WeighBackward<V, T>(T* q, T* keys, T* v, T* alpha, T* dAlpha, T* dq, T* dKeys, T* dv, int positions, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T mean = NtmAddressing.Dot<V, T>(alpha, dAlpha, positions);
        T* de = dAlpha;
        for (int j = 0; j < positions; j++) de[j] = alpha[j] * (dAlpha[j] - mean);
        for (int k = 0; k < size; k += V.Count)
        {
            int n = size - k;
            V query = Lanes.Load<V, T>(q + k, 1, n), weight = Lanes.Load<V, T>(v + k, 1, n), dWeight = Lanes.Load<V, T>(dv + k, 1, n), dQuery = V.Zero;
            T* key = keys + k, dKey = dKeys + k;
            for (int j = 0; j < positions; j++, key += size, dKey += size)
            {
                V d = V.Create(de[j]), tangent = V.Tanh(query + Lanes.Load<V, T>(key, 1, n)), change = d * weight * V.Fma(-tangent, tangent, V.One);
                dWeight = V.Fma(d, tangent, dWeight);
                dQuery += change;
                Lanes.Store(dKey, 1, Lanes.Load<V, T>(dKey, 1, n) + change, n);
            }
            Lanes.Store(dq + k, 1, dQuery, n);
            Lanes.Store(dv + k, 1, dWeight, n);
        }
    }
}
