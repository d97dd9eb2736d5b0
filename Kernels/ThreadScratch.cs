using System.Runtime.InteropServices;

namespace NeuralMemory;

/// <summary>Memory of a thread's own that <typeparamref name="TOwner"/>'s kernels work in. It is kept, so that a step in its steady state takes none.</summary>
static unsafe class ThreadScratch<TOwner>
{
    const int LineSize = 64;

    [StructLayout(LayoutKind.Sequential, Size = LineSize)] struct Line;

    [ThreadStatic] static Line[]? buffer;                   // of lines, as there may be more bytes than an array can have elements

    /// <summary>At least <paramref name="count"/> values, aligned to a cache line, undefined, valid until the owner's next call on this thread.</summary>
    public static T* Take<T>(long count) where T : unmanaged
    {
        long lines = (count * sizeof(T) + LineSize - 1) / LineSize + 1;
        if (buffer is null || buffer.Length < lines) buffer = GC.AllocateUninitializedArray<Line>(checked((int)lines), pinned: true);
        fixed (Line* start = buffer) return (T*)(((nint)start + LineSize - 1) & -LineSize);
    }
}
