using System.Numerics;
using System.Runtime.CompilerServices;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y_i = x_0 x_1 ... x_i along a dimension. dL/dx_i = sum_(j >= i) dL/dy_j prod_(k &lt;= j, k != i) x_k = y_(i-1) r_i with
/// r_i = dL/dy_i + x_(i+1) r_(i+1): without a division, and so right where x is 0.
/// </summary>
/// <remarks>A GPU multiplies pairwise: where a product of some neighbours leaves the range of Float32, so may the results behind them.</remarks>
public sealed unsafe class CumulativeProduct : Operation<CumulativeProduct>
{
    int dimension;

    /// <summary>Multiplies <paramref name="x"/> up along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension)
    {
        Require.Float("CumulativeProduct", x);
        int d = x.Shape.Dimension(dimension, "CumulativeProduct");
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        Fibres fibres = new(x.Shape, d, x.Strides, y.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuForward(gpu.View(x), gpu.View(y)));
        else Scan<Product>.Run(fibres, x, y, reverse: false, isZero: true);
        Record(y, x)?.dimension = d;
        return y;
    }

    /// <summary>dL/dx_i += y_(i-1) r_i.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), y = Output(), dx = InputGradient(0);
        Fibres fibres = new(x.Shape, dimension, x.Strides, y.Strides, dx.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuBackward(gpu.View(x), gpu.View(y), gpu.View(OutputGradient()), gpu.View(dx)));
        else Cpu.For(x.DType, fibres.Count, fibres.Grain(4), new BackwardKernel(fibres, x, y, OutputGradient(), dx));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor x, Tensor y, Tensor dy, Tensor dx) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (fibres.Across || typeof(T) == typeof(double)) Along<V, T>(start, end);
            else Along<Float32x1, float>(start, end);                      // each product needs the one before it: one lane
        }

        void Along<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out long odx, out _);
                Fibre<V, T> xs = fibres.At<V, T>(0, x.Pointer<T>() + ox, taken), dxs = fibres.At<V, T>(2, dx.Pointer<T>() + odx, taken);
                Fibre<V, T> ys = fibres.At<V, T>(1, y.Pointer<T>() + oy, taken), dys = fibres.At<V, T>(1, dy.Pointer<T>() + oy, taken);
                V next = V.Zero;                                                // x_(i+1) r_(i+1)
                for (int i = fibres.Length - 1; i >= 0; i--)
                {
                    V r = dys.Load(i) + next;
                    dxs.Store(i, V.Fma(i > 0 ? ys.Load(i - 1) : V.One, r, dxs.Load(i)));
                    next = xs.Load(i) * r;
                }
            }
        }
    }

    /// <summary>a b.</summary>
    readonly struct Product : IReduction<float>, IScan
    {
        public static V First<V>() where V : struct, ISimd<V> => V.One;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Next<V>(V x, ref V product, ref V rest) where V : struct, ISimd<V> => product *= x;

        public static float Neutral => 1;

        public static float Join(float a, float b) => a * b;
    }

    readonly struct GpuForward(ArrayView<float> x, ArrayView<float> y) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            float before = 1;
            for (int start = 0; start < f.CommonLength; start += T.Size)
            {
                int j = start + T.Member;
                float product = T.Prefix<Product, float>(j < f.Length ? x[f.At0(j)] : 1, out float all);
                if (j < f.Length) y[f.At1(j)] = before * product;
                before *= all;
            }
        }
    }

    /// <summary>r -> g + x r: one step of the recurrence, or several.</summary>
    readonly struct Step(float x, float g) : IReduction<Step>
    {
        readonly float x = x, g = g;

        public static Step Neutral => new(1, 0);

        /// <summary>b after a.</summary>
        public static Step Join(Step a, Step b) => new(a.x * b.x, b.Of(a.g));

        public float Of(float r) => GpuMath.Fma(x, r, g);
    }

    readonly struct GpuBackward(ArrayView<float> x, ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dx) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            float after = 0;                                                    // the r of what has been gone through, from the end
            for (int start = 0; start < f.CommonLength; start += T.Size)
            {
                int j = start + T.Member, i = f.CommonLength - 1 - j;
                Step step = Step.Neutral;
                if (j < f.Length) step = new(j > 0 ? x[f.At0(i + 1)] : 0, dy[f.At1(i)]);
                step = T.Prefix<Step, Step>(step, out Step all);
                if (j < f.Length) dx[f.At2(i)] = GpuMath.Fma(i > 0 ? y[f.At1(i - 1)] : 1, step.Of(after), dx[f.At2(i)]);
                after = all.Of(after);
            }
        }
    }
}

/// <summary>Adds cumulative products to <see cref="Tensor"/>.</summary>
public static class CumulativeProductOperation
{
    extension(Tensor x)
    {
        /// <summary>The product of all elements up to each, itself included, along <paramref name="dimension"/>. The gradient is right where elements are 0.</summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor CumulativeProduct(int dimension = -1) => NeuralMemory.CumulativeProduct.Apply(x, dimension);
    }
}
