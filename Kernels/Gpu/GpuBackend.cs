using ILGPU;
using ILGPU.Runtime;
using NeuralMemory.Gpu;

namespace NeuralMemory;

/// <summary>
/// A GPU, through ILGPU: a stream of its own, memory that is taken from the driver once, and kernels that are compiled once. In a build without ILGPU, the emulator, which runs the same
/// kernels on the CPU, checks them, and is slow. <see cref="Devices.Open(string)"/> makes one.
/// </summary>
/// <remarks>
/// It computes in Float32, with Int32 for indices. Operations return before the device has done them; reading a result waits for it. One thread at a time may use it.
/// </remarks>
public sealed unsafe class GpuBackend : Backend, IDisposable
{
    /// <summary>Bytes that copies between host and device go through at once.</summary>
    const int Staging = 1 << 20;

    readonly Context context;
    readonly Accelerator accelerator;
    readonly AcceleratorStream stream;
    readonly GpuMemory memory;
    readonly PageLockedArray1D<byte> download, upload;
    Delegate?[] kernels = [];
    int uploaded;
    bool disposed;

    internal GpuBackend(string name, Context context, Accelerator accelerator)
    {
        Name = name;
        this.context = context;
        this.accelerator = accelerator;
        stream = accelerator.CreateStream();
        memory = new(accelerator, name);
        download = accelerator.AllocatePageLocked1D<byte>(Staging);
        upload = accelerator.AllocatePageLocked1D<byte>(Staging);
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Description => $"{accelerator.Name}, {accelerator.NumMultiprocessors} multiprocessors, {accelerator.MemorySize / (1L << 20):n0} MiB";

    /// <summary>The device and its limits.</summary>
    internal Accelerator Accelerator => accelerator;

    /// <summary>How exactly it multiplies matrices; <see cref="MatMulPrecision.Float32"/> unless set.</summary>
    /// <exception cref="DeviceException">The device has no tensor cores that can do it: compute capability 8.0 is needed.</exception>
    public MatMulPrecision MatMulPrecision
    {
        get;
        set
        {
#if ILGPU
            if (value != MatMulPrecision.Float32 && accelerator is not ILGPU.Runtime.Cuda.CudaAccelerator { Architecture.Major: >= 8 })
                throw new DeviceException($"{Name} ({accelerator.Name}) cannot multiply matrices in {value}: tensor cores of compute capability 8.0 or more are needed.");
#endif
            field = value;
        }
    }

    /// <summary>The kernel that all products of matrices run on; null, as it should be outside of tests, leaves the choice to the shapes.</summary>
    internal MatMulRung? MatMulRung { get; set; }

    /// <summary>Float32 operations a second that its multiprocessors can do at most, a product and sum being two; NaN where the device does not tell.</summary>
    public double PeakFlops => DevicePeak.Flops(accelerator);

    /// <summary>Bytes a second that its memory can deliver at most; NaN where the device does not tell.</summary>
    public double PeakBandwidth => DevicePeak.Bandwidth(accelerator);

    /// <summary>The driver's handle of its stream, for libraries that take one; 0 where there is none.</summary>
    public nint NativeStream => DevicePeak.Stream(stream);

    /// <summary>Kernels launched so far.</summary>
    public long Launches { get; private set; }

    /// <summary>Copies to the host so far: each waits for the device.</summary>
    public long CopiesToHost { get; private set; }

    /// <summary>Copies from the host so far.</summary>
    public long CopiesFromHost { get; private set; }

    /// <summary>How often memory was taken from the driver.</summary>
    public long Allocations => memory.Allocations;

    /// <summary>The GPU that this thread computes on; null where that is the CPU.</summary>
    internal static new GpuBackend? Current => Backend.Current as GpuBackend;

    // ---- Kernels ----

    /// <summary>Runs a kernel by <paramref name="groups"/> groups of <paramref name="threads"/> threads, after everything launched before it.</summary>
    /// <param name="groups">How many; of none, nothing happens.</param>
    /// <param name="threads">Threads of a group.</param>
    /// <param name="kernel">What each thread does.</param>
    /// <param name="sharedFloats">Floats of dynamic shared memory that a group has.</param>
    /// <exception cref="DeviceException">It cannot be compiled, or launched in this shape.</exception>
    internal void Launch<K>(int groups, int threads, K kernel, int sharedFloats = 0) where K : struct, IGpuKernel
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (groups == 0) return;
        Launches++;
        try
        {
            Compiled<K>()(stream, new KernelConfig(groups, threads, SharedMemoryConfig.RequestDynamic<float>(sharedFloats)), kernel);
        }
        catch (Exception e)
        {
            throw new DeviceException($"{Title(typeof(K))} could not run on {Name} as {groups} groups of {threads} threads: {e.Message}", e);
        }
    }

