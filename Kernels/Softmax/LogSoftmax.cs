using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y_i = x_i - m - log sum_j e^(x_j - m) with m = max x, along a dimension. With dL/dy = g, dL/dx_i = g_i - e^y_i sum_j g_j.
/// </summary>
/// <remarks>Where all of a fibre is -infinity, so is every y, and the gradient passes through unchanged.</remarks>
public sealed unsafe class LogSoftmax : Operation<LogSoftmax>
{
    int dimension;

    /// <summary>Normalises <paramref name="x"/> along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension)
    {
        Require.Float("LogSoftmax", x);
        int d = x.Shape.Dimension(dimension, "LogSoftmax");
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        Fibres fibres = new(x.Shape, d, x.Strides, y.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuForward(gpu.View(x), gpu.View(y)));
        else Cpu.For(x.DType, fibres.Count, fibres.Grain(8), new Forward(fibres, x, y));
        Record(y, x)?.dimension = d;
        return y;
    }

    readonly struct Forward(Fibres fibres, Tensor x, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (fibres.AreRows) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = fibres.Length, step = F.Step(fibres);
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out _, out _);
                T* first = y.Pointer<T>() + oy;
                F xs = F.At(fibres, 0, x.Pointer<T>() + ox, taken), ys = F.At(fibres, 1, first, taken, Streaming.Suits<V, T>(first, y.Count));
                V m = Softmax.Maximum<V, T, F>(fibres, xs), s = Softmax.SumOfPowers<V, T, F>(fibres, xs, m);
                V log = V.IfEqual(s, V.Zero, V.Zero, V.Log(s));
                for (int j = 0; j < n; j += step) ys.Store(j, xs.Load(j) - m - log);
            }
            Streaming.End();
        }
    }

    /// <summary>dL/dx_i += dL/dy_i - e^y_i sum_j dL/dy_j.</summary>
    protected override void Backward()
    {
        Tensor y = Output(), dx = InputGradient(0, out bool isZero);
        Fibres fibres = new(y.Shape, dimension, y.Strides, dx.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuBackward(gpu.View(y), gpu.View(OutputGradient()), gpu.View(dx)));
        else Cpu.For(y.DType, fibres.Count, fibres.Grain(8), new BackwardKernel(fibres, y, OutputGradient(), dx, isZero));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor y, Tensor dy, Tensor dx, bool isZero) : ICpuKernel
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
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long oy, out long ox, out _, out _);
                T* first = dx.Pointer<T>() + ox;
                F ys = F.At(fibres, 0, y.Pointer<T>() + oy, taken), dys = F.At(fibres, 0, dy.Pointer<T>() + oy, taken);
                F dxs = F.At(fibres, 1, first, taken, isZero && Streaming.Suits<V, T>(first, dx.Count));
                V sum = V.Zero;
                for (int j = 0; j < n; j += step) sum += dys.Load(j);
                sum = fibres.Sum<V, T>(sum);
                for (int j = 0; j < n; j += step) dxs.Store(j, (add ? dxs.Load(j) : V.Zero) + (dys.Load(j) - V.Exp(ys.Load(j)) * sum));
            }
            Streaming.End();
        }
    }

    readonly struct GpuForward(ArrayView<float> x, ArrayView<float> y) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            Softmax.PowerSum powers = Softmax.PowerSum.Of<T>(x, f);
            float m = powers.Shift, log = powers.Sum == 0 ? 0 : GpuFloat.Log(powers.Sum);
            for (int j = T.Member; j < f.Length; j += T.Size) y[f.At1(j)] = x[f.At0(j)] - m - log;
        }
    }

    readonly struct GpuBackward(ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dx) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            float sum = 0;
            for (int j = T.Member; j < f.Length; j += 4 * T.Size) sum += f.Four0<T>(dy, j, 0).Sum;
            sum = T.Reduce<FloatSum, float>(sum);
            for (int j = T.Member; j < f.Length; j += T.Size) dx[f.At1(j)] += dy[f.At0(j)] - GpuFloat.Exp(y[f.At0(j)]) * sum;
        }
    }
}

/// <summary>Adds the logarithm of the softmax to <see cref="Tensor"/>.</summary>
public static class LogSoftmaxOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// log(e^x_i / sum_j e^x_j) along <paramref name="dimension"/>, without the loss of digits that the softmax's logarithm has. Safe for numbers of any
        /// size; -infinity counts for nothing, and where there is nothing else, all are -infinity.
        /// </summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor LogSoftmax(int dimension = -1) => NeuralMemory.LogSoftmax.Apply(x, dimension);
    }
}
