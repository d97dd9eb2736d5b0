using ILGPU.IR.Intrinsics;

namespace NeuralMemory.Gpu;

/// <summary>
/// Copies from global to shared memory that pass no register and go on while the thread does (cp.async, compute capability 8.0). What a thread has started, it closes into groups, and waits
/// for the older groups; a barrier then shows the data to the other threads.
/// </summary>
static class AsyncCopy
{
    /// <summary>Starts to copy 16 bytes.</summary>
    /// <param name="shared">Where to, an element of shared memory. It must not be touched until it has been waited for.</param>
    /// <param name="global">Where from, an element of global memory.</param>
    [IntrinsicImplementation]
    public static void Start(ref Float4 shared, ref Float4 global) => shared = global;

    /// <summary>Starts to copy the first <paramref name="count"/> floats, 0 to 4, and to set the others to zero. With 0, <paramref name="global"/> is not read but must be a valid element.</summary>
    [IntrinsicImplementation]
    public static void Start(ref Float4 shared, ref Float4 global, int count) =>
        shared = new(count > 0 ? global.X : 0, count > 1 ? global.Y : 0, count > 2 ? global.Z : 0, count > 3 ? global.W : 0);

    /// <summary>Closes the group of the copies that this thread has started since the last.</summary>
    [IntrinsicImplementation]
    public static void Commit() { }

    /// <summary>Waits until at most <paramref name="groups"/> groups, a constant, of this thread's are under way.</summary>
    [IntrinsicImplementation]
    public static void Wait(int groups) { }
}
