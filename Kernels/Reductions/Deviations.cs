using ILGPU;
using ILGPU.Algorithms;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Sums of squared deviations from the mean, and their gradient: what the variance and the standard deviation share.</summary>
static class Deviations
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
        else ElementLoop<Difference>.Run(new(), deviations, x, mean);
        Summation.AddInto<Summation.Square>(deviations, variance, 1 / divisor);
        return (mean, variance);
    }

    readonly struct GpuSubtract(ArrayView<float> x, ArrayView<float> mean, ArrayView<float> y) : IGpuElements
    {
        public void One(int i, int ox, int om, int oy, int o3) => y[oy] = x[ox] - mean[om];

        public void Four(in GpuLoop loop, int i, int ox, int om, int oy, int o3) =>
            Float4.ScaleAdd(-1, Float4.Load(mean, om, loop.Step1), Float4.Load(x, ox, loop.Step0)).Store(y, oy);
    }

    readonly struct Difference : IElement
    {
        public static int Operands => 2;
        public V Of<V>(V x, V mean, V c, V d, V old) where V : struct, ISimd<V> => x - mean;
    }

    /// <summary>dx += <paramref name="factor"/> (x - mean) g, mean and g of the reduced shape; where dx <paramref name="isZero"/>, it is not read.</summary>
    public static void AddGradient(Tensor x, Tensor mean, Tensor g, double factor, Tensor dx, bool isZero)
    {
        if (GpuBackend.Current is { } gpu)
        {
            StridedLoop loop = new(x.Shape, x.Strides, StridedLoop.Expand(mean, x.Shape), StridedLoop.Expand(g, x.Shape), dx.Strides);
            gpu.LaunchEach(new(loop, x, mean, g, dx), new GpuGradient(gpu.View(x), gpu.View(mean), gpu.View(g), (float)factor, gpu.View(dx)));
        }
        else ElementLoop<Slope>.Run(new(factor), dx, x, mean, g, isZero: isZero);
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

    readonly struct Slope(double factor) : IElement
    {
        public static int Operands => 3;
        public static bool Adds => true;
        public V Of<V>(V x, V mean, V g, V d, V dx) where V : struct, ISimd<V> => V.Fma(V.Constant(factor) * g, x - mean, dx);
    }

    /// <summary>y = sqrt x, contiguous and of as many elements.</summary>
    public static void SquareRoot(Tensor x, Tensor y)
    {
        x.TryView(y.Shape, out x);
        if (GpuBackend.Current is { } gpu) gpu.LaunchEach(x.Count, new GpuSquareRoot(gpu.View(x), gpu.View(y)));
        else ElementLoop<RootOf>.Run(new(), y, x);
    }

    readonly struct GpuSquareRoot(ArrayView<float> x, ArrayView<float> y) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i < x.IntLength) y[i] = XMath.Sqrt(x[i]);
        }
    }

    readonly struct RootOf : IElement
    {
        public static int Operands => 1;
        public V Of<V>(V x, V b, V c, V d, V old) where V : struct, ISimd<V> => V.Sqrt(x);
    }

    /// <summary>a / b, and 0 where b is 0: contiguous and of one shape.</summary>
    public static Tensor Quotient(Tensor a, Tensor b)
    {
        Tensor y = Tensor.Empty(a.Shape, a.DType);
        if (GpuBackend.Current is { } gpu) gpu.LaunchEach(a.Count, new GpuQuotient(gpu.View(a), gpu.View(b), gpu.View(y)));
        else ElementLoop<QuotientOf>.Run(new(), y, a, b);
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

    readonly struct QuotientOf : IElement
    {
        public static int Operands => 2;
        public V Of<V>(V a, V b, V c, V d, V old) where V : struct, ISimd<V> => V.IfEqual(b, V.Zero, V.Zero, a / b);
    }
}
