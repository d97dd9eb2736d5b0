using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y_i = e^(x_i - m) / s with m = max x and s = sum_j e^(x_j - m), along a dimension. With dL/dy = g, dL/dx_i = y_i (g_i - sum_j g_j y_j).
/// </summary>
/// <remarks>
/// Subtracting m leaves no power above 1 and one at least that is 1, so nothing overflows and s never vanishes. Where all of a fibre is -infinity there is
/// no distribution: every y is 0, and so is the gradient.
/// </remarks>
public sealed unsafe class Softmax : Operation<Softmax>
{
    int dimension;

    /// <summary>Normalises <paramref name="x"/> along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension)
    {
        Require.Float("Softmax", x);
        int d = x.Shape.Dimension(dimension, "Softmax");
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        Fibres fibres = new(x.Shape, d, x.Strides, y.Strides);
        Cpu.For(x.DType, fibres.Count, fibres.Grain(8), new Forward(fibres, x, y));
        Record(y, x)?.dimension = d;
        return y;
    }

    readonly struct Forward(Fibres fibres, Tensor x, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length, step = fibres.Step<V>();
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out _, out _);
                Fibre<V, T> xs = fibres.At<V, T>(0, x.Pointer<T>() + ox, taken), ys = fibres.At<V, T>(1, y.Pointer<T>() + oy, taken);
                V m = Maximum<V, T>(fibres, xs), s = V.Zero;
                for (int j = 0; j < n; j += step)
                {
                    V e = V.Exp(xs.Load(j, T.NegativeInfinity) - m);
                    s += e;
                    ys.Store(j, e);
                }
                s = fibres.Sum<V, T>(s);
                V factor = V.IfEqual(s, V.Zero, V.Zero, V.One / s);
                for (int j = 0; j < n; j += step) ys.Store(j, ys.Load(j) * factor);
            }
        }
    }

    /// <summary>m = max x along a fibre, in every lane; 0 where all of it is -infinity, so that x - m is -infinity there and not NaN.</summary>
    internal static V Maximum<V, T>(in Fibres fibres, in Fibre<V, T> xs) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V lowest = V.Create(T.NegativeInfinity), m = lowest;
        int n = fibres.Length, step = fibres.Step<V>();
        for (int j = 0; j < n; j += step) m = V.Max(m, xs.Load(j, T.NegativeInfinity));
        m = fibres.Max<V, T>(m);
        return V.IfEqual(m, lowest, V.Zero, m);
    }

    /// <summary>s = sum_j e^(x_j - m) along a fibre, in every lane.</summary>
    internal static V SumOfPowers<V, T>(in Fibres fibres, in Fibre<V, T> xs, V m) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V s = V.Zero;
        int n = fibres.Length, step = fibres.Step<V>();
        for (int j = 0; j < n; j += step) s += V.Exp(xs.Load(j, T.NegativeInfinity) - m);
        return fibres.Sum<V, T>(s);
    }

    /// <summary>dL/dx_i += y_i (dL/dy_i - sum_j dL/dy_j y_j).</summary>
    protected override void Backward()
    {
        Tensor y = Output(), dx = InputGradient(0);
        Fibres fibres = new(y.Shape, dimension, y.Strides, dx.Strides);
        Cpu.For(y.DType, fibres.Count, fibres.Grain(4), new BackwardKernel(fibres, y, OutputGradient(), dx));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor y, Tensor dy, Tensor dx) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length, step = fibres.Step<V>();
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long oy, out long ox, out _, out _);
                Fibre<V, T> ys = fibres.At<V, T>(0, y.Pointer<T>() + oy, taken), dys = fibres.At<V, T>(0, dy.Pointer<T>() + oy, taken);
                Fibre<V, T> dxs = fibres.At<V, T>(1, dx.Pointer<T>() + ox, taken);
                V dot = V.Zero;
                for (int j = 0; j < n; j += step) dot = V.Fma(dys.Load(j), ys.Load(j), dot);
                dot = fibres.Sum<V, T>(dot);
                for (int j = 0; j < n; j += step) dxs.Store(j, V.Fma(ys.Load(j), dys.Load(j) - dot, dxs.Load(j)));
            }
        }
    }
}

/// <summary>Adds the softmax to <see cref="Tensor"/>.</summary>
public static class SoftmaxOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// e^x_i / sum_j e^x_j along <paramref name="dimension"/>: positive numbers that add up to 1. Safe for numbers of any size; -infinity counts for nothing,
        /// and where there is nothing else, all are 0.
        /// </summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor Softmax(int dimension = -1) => NeuralMemory.Softmax.Apply(x, dimension);
    }
}