    /// <summary>Runs a kernel by at least <paramref name="count"/> threads: one an element.</summary>
    internal void LaunchEach<K>(int count, K kernel) where K : struct, IGpuKernel => Launch((int)(((long)count + GroupSize - 1) / GroupSize), GroupSize, kernel);

    /// <summary>Runs a body for all elements of a loop.</summary>
    internal void LaunchEach<TBody>(in GpuLoop loop, TBody body) where TBody : struct, IGpuElements => LaunchEach(loop.Threads, new GpuEach<TBody>(body, loop));

    /// <summary>Threads of a group where a kernel has no reason for another number.</summary>
    internal const int GroupSize = 256;

    Action<AcceleratorStream, KernelConfig, K> Compiled<K>() where K : struct, IGpuKernel
    {
        int slot = Slot<K>.Index;
        if (slot >= kernels.Length) Array.Resize(ref kernels, Math.Max(64, 2 * slot));
        return (Action<AcceleratorStream, KernelConfig, K>)(kernels[slot] ??= accelerator.LoadKernel<K>(Entry));
    }

    static void Entry<K>(K kernel) where K : struct, IGpuKernel => kernel.Run();

    static int slots;

    static class Slot<K>
    {
        public static readonly int Index = Interlocked.Increment(ref slots) - 1;
    }

    /// <summary>A kernel's name for people: <c>Unary.Forward[Tanh]</c>.</summary>
    internal static string Title(Type kernel)
    {
        string name = kernel.DeclaringType is { } outer ? $"{Bare(outer)}.{Bare(kernel)}" : Bare(kernel);
        return kernel.IsGenericType ? $"{name}[{string.Join(", ", kernel.GetGenericArguments().Select(Title))}]" : name;

        static string Bare(Type type) => type.Name.Split('`')[0];
    }

    /// <summary>A tensor's elements, for a kernel: from the first to the last, gaps included.</summary>
    /// <exception cref="InvalidOperationException">The tensor is on another device.</exception>
    /// <exception cref="ShapeException">Its elements are not of type <typeparamref name="T"/>.</exception>
    internal ArrayView<T> View<T>(Tensor tensor) where T : unmanaged
    {
        TensorBody b = tensor.Body;
        if (b.Backend != this) throw new InvalidOperationException(
            $"A tensor {b.Shape} is on {b.Backend.Name}, but what computes with it runs on {Name}. Make it within Backend.Use, or bring it over with On.");
        if (b.DType != DTypes.Of<T>()) throw new ShapeException("Tensor", $"elements are {b.DType}, but {DTypes.Of<T>()} was asked for.");
        if (b.Count == 0) return ArrayView<T>.Empty;
        long last = 0;
        for (int d = 0; d < b.Shape.Rank; d++) last += (long)(b.Shape[d] - 1) * b.Strides[d];
        return memory.View(b.Address, (last + 1) * b.DType.Size()).Cast<T>();
    }

    /// <summary>As <see cref="View{T}"/>, of floats.</summary>
    internal ArrayView<float> View(Tensor tensor) => View<float>(tensor);

    /// <summary>Waits until the device has done everything.</summary>
    public void Synchronize() => stream.Synchronize();

    // ---- Memory ----

    /// <inheritdoc/>
    public override void Require(DType type)
    {
        if (type == DType.Float64) throw new NotSupportedException($"{Name} computes in Float32; Float64 is the reference, which runs on {CpuBackend.Instance.Name}.");
    }

