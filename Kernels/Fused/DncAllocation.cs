using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Dynamic memory allocation of a Differentiable Neural Computer (Graves et al. 2016, Methods), one step, one sequence: which slots hold something still wanted, and where to
/// write what is new. With the usage u', the write weighting w' and the read weightings w'_r of the step before, and the free gates f_r:
/// <code>
/// psi        = product over read heads r of (1 - f_r w'_r)          retention
/// u          = (u' + w' - u' w') psi                                usage
/// phi        = the slots in ascending order of u                    free list
/// a[phi[j]]  = (1 - u[phi[j]]) product over i &lt; j of u[phi[i]]     allocation
/// </code>
/// Gradients flow through u in the order that it has, and not through a change of that order.
/// </summary>
static unsafe class DncAllocation
{
    /// <summary>The usage.</summary>
    public static void Usage<V, T>(in DncSizes s, T* freeGates, T* before, T* wrote, T* read, T* usage)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots;
        for (int i = 0; i < padded; i += V.Count)
        {
            V u = V.Load(before + i), w = V.Load(wrote + i);
            u = V.Fma(V.One - u, w, u);
            if (s.FreeGates) u *= Retention<V, T>(s, freeGates, read + i, -1);
            V.Store(usage + i, u);
        }
    }

    /// <summary>psi without the factor of one head.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Retention<V, T>(in DncSizes s, T* freeGates, T* read, int without) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V retention = V.One;
        for (int head = 0; head < s.ReadHeads; head++)
            if (head != without) retention *= V.One - V.Create(freeGates[head]) * V.Load(read + (long)head * s.PaddedSlots);
        return retention;
    }

    /// <summary>From dL/du: dL/du', which replaces it; dL/dw', to be written; dL/df, to be written; and dL/dw'_r, to be added to.</summary>
    public static void UsageBackward<V, T>(in DncSizes s, T* freeGates, T* before, T* wrote, T* read, T* dUsage, T* dWrote, T* dFreeGates, T* dRead)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots;
        if (s.FreeGates)
            for (int head = 0; head < s.ReadHeads; head++)
            {
                long row = (long)head * padded;
                V sum = V.Zero, f = V.Create(freeGates[head]);
                for (int i = 0; i < padded; i += V.Count)
                {
                    V u = V.Load(before + i);
                    V d = -(V.Load(dUsage + i) * V.Fma(V.One - u, V.Load(wrote + i), u) * Retention<V, T>(s, freeGates, read + i, head));     // dL/d(f w'_r)
                    sum = V.Fma(d, V.Load(read + row + i), sum);
                    V.Store(dRead + row + i, V.Fma(d, f, V.Load(dRead + row + i)));
                }
                dFreeGates[head] = V.Sum(sum);
            }
        for (int i = 0; i < padded; i += V.Count)
        {
            V d = V.Load(dUsage + i);
            if (s.FreeGates) d *= Retention<V, T>(s, freeGates, read + i, -1);
            V u = V.Load(before + i), w = V.Load(wrote + i);
            V.Store(dUsage + i, d * (V.One - w));
            V.Store(dWrote + i, d * (V.One - u));
        }
    }

    /// <summary>
    /// The free list and the allocation weighting; its padding is zero. Every slot counts those that go before it: N^2 comparisons, a vector at a time, and no branch, take less than
    /// half of the time of sorting 64 slots. <paramref name="keys"/> is a row to work in.
    /// </summary>
    public static void Allocate<V, T>(in DncSizes s, T* usage, int* free, T* keys, T* allocation) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int slots = s.Slots, padded = s.PaddedSlots;
        V infinite = V.Create(T.PositiveInfinity);
        for (int i = 0; i < padded; i += V.Count)
        {
            V u = V.Load(usage + i);
            V.Store(keys + i, V.IfLess(u, infinite, u, infinite));                                // NaN has its place too
        }
        T* lanes = stackalloc T[V.Count];
        for (int i = 0; i < V.Count; i++) lanes[i] = T.CreateTruncating(i);
        for (int i = 0; i < padded; i += V.Count)
        {
            V u = V.Load(keys + i), own = V.Load(lanes), even = V.Zero, odd = V.Zero;
            int j = 0, end = Math.Min(i + V.Count, slots);
            for (; j + 2 <= i; j += 2)                                                              // of a lower number: first unless used more
            {
                even += V.IfLess(u, V.Create(keys[j]), V.Zero, V.One);
                odd += V.IfLess(u, V.Create(keys[j + 1]), V.Zero, V.One);
            }
            for (; j < i; j++) even += V.IfLess(u, V.Create(keys[j]), V.Zero, V.One);
            for (; j < end; j++)
            {
                V key = V.Create(keys[j]);
                even += V.IfLess(key, u, V.One, V.IfLess(u, key, V.Zero, V.IfLess(V.Create(lanes[j - i]), own, V.One, V.Zero)));
            }
            for (; j + 2 <= slots; j += 2)                                                          // of a higher number: only if used less
            {
                even += V.IfLess(V.Create(keys[j]), u, V.One, V.Zero);
                odd += V.IfLess(V.Create(keys[j + 1]), u, V.One, V.Zero);
            }
            for (; j < slots; j++) even += V.IfLess(V.Create(keys[j]), u, V.One, V.Zero);
            V.Store(allocation + i, even + odd);
        }
        for (int i = 0; i < slots; i++) free[int.CreateTruncating(allocation[i])] = i;
        T product = T.One;
        for (int j = 0; j < slots; j++)
        {
            int slot = free[j];
            allocation[slot] = (T.One - usage[slot]) * product;
            product *= usage[slot];
        }
        for (int i = slots; i < padded; i++) allocation[i] = T.Zero;
    }

    /// <summary>
    /// From dL/da: dL/du, to be added to. With the products P_j of the usages before j, q_j = da_j (1 - u_j) + u_j q_j+1 is dL/dP_j, and du_j = P_j (q_j+1 - da_j). The
    /// <paramref name="products"/> are a row to work in.
    /// </summary>
    public static void AllocateBackward<T>(in DncSizes s, T* usage, int* free, T* dAllocation, T* products, T* dUsage) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T product = T.One, q = T.Zero;
        for (int j = 0; j < s.Slots; j++)
        {
            products[j] = product;
            product *= usage[free[j]];
        }
        for (int j = s.Slots - 1; j >= 0; j--)
        {
            int slot = free[j];
            T u = usage[slot], da = dAllocation[slot];
            dUsage[slot] += products[j] * (q - da);
            q = da * (T.One - u) + u * q;
        }
    }
}
