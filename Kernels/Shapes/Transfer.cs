using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Moves elements between tensors of one shape, each with strides of its own: what the operations that change shapes are made of.</summary>
static unsafe class Transfer
{
    /// <summary><paramref name="target"/> = <paramref name="source"/>, for every element type.</summary>
    public static void Copy(Tensor source, Tensor target)
    {
        if (GpuBackend.Current is { } gpu)
        {
            GpuLoop loop = new(new StridedLoop(target.Shape, source.Strides, target.Strides), source, target);
            gpu.LaunchEach(loop, new GpuCopy(Bits(gpu, source), Bits(gpu, target)));
        }
        else if (target.DType == DType.Float64) ThreadTeam.For(target.Count, Cpu.Grain, new CopyBody<double>(source, target));
        else if (target.DType == DType.Float32) ThreadTeam.For(target.Count, Cpu.Grain, new CopyBody<float>(source, target));
        else ThreadTeam.For(target.Count, Cpu.Grain, new CopyBody<int>(source, target));
    }

    readonly struct CopyBody<T>(Tensor source, Tensor target) : IParallelBody where T : unmanaged
    {
        readonly StridedLoop loop = new(target.Shape, source.Strides, target.Strides);

        public void Run(int start, int end)
        {
            int strideFrom = loop.InnerStride(0), strideTo = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long os, out long ot, out _, out _), end - start);
                T* from = source.Pointer<T>() + os, to = target.Pointer<T>() + ot;
                if (strideFrom == 1 && strideTo == 1) new ReadOnlySpan<T>(from, length).CopyTo(new Span<T>(to, length));
                else for (int i = 0; i < length; i++) to[(long)i * strideTo] = from[(long)i * strideFrom];
            }
        }
    }

    /// <summary><paramref name="target"/> += <paramref name="scale"/> * <paramref name="source"/>; the source may be expanded.</summary>
    public static void Add(Tensor source, Tensor target, double scale = 1)
    {
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(new(target.Shape, source.Strides, target.Strides), source, target), new GpuAdd(gpu.View(source), gpu.View(target), (float)scale));
        else Cpu.For(target.DType, target.Count, Cpu.Grain, new AddKernel(source, target, scale));
    }

    readonly struct AddKernel(Tensor source, Tensor target, double scale) : ICpuKernel
    {
        readonly StridedLoop loop = new(target.Shape, source.Strides, target.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V factor = V.Constant(scale);
            int strideFrom = loop.InnerStride(0), strideTo = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long os, out long ot, out _, out _), end - start);
                T* from = source.Pointer<T>() + os, to = target.Pointer<T>() + ot;
                for (int i = 0; i < length; i += V.Count)
                {
                    V old = Lanes.Load<V, T>(to + (long)i * strideTo, strideTo, length - i);
                    V added = Lanes.Load<V, T>(from + (long)i * strideFrom, strideFrom, length - i);
                    Lanes.Store(to + (long)i * strideTo, strideTo, V.Fma(factor, added, old), length - i);
                }
            }
        }
    }

    /// <summary>A tensor's elements for a kernel that moves them and does not compute: integers as floats of the same bits.</summary>
    public static ArrayView<float> Bits(GpuBackend gpu, Tensor x) => x.DType == DType.Int32 ? gpu.View<int>(x).Cast<float>() : gpu.View(x);

    readonly struct GpuCopy(ArrayView<float> from, ArrayView<float> to) : IGpuElements
    {
        public void One(int i, int of, int ot, int o2, int o3) => to[ot] = from[of];

        public void Four(in GpuLoop loop, int i, int of, int ot, int o2, int o3) => Float4.Load(from, of, loop.Step0).Store(to, ot);
    }

    readonly struct GpuAdd(ArrayView<float> from, ArrayView<float> to, float scale) : IGpuElements
    {
        public void One(int i, int of, int ot, int o2, int o3) => to[ot] = GpuMath.Fma(scale, from[of], to[ot]);

        public void Four(in GpuLoop loop, int i, int of, int ot, int o2, int o3) =>
            Float4.Fma(new(scale, scale, scale, scale), Float4.Load(from, of, loop.Step0), Float4.Load(to, ot)).Store(to, ot);
    }
}
