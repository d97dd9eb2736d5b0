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
