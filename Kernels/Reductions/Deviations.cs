using System.Numerics;
using ILGPU;
using ILGPU.Algorithms;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Sums of squared deviations from the mean, and their gradient: what the variance and the standard deviation share.</summary>
static unsafe class Deviations
{
    /// <summary>
    /// mu, the mean, and sum (x - mu)^2 / <paramref name="divisor"/>, both of shape <paramref name="kept"/>. In two passes: the difference of the mean
    /// square and the squared mean would lose all digits where the mean is large.
    /// </summary>
    public static (Tensor Mean, Tensor Variance) Of(Tensor x, Shape kept, int terms, double divisor)
    {
        Tensor mean = Tensor.Zeros(kept, x.DType), variance = Tensor.Zeros(kept, x.DType), deviations = Tensor.Empty(x.Shape, x.DType);
        Summation.AddInto(x, mean, 1.0 / terms);
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(new(x.Shape, x.Strides, StridedLoop.Expand(mean, x.Shape), deviations.Strides), x, mean, deviations), new GpuSubtract(gpu.View(x), gpu.View(mean), gpu.View(deviations)));
        else Cpu.For(x.DType, x.Count, Cpu.Grain, new Subtract(x, mean, deviations));
        Summation.AddInto<Summation.Square>(deviations, variance, 1 / divisor);
        return (mean, variance);
    }

    readonly struct GpuSubtract(ArrayView<float> x, ArrayView<float> mean, ArrayView<float> y) : IGpuElements
    {
        public void One(int i, int ox, int om, int oy, int o3) => y[oy] = x[ox] - mean[om];

        public void Four(in GpuLoop loop, int i, int ox, int om, int oy, int o3) =>
            Float4.ScaleAdd(-1, Float4.Load(mean, om, loop.Step1), Float4.Load(x, ox, loop.Step0)).Store(y, oy);
    }

    readonly struct Subtract(Tensor x, Tensor mean, Tensor y) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, StridedLoop.Expand(mean, x.Shape), y.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int strideX = loop.InnerStride(0), strideM = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out long om, out long oy, out _), end - start);
                T* px = x.Pointer<T>() + ox, pm = mean.Pointer<T>() + om, py = y.Pointer<T>() + oy;
                int i = 0;
                if (strideX == 1 && strideM is 0 or 1)
                {
                    V same = V.Create(*pm);
                    for (; i <= length - V.Count; i += V.Count) V.Store(py + i, V.Load(px + i) - (strideM == 0 ? same : V.Load(pm + i)));
                }
                for (; i < length; i += V.Count)
                {
                    V deviation = Lanes.Load<V, T>(px + (long)i * strideX, strideX, length - i) - Lanes.Load<V, T>(pm + (long)i * strideM, strideM, length - i);
                    Lanes.Store(py + i, 1, deviation, length - i);
                }
            }
        }
    }

    /// <summary>dx += <paramref name="factor"/> (x - mean) g, mean and g of the reduced shape; where dx <paramref name="isZero"/>, it is not read.</summary>
    public static void AddGradient(Tensor x, Tensor mean, Tensor g, double factor, Tensor dx, bool isZero)
    {
        if (GpuBackend.Current is { } gpu)
        {
            StridedLoop loop = new(x.Shape, x.Strides, StridedLoop.Expand(mean, x.Shape), StridedLoop.Expand(g, x.Shape), dx.Strides);
            gpu.LaunchEach(new(loop, x, mean, g, dx), new GpuGradient(gpu.View(x), gpu.View(mean), gpu.View(g), (float)factor, gpu.View(dx)));
        }
        else Cpu.For(x.DType, x.Count, Cpu.Grain, new GradientKernel(x, mean, g, factor, dx, isZero));
    }

    readonly struct GpuGradient(ArrayView<float> x, ArrayView<float> mean, ArrayView<float> g, float factor, ArrayView<float> dx) : IGpuElements
    {
        public void One(int i, int ox, int om, int og, int odx) => dx[odx] = GpuMath.Fma(factor * g[og], x[ox] - mean[om], dx[odx]);

        public void Four(in GpuLoop loop, int i, int ox, int om, int og, int odx)
        {
            Float4 deviation = Float4.ScaleAdd(-1, Float4.Load(mean, om, loop.Step1), Float4.Load(x, ox, loop.Step0));
            Float4.Fma(Float4.ScaleAdd(factor, Float4.Load(g, og, loop.Step2), default), deviation, Float4.Load(dx, odx)).Store(dx, odx);
        }
    }

    readonly struct GradientKernel(Tensor x, Tensor mean, Tensor g, double factor, Tensor dx, bool isZero) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, StridedLoop.Expand(mean, x.Shape), StridedLoop.Expand(g, x.Shape), dx.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V scale = V.Constant(factor);
            bool add = !isZero;
            int strideX = loop.InnerStride(0), strideM = loop.InnerStride(1), strideG = loop.InnerStride(2), strideDx = loop.InnerStride(3);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out long om, out long og, out long odx), end - start);
                T* px = x.Pointer<T>() + ox, pm = mean.Pointer<T>() + om, pg = g.Pointer<T>() + og, pdx = dx.Pointer<T>() + odx;
                int i = 0;
                if (strideX == 1 && strideM is 0 or 1 && strideG == strideM && strideDx == 1)
                {
                    V same = V.Create(*pm), slope = scale * V.Create(*pg);
                    bool each = strideM == 1;
                    bool streams = isZero && Streaming.Suits<V, T>(pdx, x.Count);
                    for (; i <= length - V.Count; i += V.Count) Streaming.Store(pdx + i, V.Fma(each ? scale * V.Load(pg + i) : slope, V.Load(px + i) - (each ? V.Load(pm + i) : same), add ? V.Load(pdx + i) : V.Zero), streams);
                }
                for (; i < length; i += V.Count)
                {
                    int count = length - i;
                    V deviation = Lanes.Load<V, T>(px + (long)i * strideX, strideX, count) - Lanes.Load<V, T>(pm + (long)i * strideM, strideM, count);
                    V old = add ? Lanes.Load<V, T>(pdx + (long)i * strideDx, strideDx, count) : V.Zero;
                    V slope = scale * Lanes.Load<V, T>(pg + (long)i * strideG, strideG, count);
                    Lanes.Store(pdx + (long)i * strideDx, strideDx, V.Fma(slope, deviation, old), count);
                }
            }
            Streaming.End();
        }
    }

    /// <summary>y = sqrt x, contiguous and of one shape.</summary>
    public static void SquareRoot(Tensor x, Tensor y)
    {
        if (GpuBackend.Current is { } gpu) gpu.LaunchEach(x.Count, new GpuSquareRoot(gpu.View(x), gpu.View(y)));
        else Cpu.For(x.DType, x.Count, Cpu.Grain, new SquareRootKernel(x, y));
    }

    readonly struct GpuSquareRoot(ArrayView<float> x, ArrayView<float> y) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i < x.IntLength) y[i] = XMath.Sqrt(x[i]);
        }
    }

    readonly struct SquareRootKernel(Tensor x, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* from = x.Pointer<T>(), to = y.Pointer<T>();
            for (int i = start; i < end; i += V.Count) Lanes.Store(to + i, 1, V.Sqrt(Lanes.Load<V, T>(from + i, 1, end - i)), end - i);
        }
    }

    /// <summary>a / b, and 0 where b is 0: contiguous and of one shape.</summary>
    public static Tensor Quotient(Tensor a, Tensor b)
    {
        Tensor y = Tensor.Empty(a.Shape, a.DType);
        if (GpuBackend.Current is { } gpu) gpu.LaunchEach(a.Count, new GpuQuotient(gpu.View(a), gpu.View(b), gpu.View(y)));
        else Cpu.For(a.DType, a.Count, Cpu.Grain, new QuotientKernel(a, b, y));
        return y;
    }

    readonly struct GpuQuotient(ArrayView<float> a, ArrayView<float> b, ArrayView<float> y) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i < a.IntLength) y[i] = b[i] == 0 ? 0 : a[i] / b[i];
        }
    }

    readonly struct QuotientKernel(Tensor a, Tensor b, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* pa = a.Pointer<T>(), pb = b.Pointer<T>(), py = y.Pointer<T>();
            for (int i = start; i < end; i += V.Count)
            {
                V divisor = Lanes.Load<V, T>(pb + i, 1, end - i);
                Lanes.Store(py + i, 1, V.IfEqual(divisor, V.Zero, V.Zero, Lanes.Load<V, T>(pa + i, 1, end - i) / divisor), end - i);
            }
        }
    }
}