    /// <inheritdoc/>
    public override nint Allocate(long bytes)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return memory.Take(bytes);
    }

    /// <inheritdoc/>
    public override void Free(nint address) => memory.Return(address);

    /// <inheritdoc/>
    public override void Set(nint address, long bytes, byte value)
    {
        if (bytes > 0) memory.View(address, bytes).MemSet(stream, value);
    }

    /// <inheritdoc/>
    public override void CopyToHost(nint source, void* destination, long bytes)
    {
        CopiesToHost++;
        for (long done = 0; done < bytes; done += Staging)
        {
            int part = (int)Math.Min(Staging, bytes - done);
            memory.View(source + (nint)done, part).CopyTo(stream, download.ArrayView.SubView(0, part));
            stream.Synchronize();
            download.Span[..part].CopyTo(new Span<byte>((byte*)destination + done, part));
        }
    }

    /// <inheritdoc/>
    public override void CopyFromHost(void* source, nint destination, long bytes)
    {
        CopiesFromHost++;
        for (long done = 0; done < bytes; done += Staging)
        {
            int part = (int)Math.Min(Staging, bytes - done);
            if (uploaded + part > Staging)
            {
                stream.Synchronize();                     // what is still on its way has arrived, and its place is free
                uploaded = 0;
            }
            new ReadOnlySpan<byte>((byte*)source + done, part).CopyTo(upload.Span.Slice(uploaded, part));
            upload.ArrayView.SubView(uploaded, part).CopyTo(stream, memory.View(destination + (nint)done, part));
            uploaded += (part + 15) / 16 * 16;
        }
    }

    /// <summary>Copies a contiguous tensor into another of its size by the driver's own copy.</summary>
    public void CopyWithin(Tensor source, Tensor target)
    {
        long bytes = (long)source.Count * source.DType.Size();
        if (!source.IsContiguous || !target.IsContiguous || (long)target.Count * target.DType.Size() != bytes)
            throw new ShapeException("CopyWithin", $"{source.Shape} into {target.Shape}: contiguous tensors of one size were expected.");
        memory.View(source.Address, bytes).CopyTo(stream, memory.View(target.Address, bytes));
    }

    /// <inheritdoc/>
    public override void Fill(Tensor tensor, double value)
    {
        if (tensor.DType == DType.Int32) LaunchEach(tensor.Count, new FillKernel<int>(View<int>(tensor), (int)value));
        else LaunchEach(tensor.Count, new FillKernel<float>(View(tensor), (float)value));
    }

    readonly struct FillKernel<T>(ArrayView<T> to, T value) : IGpuKernel where T : unmanaged
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i < to.IntLength) to[i] = value;
        }
    }

    /// <inheritdoc/>
    public override void Copy(Tensor source, Tensor target) => Transfer.Copy(source, target);

    /// <inheritdoc/>
    public override void Add(Tensor source, Tensor target)
    {
        // Where elements of the target overlap, one of them stands for all.
        for (int d = 0; d < target.Rank; d++)
            if (target.Strides[d] == 0 && target.Shape[d] > 1) target = target.Slice(d, 0, 1);
        if (target.Shape == source.Shape) Transfer.Add(source, target);
        else Summation.AddInto(source, target);
    }

    internal override void Update<R>(R rule, Tensor gradients, Tensor weights, Tensor? a = null, Tensor? b = null, Tensor? c = null) =>
        GpuOptimizer.Update(this, rule, gradients, weights, a, b, c);

    internal override void Update<R>(Optimizers.Optimizer<R> optimizer, ReadOnlySpan<R> rules, Tensor? guard)
    {
        using (Use(this)) GpuOptimizer.Step(this, optimizer, rules, guard);
    }

    internal override Tensor ClipGradients(IReadOnlyList<Tensor> parameters, double? limit, double? maxNorm)
    {
        using (Use(this)) return GpuGradients.Clip(this, parameters, limit, maxNorm);
    }

    internal override void ZeroGradients(IReadOnlyList<Tensor> parameters)
    {
        if (GpuParameters.Of(parameters) is { } group) Set(group.Gradients.Address, (long)group.Gradients.Count * sizeof(float), 0);
        else base.ZeroGradients(parameters);
    }

    /// <summary>Gives the device back. Tensors on it are lost.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        stream.Synchronize();
        memory.Dispose();
        download.Dispose();
        upload.Dispose();
        stream.Dispose();
        accelerator.Dispose();
        context.Dispose();
    }
}
