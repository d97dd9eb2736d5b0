using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// An array that a loop reads and writes by vectors, the last of them part of one: <c>x[i, lanes]</c> are the elements i to i + lanes - 1. One loop body
/// then serves whole vectors and the tail; the test for it is predicted and hides behind the division that every optimiser does.
/// </summary>
readonly unsafe struct Elements<V, T>(void* address)
    where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly T* address = (T*)address;

    public V this[int i, int lanes]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => lanes == V.Count ? V.Load(address + i) : V.LoadPartial(address + i, lanes, T.Zero);
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        set
        {
            if (lanes == V.Count) V.Store(address + i, value);
            else V.StorePartial(address + i, value, lanes);
        }
    }
}

/// <summary>An update rule over arrays of weights, gradients and state; null for state that there is none of.</summary>
readonly unsafe struct UpdateKernel<R>(R rule, void* gradients, void* weights, void* a, void* b, void* c) : ICpuKernel where R : unmanaged, IUpdateRule
{
    public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        R r = rule;
        Elements<V, T> g = new(gradients), w = new(weights), sa = new(a), sb = new(b), sc = new(c);
        bool hasA = a != null, hasB = b != null, hasC = c != null;
        for (int i = start; i < end; i += V.Count)
        {
            int n = Math.Min(V.Count, end - i);
            V wi = w[i, n], ai = hasA ? sa[i, n] : V.Zero, bi = hasB ? sb[i, n] : V.Zero, ci = hasC ? sc[i, n] : V.Zero;
            r.Apply(g[i, n], ref wi, ref ai, ref bi, ref ci);
            w[i, n] = wi;
            if (hasA) sa[i, n] = ai;
            if (hasB) sb[i, n] = bi;
            if (hasC) sc[i, n] = ci;
        }
    }
}
