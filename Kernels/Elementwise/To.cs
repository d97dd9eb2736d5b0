using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

/// <summary>Adds the conversion of element types to <see cref="Tensor"/>.</summary>
public static class ToOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The elements converted to <paramref name="type"/>, real numbers to integers by dropping the fraction; the tensor itself where they are of that
        /// type already. No gradient flows through a conversion.
        /// </summary>
        public Tensor To(DType type) => x.DType == type ? x : Conversion.Copy(x, type);
    }
}

/// <summary>Copies from any strides to none, whatever the types.</summary>
static class Conversion
{
    public static Tensor Copy(Tensor x, DType type)
    {
        Tensor y = Tensor.Empty(x.Shape, type);
        if (GpuBackend.Current is { } gpu)
        {
            GpuLoop loop = new(new StridedLoop(x.Shape, x.Strides));
            if (x.DType == type) Transfer.Copy(x, y);
            else if (type == DType.Int32) gpu.LaunchEach(y.Count, new GpuToInt32(gpu.View(x), gpu.View<int>(y), loop));
            else gpu.LaunchEach(y.Count, new GpuToFloat32(gpu.View<int>(x), gpu.View(y), loop));
            return y;
        }
        switch (x.DType)
        {
            case DType.Float32: From<float>(x, y); break;
            case DType.Float64: From<double>(x, y); break;
            default: From<int>(x, y); break;
        }
        return y;
    }

    static void From<TFrom>(Tensor x, Tensor y) where TFrom : unmanaged, INumber<TFrom>
    {
        switch (y.DType)
        {
            case DType.Float32: ThreadTeam.For(y.Count, Cpu.Grain, new Kernel<TFrom, float>(x, y)); break;
            case DType.Float64: ThreadTeam.For(y.Count, Cpu.Grain, new Kernel<TFrom, double>(x, y)); break;
            default: ThreadTeam.For(y.Count, Cpu.Grain, new Kernel<TFrom, int>(x, y)); break;
        }
    }

    readonly unsafe struct Kernel<TFrom, TTo>(Tensor x, Tensor y) : IParallelBody where TFrom : unmanaged, INumber<TFrom> where TTo : unmanaged, INumber<TTo>
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides);

        public void Run(int start, int end)
        {
            int stride = loop.InnerStride(0);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out _, out _, out _), end - start);
                TFrom* px = x.Pointer<TFrom>() + ox;
                TTo* py = y.Pointer<TTo>() + start;
                for (int i = 0; i < length; i++) py[i] = TTo.CreateTruncating(px[(long)i * stride]);
            }
        }
    }

    /// <summary>NaN becomes 0, and what is beyond an integer's range its end, as on the CPU.</summary>
    readonly struct GpuToInt32(ArrayView<float> x, ArrayView<int> y, GpuLoop loop) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= loop.Count) return;
            loop.Locate(i, out int ox, out _, out _, out _);
            float v = x[ox];
            y[i] = v >= 2147483648f ? int.MaxValue : v > -2147483648f ? (int)v : v <= -2147483648f ? int.MinValue : 0;
        }
    }

    readonly struct GpuToFloat32(ArrayView<int> x, ArrayView<float> y, GpuLoop loop) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= loop.Count) return;
            loop.Locate(i, out int ox, out _, out _, out _);
            y[i] = x[ox];
        }
    }
}
