using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU.Runtime;
using NeuralMemory.Emulation;

namespace ILGPU
{
    /// <summary>An index, or an extent, of one dimension.</summary>
    readonly record struct Index1D(int X)
    {
        public int Size => X;

        public static implicit operator Index1D(int x) => new(x);

        public static implicit operator int(Index1D index) => index.X;
    }

    /// <inheritdoc cref="Index1D"/>
    readonly record struct LongIndex1D(long X)
    {
        public long Size => X;

        public static implicit operator LongIndex1D(long x) => new(x);

        public static implicit operator long(LongIndex1D index) => index.X;
    }

    /// <summary>An index, or an extent, of two dimensions.</summary>
    readonly record struct Index2D(int X, int Y)
    {
        public int Size => X * Y;
    }

    /// <summary>An index, or an extent, of three dimensions.</summary>
    readonly record struct Index3D(int X, int Y, int Z)
    {
        public Index3D(Index2D xy, int z) : this(xy.X, xy.Y, z) { }

        public int Size => X * Y * Z;
    }

    /// <summary>What runs kernels: here, the emulator alone.</summary>
    sealed class Context : IDisposable
    {
        Context() => Devices = [new Device()];

        public ImmutableArray<Device> Devices { get; }

        public static Context Create(Action<Builder> buildingCallback)
        {
            buildingCallback(new Builder());
            return new();
        }

        public static Context CreateDefault() => new();

        public Device GetPreferredDevice(bool preferCPU) => Devices[0];

        public void Dispose() { }

        /// <summary>Settings of a context. There is nothing to set.</summary>
        public sealed class Builder
        {
            public Builder Default() => this;
        }
    }
}

namespace ILGPU.Runtime
{
    /// <summary>Kinds of devices.</summary>
    enum AcceleratorType
    {
        CPU,
        Cuda,
        OpenCL,
        Velocity,
    }

    /// <summary>A device, with the limits of a small NVIDIA GPU, so that a kernel that is within them here is within them there.</summary>
    sealed class Device
    {
        public string Name => "emulator";
        public AcceleratorType AcceleratorType => AcceleratorType.CPU;
        public int WarpSize => Warp.WarpSize;
        public int MaxNumThreadsPerGroup => 1024;
        public int MaxSharedMemoryPerGroup => 48 * 1024;
        public int MaxNumThreadsPerMultiprocessor => 2048;
        public int NumMultiprocessors => 8;
        public long MemorySize => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        public Index3D MaxGridSize => new(int.MaxValue, ushort.MaxValue, ushort.MaxValue);
        public Index3D MaxGroupSize => new(1024, 1024, 64);

        public Accelerator CreateAccelerator(Context context) => new(context, this);
    }

    /// <summary>A device in use.</summary>
    sealed class Accelerator(Context context, Device device) : IDisposable
    {
        public Context Context => context;
        public Device Device => device;
        public string Name => device.Name;
        public AcceleratorType AcceleratorType => device.AcceleratorType;
        public int WarpSize => device.WarpSize;
        public int MaxNumThreadsPerGroup => device.MaxNumThreadsPerGroup;
        public int MaxSharedMemoryPerGroup => device.MaxSharedMemoryPerGroup;
        public int MaxNumThreadsPerMultiprocessor => device.MaxNumThreadsPerMultiprocessor;
        public int NumMultiprocessors => device.NumMultiprocessors;
        public long MemorySize => device.MemorySize;

        public AcceleratorStream DefaultStream { get; } = new();

        public AcceleratorStream CreateStream() => new();

        public MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(long length) where T : unmanaged => new(length);

        public PageLockedArray1D<T> AllocatePageLocked1D<T>(LongIndex1D extent) where T : unmanaged => new(extent);

        /// <summary>Makes a kernel ready: a method that every thread of every group of a launch runs.</summary>
        [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "A trimmed program has kernels compiled for GPUs or none.")]
        public Action<AcceleratorStream, KernelConfig, T> LoadKernel<T>(Action<T> action) where T : struct =>
            RuntimeFeature.IsDynamicCodeSupported
                ? new EmulatedKernel<T>(action).Launch
                : throw new PlatformNotSupportedException("The emulator emits IL, which a program compiled ahead of time cannot.");

        /// <inheritdoc cref="LoadKernel{T}(Action{T})"/>
        public Action<AcceleratorStream, KernelConfig, T> LoadKernel<T>(Action<T> action, KernelSpecialization specialization) where T : struct =>
            LoadKernel(action);

        public void Synchronize() { }

