using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Temporal memory linkage of a Differentiable Neural Computer (Graves et al. 2016, Methods), one step, one sequence: which slot was written after which. With the
/// write weighting w, the precedence p' and the links L' of the step before, and where a head read then, w'_r:
/// <code>
/// L[i, j] = (1 - w[i] - w[j]) L'[i, j] + w[i] p'[j],   L[i, i] = 0          links
/// p       = (1 - sum of w) p' + w                                          precedence
/// f_r     = L w'_r                                                         forward weighting
/// b_r     = L^T w'_r                                                       backward weighting
/// </code>
/// </summary>
/// <remarks>The rows of the links are padded with zeros to whole vectors, and rows of zeros make their number a whole number of fours: four rows at a time share
/// what belongs to a column. The weightings that all heads follow are products of matrices.</remarks>
static unsafe class DncLinks
{
    /// <summary>The links, which may take the place of those before.</summary>
    public static void Forward<V, T>(in DncSizes s, T* w, T* precedence, T* links, T* newLinks)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int rows = s.LinkRows, padded = s.PaddedSlots;
        for (int i = 0; i < rows; i += 4)
        {
            T* from0 = links + (long)i * padded, from1 = from0 + padded, from2 = from1 + padded, from3 = from2 + padded;
            T* to0 = newLinks + (long)i * padded, to1 = to0 + padded, to2 = to1 + padded, to3 = to2 + padded;
            V w0 = V.Create(w[i]), w1 = V.Create(w[i + 1]), w2 = V.Create(w[i + 2]), w3 = V.Create(w[i + 3]), rest0 = V.One - w0, rest1 = V.One - w1, rest2 = V.One - w2, rest3 = V.One - w3;
            for (int j = 0; j < padded; j += V.Count)
            {
                V wj = V.Load(w + j), p = V.Load(precedence + j);
                V.Store(to0 + j, V.Fma(rest0 - wj, V.Load(from0 + j), w0 * p));
                V.Store(to1 + j, V.Fma(rest1 - wj, V.Load(from1 + j), w1 * p));
                V.Store(to2 + j, V.Fma(rest2 - wj, V.Load(from2 + j), w2 * p));
                V.Store(to3 + j, V.Fma(rest3 - wj, V.Load(from3 + j), w3 * p));
            }
            (to0[i], to1[i + 1], to2[i + 2], to3[i + 3]) = (T.Zero, T.Zero, T.Zero, T.Zero);
        }
    }

    /// <summary>The precedence.</summary>
    public static void Precedence<V, T>(in DncSizes s, T* w, T* precedence, T* newPrecedence) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots;
        V sum = V.Zero;
        for (int j = 0; j < padded; j += V.Count) sum += V.Load(w + j);
        V kept = V.One - V.Create(V.Sum(sum));
        for (int j = 0; j < padded; j += V.Count) V.Store(newPrecedence + j, V.Fma(kept, V.Load(precedence + j), V.Load(w + j)));
    }

    /// <summary>f = L w'_r and b = L^T w'_r of all heads.</summary>
    public static void Follow<V, T>(in DncSizes s, T* links, T* read, T* forward, T* backward) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, heads = s.ReadHeads;
        new Span<T>(forward, heads * padded).Clear();
        new Span<T>(backward, heads * padded).Clear();
        Recurrence.MultiplyAddTransposed<V, T>(links, padded, s.LinkRows, read, padded, padded, forward, padded, heads);
        Recurrence.MultiplyAdd<V, T>(links, padded, read, padded, s.Slots, backward, padded, padded, heads);
    }

    /// <summary>
    /// From dL/df and dL/db of all heads: dL/dw'_r and dL/dL, to be added to. <paramref name="rows"/> are df over w'_r, and <paramref name="columns"/> are w'_r over db, so that
    /// dL[i, j] += sum over heads of df[i] w'_r[j] + w'_r[i] db[j] is one sum over both.
    /// </summary>
    public static void FollowBackward<V, T>(in DncSizes s, T* links, T* rows, T* columns, T* dRead, T* dLinks)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, heads = s.ReadHeads;
        Recurrence.MultiplyAdd<V, T>(links, padded, rows, padded, s.Slots, dRead, padded, padded, heads);                                                      // dw'[j] += sum over i of L[i, j] df[i]
        Recurrence.MultiplyAddTransposed<V, T>(links, padded, s.LinkRows, columns + (long)heads * padded, padded, padded, dRead, padded, heads);             // dw'[i] += sum over j of L[i, j] db[j]
        Recurrence.AddOuter<V, T>(rows, padded, columns, padded, 2 * heads, dLinks, padded, s.LinkRows, padded);
    }

    /// <summary>From dL/dL and dL/dp: those of the step before, which replace them, and dL/dw, to be added to. <paramref name="sums"/> are a row to work in.</summary>
    public static void Backward<V, T>(in DncSizes s, T* w, T* precedence, T* links, T* sums, T* dPrecedence, T* dLinks, T* dw)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int rows = s.LinkRows, padded = s.PaddedSlots;
        V sum = V.Zero, pull = V.Zero;
        for (int j = 0; j < padded; j += V.Count)
        {
            sum += V.Load(w + j);
            pull = V.Fma(V.Load(dPrecedence + j), V.Load(precedence + j), pull);
        }
        V kept = V.One - V.Create(V.Sum(sum)), down = V.Create(V.Sum(pull));
        for (int j = 0; j < padded; j += V.Count)
        {
            V dp = V.Load(dPrecedence + j);
            V.Store(dw + j, V.Load(dw + j) + dp - down);
            V.Store(dPrecedence + j, kept * dp);
        }
        for (int i = 0; i < rows; i++) dLinks[(long)i * padded + i] = T.Zero;                      // long before they are loaded with their neighbours
        new Span<T>(sums, padded).Clear();
        for (int i = 0; i < rows; i += 4)
        {
            T* l0 = links + (long)i * padded, l1 = l0 + padded, l2 = l1 + padded, l3 = l2 + padded, d0 = dLinks + (long)i * padded, d1 = d0 + padded, d2 = d1 + padded, d3 = d2 + padded;
            V w0 = V.Create(w[i]), w1 = V.Create(w[i + 1]), w2 = V.Create(w[i + 2]), w3 = V.Create(w[i + 3]), dw0 = V.Zero, dw1 = V.Zero, dw2 = V.Zero, dw3 = V.Zero;
            for (int j = 0; j < padded; j += V.Count)
            {
                V p = V.Load(precedence + j), dp = V.Load(dPrecedence + j), dwj = V.Load(dw + j), rest = V.One - V.Load(w + j), d = V.Load(d0 + j), l = V.Load(l0 + j);
                (dw0, dp, dwj) = (V.Fma(d, p - l, dw0), V.Fma(d, w0, dp), dwj - d * l);
                V.Store(d0 + j, d * (rest - w0));
                (d, l) = (V.Load(d1 + j), V.Load(l1 + j));
                (dw1, dp, dwj) = (V.Fma(d, p - l, dw1), V.Fma(d, w1, dp), dwj - d * l);
                V.Store(d1 + j, d * (rest - w1));
                (d, l) = (V.Load(d2 + j), V.Load(l2 + j));
                (dw2, dp, dwj) = (V.Fma(d, p - l, dw2), V.Fma(d, w2, dp), dwj - d * l);
                V.Store(d2 + j, d * (rest - w2));
                (d, l) = (V.Load(d3 + j), V.Load(l3 + j));
                (dw3, dp, dwj) = (V.Fma(d, p - l, dw3), V.Fma(d, w3, dp), dwj - d * l);
                V.Store(d3 + j, d * (rest - w3));
                V.Store(dPrecedence + j, dp);
                V.Store(dw + j, dwj);
            }
            (sums[i], sums[i + 1], sums[i + 2], sums[i + 3]) = (V.Sum(dw0), V.Sum(dw1), V.Sum(dw2), V.Sum(dw3));
        }
        for (int j = 0; j < padded; j += V.Count) V.Store(dw + j, V.Load(dw + j) + V.Load(sums + j));
    }
}
