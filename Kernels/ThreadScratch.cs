namespace NeuralMemory;

/// <summary>Memory of a thread's own that <typeparamref name="TOwner"/>'s kernels work in. It is kept, so that a step in its steady state takes none.</summary>
static unsafe class ThreadScratch<TOwner>
{
    [ThreadStatic] static byte[]? buffer;

    /// <summary>At least <paramref name="count"/> values, aligned to a cache line, undefined, valid until the owner's next call on this thread.</summary>
    public static T* Take<T>(long count) where T : unmanaged
    {
        long bytes = count * sizeof(T) + 64;
        if (buffer is null || buffer.Length < bytes) buffer = GC.AllocateUninitializedArray<byte>(checked((int)bytes), pinned: true);
        fixed (byte* start = buffer) return (T*)(((nint)start + 63) & -64);
    }
}
