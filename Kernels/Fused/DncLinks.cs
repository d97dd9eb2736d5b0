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
/// <remarks>The rows of the links are padded with zeros to whole vectors.</remarks>
static unsafe class DncLinks
{
    /// <summary>Links and precedence.</summary>
    public static void Forward<V, T>(in DncSizes s, T* w, T* precedence, T* links, T* newPrecedence, T* newLinks)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int slots = s.Slots, padded = s.PaddedSlots;
        for (int i = 0; i < slots; i++, links += padded, newLinks += padded)
        {
            V wi = V.Create(w[i]), rest = V.One - wi;
            for (int j = 0; j < padded; j += V.Count) V.Store(newLinks + j, V.Fma(rest - V.Load(w + j), V.Load(links + j), wi * V.Load(precedence + j)));
            newLinks[i] = T.Zero;
        }
        V sum = V.Zero;
        for (int j = 0; j < padded; j += V.Count) sum += V.Load(w + j);
        V kept = V.One - V.Create(V.Sum(sum));
        for (int j = 0; j < padded; j += V.Count) V.Store(newPrecedence + j, V.Fma(kept, V.Load(precedence + j), V.Load(w + j)));
    }

    /// <summary>f = L w'_r and b = L^T w'_r of one head.</summary>
    public static void Follow<V, T>(in DncSizes s, T* links, T* read, T* forward, T* backward) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int slots = s.Slots, padded = s.PaddedSlots;
        new Span<T>(forward, padded).Clear();
        new Span<T>(backward, padded).Clear();
        for (int i = 0; i < slots; i++, links += padded)
        {
            V wi = V.Create(read[i]), sum = V.Zero;
            for (int j = 0; j < padded; j += V.Count)
            {
                V l = V.Load(links + j);
                sum = V.Fma(l, V.Load(read + j), sum);
                V.Store(backward + j, V.Fma(l, wi, V.Load(backward + j)));
            }
            forward[i] = V.Sum(sum);
        }
    }

    /// <summary>From dL/df and dL/db of one head: dL/dw'_r and dL/dL, to be added to. <paramref name="scratch"/> has room for a row of slots.</summary>
    public static void FollowBackward<V, T>(in DncSizes s, T* links, T* read, T* dForward, T* dBackward, T* scratch, T* dRead, T* dLinks)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int slots = s.Slots, padded = s.PaddedSlots;
        new Span<T>(scratch, padded).Clear();
        for (int i = 0; i < slots; i++, links += padded, dLinks += padded)
        {
            V df = V.Create(dForward[i]), wi = V.Create(read[i]), sum = V.Zero;
            for (int j = 0; j < padded; j += V.Count)
            {
                V l = V.Load(links + j), db = V.Load(dBackward + j);
                sum = V.Fma(l, db, sum);                                                            // dw'[i] = sum over j of L[i, j] db[j]
                V.Store(dRead + j, V.Fma(l, df, V.Load(dRead + j)));                                // dw'[j] += L[i, j] df[i]
                V.Store(dLinks + j, V.Fma(df, V.Load(read + j), V.Fma(wi, db, V.Load(dLinks + j))));
            }
            scratch[i] = V.Sum(sum);
        }
        for (int j = 0; j < padded; j += V.Count) V.Store(dRead + j, V.Load(dRead + j) + V.Load(scratch + j));
    }

    /// <summary>From dL/dL and dL/dp: those of the step before, which replace them, and dL/dw, to be added to. <paramref name="scratch"/> has room for a row of slots.</summary>
    public static void Backward<V, T>(in DncSizes s, T* w, T* precedence, T* links, T* scratch, T* dPrecedence, T* dLinks, T* dw)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int slots = s.Slots, padded = s.PaddedSlots;
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
        new Span<T>(scratch, padded).Clear();
        for (int i = 0; i < slots; i++, links += padded, dLinks += padded)
        {
            dLinks[i] = T.Zero;
            V wi = V.Create(w[i]), rest = V.One - wi, dwi = V.Zero;
            for (int j = 0; j < padded; j += V.Count)
            {
                V d = V.Load(dLinks + j), l = V.Load(links + j);
                dwi = V.Fma(d, V.Load(precedence + j) - l, dwi);
                V.Store(dPrecedence + j, V.Fma(d, wi, V.Load(dPrecedence + j)));
                V.Store(dw + j, V.Load(dw + j) - d * l);
                V.Store(dLinks + j, d * (rest - V.Load(w + j)));
            }
            scratch[i] = V.Sum(dwi);
        }
        for (int j = 0; j < padded; j += V.Count) V.Store(dw + j, V.Load(dw + j) + V.Load(scratch + j));
    }
}
