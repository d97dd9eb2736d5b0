using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NeuralMemory.Simd;

/// <summary>
/// Writing past the cache. An ordinary store first reads the line that it is in; for a result that does not stay in the cache until it is read, that is a third of the traffic of
/// <c>y = f(x)</c>.
/// </summary>
static unsafe class Streaming
{
    /// <summary>The size in bytes from which on a result is taken not to stay in the cache.</summary>
    const long LeastBytes = 8 << 20;

    /// <summary>Whether whole vectors from <paramref name="to"/> on, of a result with <paramref name="count"/> elements, are to be written past the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Suits<V, T>(T* to, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        Suits<V, T>(to, (long)count * sizeof(T));

    /// <inheritdoc cref="Suits{V, T}(T*, int)"/>
    public static bool Suits<V, T>(T* to, long bytes) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        V.Count > 1 && bytes >= LeastBytes && (nint)to % (V.Count * sizeof(T)) == 0;

    /// <summary>Writes a vector, past the cache if <paramref name="streams"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<V, T>(T* to, V value, bool streams) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (streams) V.StoreStreaming(to, value);
        else V.Store(to, value);
    }

    /// <summary>Asks for the line that <paramref name="address"/> is in, which need not be anyone's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(void* address)
    {
        if (Sse.IsSupported) Sse.Prefetch0(address);
    }

    /// <summary>Makes what has been written visible to other threads in the order in which it was: to be called at the end of a chunk that has streamed.</summary>
    public static void End()
    {
        if (Sse.IsSupported) Sse.StoreFence();
    }
}
