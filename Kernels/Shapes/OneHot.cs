using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

/// <summary>Adds one-hot coding to <see cref="Tensor"/>.</summary>
public static unsafe class OneHotOperation
{
    extension(Tensor indices)
    {
        /// <summary>For every index a vector that is 1 there and 0 elsewhere: [..] -> [.., <paramref name="classes"/>]. It has no gradient.</summary>
        /// <param name="classes">The number of classes: each index is from 0 to classes - 1.</param>
        /// <param name="type">Of the result.</param>
        /// <exception cref="ShapeException">An index is out of range; the indices are not Int32. On a GPU an index out of range gives zeros.</exception>
        public Tensor OneHot(int classes, DType type = DType.Float32)
        {
            if (classes < 0) throw new ShapeException("OneHot", $"{classes} classes; 0 at least was expected.");
            Indices.Check("OneHot", indices, classes, indices.Rank, indices.Shape.Insert(indices.Rank, classes));
            if (GpuBackend.Current is { } gpu) return Launch(gpu, indices, Tensor.Empty(indices.Shape.Insert(indices.Rank, classes), type));
            Tensor flat = indices.Reshape([indices.Count]), y = Tensor.Zeros(indices.Shape.Insert(indices.Rank, classes), type);
            if (type == DType.Float64) ThreadTeam.For(flat.Count, Cpu.Grain, new Kernel<double>(flat, y));
            else if (type == DType.Float32) ThreadTeam.For(flat.Count, Cpu.Grain, new Kernel<float>(flat, y));
            else ThreadTeam.For(flat.Count, Cpu.Grain, new Kernel<int>(flat, y));
            return y;
        }
    }

    readonly struct Kernel<T>(Tensor indices, Tensor y) : IParallelBody where T : unmanaged, INumber<T>
    {
        readonly int stride = indices.Strides[0], classes = y.Shape[^1];

        public void Run(int start, int end)
        {
            for (int i = start; i < end; i++) y.Pointer<T>()[(long)i * classes + indices.Pointer<int>()[(long)i * stride]] = T.One;
        }
    }

    static Tensor Launch(GpuBackend gpu, Tensor indices, Tensor y)
    {
        GpuLoop loop = new(new StridedLoop(y.Shape, indices.Strides.Insert(indices.Rank, 0)));
        if (y.DType == DType.Int32) gpu.LaunchEach(y.Count, new GpuKernel<int>(gpu.View<int>(indices), gpu.View<int>(y), loop, y.Shape[^1], 1));
        else gpu.LaunchEach(y.Count, new GpuKernel<float>(gpu.View<int>(indices), gpu.View(y), loop, y.Shape[^1], 1));
        return y;
    }

    readonly struct GpuKernel<T>(ArrayView<int> indices, ArrayView<T> y, GpuLoop loop, int classes, T one) : IGpuKernel where T : unmanaged
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= loop.Count) return;
            loop.Locate(i, out int index, out _, out _, out _);
            y[i] = indices[index] == i % classes ? one : default;
        }
    }
}
