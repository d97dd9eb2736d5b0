using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>y = m + log sum_j e^(x_j - m) with m = max x, along a dimension: a smooth maximum. dL/dx_i = e^(x_i - y) dL/dy.</summary>
/// <remarks>Where all of a fibre is -infinity, so is y, and the gradient is 0. Where m is infinite, y = log sum_j e^x_j needs no m.</remarks>
public sealed unsafe class LogSumExp : Operation<LogSumExp>
{
    int dimension;

    /// <summary>The logarithm of the sum of the powers of <paramref name="x"/> along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension, bool keepDimension)
    {
        Require.Float("LogSumExp", x);
        int d = x.Shape.Dimension(dimension, "LogSumExp");
        Tensor y = Tensor.Empty(keepDimension ? x.Shape.With(d, 1) : x.Shape.Without(d), x.DType);
        Fibres fibres = new(x.Shape, d, x.Strides, OneEach(y, d, keepDimension));
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuForward(gpu.View(x), gpu.View(y)));
        else Cpu.For(x.DType, fibres.Count, fibres.Grain(8), new Forward(fibres, x, y));
        Record(y, x)?.dimension = d;
        return y;
    }

    static Shape OneEach(Tensor y, int dimension, bool kept) => kept ? y.Strides.With(dimension, 0) : Fibres.OneEach(y, dimension);

    readonly struct Forward(Fibres fibres, Tensor x, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (fibres.AreRows) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            V highest = V.Create(T.PositiveInfinity);
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out _, out _);
                F xs = F.At(fibres, 0, x.Pointer<T>() + ox, taken);
                V m = Softmax.Maximum<V, T, F>(fibres, xs);
                m = V.IfEqual(m, highest, V.Zero, m);
                fibres.At<V, T>(1, y.Pointer<T>() + oy, taken).StoreOne(m + V.Log(Softmax.SumOfPowers<V, T, F>(fibres, xs, m)));
            }
        }
    }

    /// <summary>dL/dx_i += e^(x_i - y) dL/dy.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), y = Output(), dx = InputGradient(0, out bool isZero);
        Fibres fibres = new(x.Shape, dimension, x.Strides, OneEach(y, dimension, y.Rank == x.Rank), dx.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuBackward(gpu.View(x), gpu.View(y), gpu.View(OutputGradient()), gpu.View(dx)));
        else Cpu.For(x.DType, fibres.Count, fibres.Grain(8), new BackwardKernel(fibres, x, y, OutputGradient(), dx, isZero));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor x, Tensor y, Tensor dy, Tensor dx, bool isZero) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (fibres.AreRows) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = fibres.Length, step = F.Step(fibres);
            bool add = !isZero;
            V lowest = V.Create(T.NegativeInfinity);
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out long odx, out _);
                T* first = dx.Pointer<T>() + odx;
                F xs = F.At(fibres, 0, x.Pointer<T>() + ox, taken), dxs = F.At(fibres, 2, first, taken, isZero && Streaming.Suits<V, T>(first, dx.Count));
                V result = fibres.At<V, T>(1, y.Pointer<T>() + oy, taken).LoadOne(), g = fibres.At<V, T>(1, dy.Pointer<T>() + oy, taken).LoadOne();
                result = V.IfEqual(result, lowest, V.Zero, result);
                for (int j = 0; j < n; j += step) dxs.Store(j, V.Fma(V.Exp(xs.Load(j) - result), g, add ? dxs.Load(j) : V.Zero));
            }
            Streaming.End();
        }
    }

    readonly struct GpuForward(ArrayView<float> x, ArrayView<float> y) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            Softmax.PowerSum powers = Softmax.PowerSum.Of<T>(x, f);
            float m = powers.Shift, sum = powers.Sum, unshifted = 0;
            if (m == float.PositiveInfinity)
                for (int j = T.Member; j < f.Length; j += T.Size) unshifted += GpuFloat.Exp(x[f.At0(j)]);
            unshifted = T.Reduce<FloatSum, float>(unshifted);                           // by every thread, though few teams need it: a group's teams wait for each other
            if (f.LedBy<T>()) y[f.At1(0)] = m == float.PositiveInfinity ? GpuFloat.Log(unshifted) : m + GpuFloat.Log(sum);
        }
    }

    readonly struct GpuBackward(ArrayView<float> x, ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dx) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            float result = y[f.At1(0)], g = dy[f.At1(0)];
            if (result == float.NegativeInfinity) result = 0;
            for (int j = T.Member; j < f.Length; j += T.Size) dx[f.At2(j)] = GpuMath.Fma(GpuFloat.Exp(x[f.At0(j)] - result), g, dx[f.At2(j)]);
        }
    }
}

/// <summary>Adds the logarithm of a sum of powers to <see cref="Tensor"/>.</summary>
public static class LogSumExpOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// log sum_j e^x_j along <paramref name="dimension"/>, which the result is without, or has with size 1. Safe for numbers of any size; -infinity counts
        /// for nothing, and where there is nothing else, or nothing at all, it is the result.
        /// </summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor LogSumExp(int dimension = -1, bool keepDimension = false) => NeuralMemory.LogSumExp.Apply(x, dimension, keepDimension);
    }
}