        public void Dispose() { }
    }

    /// <summary>Work in order. The emulator has done each piece when the call that asks for it returns.</summary>
    sealed class AcceleratorStream : IDisposable
    {
        bool disposed;

        public void Synchronize() => Enter();

        public void Dispose() => disposed = true;

        internal void Enter() => ObjectDisposedException.ThrowIf(disposed, this);
    }

    /// <summary>What a kernel may rely on: at most so many threads in a group. It changes nothing here.</summary>
    readonly record struct KernelSpecialization(int? MaxNumThreadsPerGroup, int? MinNumGroupsPerMultiprocessor);

    /// <summary>Dynamic shared memory that a launch asks for.</summary>
    readonly record struct SharedMemoryConfig(int NumElements, int ElementSize)
    {
        public int ArraySize => NumElements * ElementSize;

        public static SharedMemoryConfig RequestDynamic<T>(int numElements) where T : unmanaged => new(numElements, Interop.SizeOf<T>());
    }

    /// <summary>A launch's groups, threads in a group, and dynamic shared memory.</summary>
    readonly record struct KernelConfig(Index3D GridDim, Index3D GroupDim, SharedMemoryConfig SharedMemoryConfig)
    {
        public KernelConfig(Index1D gridDim, Index1D groupDim, SharedMemoryConfig sharedMemoryConfig = default)
            : this(new Index3D(gridDim, 1, 1), new Index3D(groupDim, 1, 1), sharedMemoryConfig) { }

        public KernelConfig(Index3D gridDim, Index3D groupDim) : this(gridDim, groupDim, default) { }

        public KernelConfig(int gridDimX, int gridDimY, int gridDimZ, int groupDimX, int groupDimY, int groupDimZ)
            : this(new Index3D(gridDimX, gridDimY, gridDimZ), new Index3D(groupDimX, groupDimY, groupDimZ), default) { }

        public bool IsValid => GridDim is { X: > 0, Y: > 0, Z: > 0 } && GroupDim is { X: > 0, Y: > 0, Z: > 0 };

        public static implicit operator KernelConfig((Index1D, Index1D) dimensions) => new(dimensions.Item1, dimensions.Item2);

        public static implicit operator KernelConfig((Index3D, Index1D) dimensions) => new(dimensions.Item1, new Index3D(dimensions.Item2, 1, 1), default);

        public static implicit operator KernelConfig((Index3D, Index3D) dimensions) => new(dimensions.Item1, dimensions.Item2, default);

        public static implicit operator KernelConfig((Index1D, Index1D, SharedMemoryConfig) dimensions) =>
            new(dimensions.Item1, dimensions.Item2, dimensions.Item3);
    }

    /// <summary>Device memory. Fresh memory holds NaN.</summary>
    abstract unsafe class MemoryBuffer : IDisposable
    {
        internal MemoryBuffer(long length, int elementSize)
        {
            Length = length;
            ElementSize = elementSize;
            NativePtr = DeviceMemory.Allocate(LengthInBytes);
        }

        public nint NativePtr { get; private set; }
        public long Length { get; }
        public int ElementSize { get; }
        public long LengthInBytes => Length * ElementSize;

        public ArrayView<byte> AsRawArrayView() => AsRawArrayView(0, LengthInBytes);

        public ArrayView<byte> AsRawArrayView(long offsetInBytes, long lengthInBytes) => new(this, offsetInBytes, lengthInBytes);

        public void Dispose()
        {
            if (NativePtr != 0)
                DeviceMemory.Free(NativePtr);
            NativePtr = 0;
        }
    }

    /// <inheritdoc/>
    sealed class MemoryBuffer1D<T, TStride>(long length) : MemoryBuffer(length, Interop.SizeOf<T>()), IContiguousArrayView<T>
        where T : unmanaged where TStride : struct
    {
        public ArrayView1D<T, TStride> View => new(new ArrayView<T>(this, 0, Length));

        ArrayView<byte> IContiguousArrayView.AsRawArrayView() => AsRawArrayView();

        public static implicit operator ArrayView1D<T, TStride>(MemoryBuffer1D<T, TStride> buffer) => buffer.View;
    }

    /// <summary>Host memory that a device can copy from and to by itself.</summary>
    sealed unsafe class PageLockedArray1D<T>(LongIndex1D extent) : IDisposable where T : unmanaged
    {
        readonly T[] array = GC.AllocateArray<T>((int)extent.X, pinned: true);

        public long Length => array.Length;
        public Span<T> Span => array;
        public ArrayView<T> ArrayView => new((void*)Marshal.UnsafeAddrOfPinnedArrayElement(array, 0), Length);

        public ref T this[int index] => ref array[index];

        public T[] GetArray() => array;

        public void Dispose() { }
    }
}
