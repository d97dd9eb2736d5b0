using System.Numerics;
using System.Runtime.InteropServices;
using NeuralMemory.Optimizers;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// A device: where tensors live and operations compute. A thread computes on one device at a time, <see cref="Current"/>: what it makes is made there, and an operation on a tensor
/// of another device throws.
/// </summary>
/// <example><code>
/// using (Backend.Use(gpu))
/// {
///     model.To(gpu);
///     trainer.Run();
/// }
/// </code></example>
public abstract unsafe class Backend
{
    internal Backend() { }

    /// <summary>The device's name as a user writes it: <c>cpu</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What the device is, for people: its model, cores and vector width.</summary>
    public abstract string Description { get; }

    /// <summary>Takes memory from the device, aligned to 64 bytes at least; its contents are undefined.</summary>
    public abstract nint Allocate(long bytes);

    /// <summary>Gives memory back.</summary>
    public abstract void Free(nint address);

    /// <summary>Sets every byte to <paramref name="value"/>.</summary>
    public abstract void Set(nint address, long bytes, byte value);

    /// <summary>Copies from device memory to the host.</summary>
    public abstract void CopyToHost(nint source, void* destination, long bytes);

    /// <summary>Copies from the host to device memory.</summary>
    public abstract void CopyFromHost(void* source, nint destination, long bytes);

    /// <summary>Sets every element of a contiguous tensor to <paramref name="value"/>.</summary>
    public abstract void Fill(Tensor tensor, double value);

    /// <summary>target = source, of one shape and element type, each with strides of its own.</summary>
    public abstract void Copy(Tensor source, Tensor target);

    /// <summary>target += source, of one shape and element type; where the target's elements overlap, all that falls on one is added to it.</summary>
    public abstract void Add(Tensor source, Tensor target);

    /// <summary>Applies an update rule to every element of tensors of one shape, which the caller keeps alive: gradients, weights, and the state that there is.</summary>
    internal abstract void Update<R>(R rule, Tensor gradients, Tensor weights, Tensor? a = null, Tensor? b = null, Tensor? c = null) where R : unmanaged, IUpdateRule;

    /// <summary>Applies each parameter's rule to its weights and state, where it has a gradient; on a GPU if <paramref name="guard"/>, where there is one, is finite.</summary>
    internal abstract void Update<R>(Optimizer<R> optimizer, ReadOnlySpan<R> rules, Tensor? guard) where R : unmanaged, IUpdateRule;

    /// <summary>What <see cref="Gradients.Clip"/> does.</summary>
    internal abstract Tensor ClipGradients(IReadOnlyList<Tensor> parameters, double? limit, double? maxNorm);

    /// <summary>Sets the gradients that there are to zero.</summary>
    internal virtual void ZeroGradients(IReadOnlyList<Tensor> parameters)
    {
        for (int i = 0; i < parameters.Count; i++) parameters[i].ZeroGradient();
    }

    /// <summary>Throws if this device cannot compute with elements of a type.</summary>
    /// <exception cref="NotSupportedException">It cannot.</exception>
    public virtual void Require(DType type) { }

    /// <summary>The device of threads that have not chosen another by <see cref="Use"/>: at first the CPU.</summary>
    public static Backend Default { get; set; } = CpuBackend.Instance;

    /// <summary>The device that this thread computes on.</summary>
    public static Backend Current => Tape.Current.Backend ?? Default;

    /// <summary>
    /// Until the result is disposed, this thread computes on <paramref name="backend"/>. Within a step that began on another device, what is made is owned by the garbage collector.
    /// </summary>
    public static Tape.Scope Use(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        return Tape.UseBackend(backend);
    }
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
    public override nint Allocate(long bytes)
    {
        if (bytes < HugePage || !hasHugePages) return (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);
        nuint rounded = ((nuint)bytes + HugePage - 1) / HugePage * HugePage;
        void* block = NativeMemory.AlignedAlloc(rounded, HugePage);
        try
        {
            _ = Advise(block, rounded, AdviseHugePages);                 // refused, it does no harm
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            hasHugePages = false;
        }
        return (nint)block;
    }

