using System.Runtime.InteropServices;

namespace NeuralMemory;

/// <summary>A device's memory: where tensors live. Operations choose their kernel by the backend of their inputs.</summary>
public abstract unsafe class Backend
{
    /// <summary>The device's name as a user writes it: <c>cpu</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What the device is, for people: its model, cores and vector width.</summary>
    public abstract string Description { get; }

    /// <summary>Takes memory from the device, aligned to 64 bytes at least; its contents are undefined.</summary>
    public abstract nint Allocate(long bytes);

    /// <summary>Gives memory back.</summary>
    public abstract void Free(nint address);

    /// <summary>Sets bytes to zero.</summary>
    public abstract void Clear(nint address, long bytes);

    /// <summary>Copies from device memory to the host.</summary>
    public abstract void CopyToHost(nint source, void* destination, long bytes);

    /// <summary>Copies from the host to device memory.</summary>
    public abstract void CopyFromHost(void* source, nint destination, long bytes);

    /// <summary>The device that new tensors are made on.</summary>
    public static Backend Default => CpuBackend.Instance;
}

/// <summary>The machine's own memory.</summary>
public sealed unsafe class CpuBackend : Backend
{
    CpuBackend() { }

    /// <summary>The only one.</summary>
    public static CpuBackend Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "cpu";

    /// <inheritdoc/>
    public override string Description =>
        $"{RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} logical cores, {Simd.SimdWidth.Bits}-bit vectors, {ThreadTeam.Threads} threads in use";

    /// <inheritdoc/>
    public override nint Allocate(long bytes) => (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);

    /// <inheritdoc/>
    public override void Free(nint address) => NativeMemory.AlignedFree((void*)address);

    /// <inheritdoc/>
    public override void Clear(nint address, long bytes) => NativeMemory.Clear((void*)address, (nuint)bytes);

    /// <inheritdoc/>
    public override void CopyToHost(nint source, void* destination, long bytes) => Buffer.MemoryCopy((void*)source, destination, bytes, bytes);

    /// <inheritdoc/>
    public override void CopyFromHost(void* source, nint destination, long bytes) => Buffer.MemoryCopy(source, (void*)destination, bytes, bytes);
}

/// <summary>A block of device memory that is given back when nothing refers to it any more.</summary>
sealed class Storage
{
    readonly Backend backend;
    readonly long bytes;

    public Storage(Backend backend, long bytes)
    {
        this.backend = backend;
        this.bytes = Math.Max(bytes, 64);
        Address = backend.Allocate(this.bytes);
        GC.AddMemoryPressure(this.bytes);
        Interlocked.Add(ref totalBytes, this.bytes);
    }

    static long totalBytes;

    /// <summary>Device memory held by all blocks that are alive, in bytes.</summary>
    public static long TotalBytes => Interlocked.Read(ref totalBytes);

    public nint Address { get; }
    public long Bytes => bytes;

    ~Storage()
    {
        backend.Free(Address);
        GC.RemoveMemoryPressure(bytes);
        Interlocked.Add(ref totalBytes, -bytes);
    }
}