    /// <summary>
    /// Blocks of this size and more ask Linux for pages of 2 MB. A step writes and reads many rows that lie far apart, and with pages of 4 KB the walks through the page table, which under a virtual
    /// machine are twice as long, cost more than the cache misses.
    /// </summary>
    const int HugePage = 2 << 20;

    /// <summary>MADV_HUGEPAGE of Linux.</summary>
    const int AdviseHugePages = 14;

    static bool hasHugePages = OperatingSystem.IsLinux();

    [DllImport("libc", EntryPoint = "madvise")]
    static extern int Advise(void* address, nuint length, int advice);

    /// <inheritdoc/>
    public override void Free(nint address) => NativeMemory.AlignedFree((void*)address);

    /// <inheritdoc/>
    public override void Set(nint address, long bytes, byte value) => Cpu.ForHost(DType.Float32, (int)((bytes + Block - 1) / Block), 1, new SetKernel(address, bytes, value));

    /// <summary>Bytes that are worth handing to another thread.</summary>
    const int Block = 256 * 1024;

    readonly struct SetKernel(nint address, long bytes, byte value) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (; start < end; start++)
            {
                byte* to = (byte*)address + (long)start * Block;
                long length = Math.Min(Block, bytes - (long)start * Block), i = 0;
                if (value == 0 && Streaming.Suits<V, T>((T*)to, bytes))
                    for (; i <= length - V.Count * sizeof(T); i += V.Count * sizeof(T)) V.StoreStreaming((T*)(to + i), V.Zero);
                NativeMemory.Fill(to + i, (nuint)(length - i), value);
            }
            Streaming.End();
        }
    }

    /// <inheritdoc/>
    public override void CopyToHost(nint source, void* destination, long bytes) => Buffer.MemoryCopy((void*)source, destination, bytes, bytes);

    /// <inheritdoc/>
    public override void CopyFromHost(void* source, nint destination, long bytes) => Buffer.MemoryCopy(source, (void*)destination, bytes, bytes);

    /// <inheritdoc/>
    public override void Fill(Tensor tensor, double value)
    {
        switch (tensor.DType)
        {
            case DType.Float32: new Span<float>(tensor.Pointer<float>(), tensor.Count).Fill((float)value); break;
            case DType.Float64: new Span<double>(tensor.Pointer<double>(), tensor.Count).Fill(value); break;
            default: new Span<int>(tensor.Pointer<int>(), tensor.Count).Fill((int)value); break;
        }
        GC.KeepAlive(tensor.Body);
    }

    /// <inheritdoc/>
    public override void Copy(Tensor source, Tensor target)
    {
        long bytes = (long)target.Count * target.DType.Size();
        bool overlap = source.IsContiguous && target.IsContiguous && Math.Abs(source.Address - target.Address) < bytes;
        if (overlap) Buffer.MemoryCopy((void*)source.Address, (void*)target.Address, bytes, bytes);
        else Movement.Run<Movement.Assign>(source, target);
    }

    /// <inheritdoc/>
    public override void Add(Tensor source, Tensor target) => Movement.Run<Movement.Accumulate>(source, target);

    internal override void Update<R>(R rule, Tensor gradients, Tensor weights, Tensor? a = null, Tensor? b = null, Tensor? c = null)
    {
        Cpu.For(weights.DType, weights.Count, Cpu.Grain, new UpdateKernel<R>(rule, Start(gradients), Start(weights), Start(a), Start(b), Start(c)));

        static void* Start(Tensor? tensor) => tensor is { } t ? (void*)t.Address : null;
    }

    internal override void Update<R>(Optimizer<R> optimizer, ReadOnlySpan<R> rules, Tensor? guard)
    {
        for (int i = 0; i < rules.Length; i++)
        {
            Tensor parameter = optimizer.Parameters[i];
            if (parameter.HasGradient)
                Update(rules[i], parameter.Gradient, parameter, optimizer.States(0)?[i], optimizer.States(1)?[i], optimizer.States(2)?[i]);
        }
    }

    internal override Tensor ClipGradients(IReadOnlyList<Tensor> parameters, double? limit, double? maxNorm) => Gradients.Clip(parameters, limit, maxNorm);
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
