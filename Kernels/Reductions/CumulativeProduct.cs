using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y_i = x_0 x_1 ... x_i along a dimension. dL/dx_i = sum_(j >= i) dL/dy_j prod_(k &lt;= j, k != i) x_k = y_(i-1) r_i with
/// r_i = dL/dy_i + x_(i+1) r_(i+1): without a division, and so right where x is 0.
/// </summary>
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
        Cpu.For(x.DType, fibres.Count, fibres.Grain(4), new Forward(fibres, x, y));
        Record(y, x)?.dimension = d;
        return y;
    }

    readonly struct Forward(Fibres fibres, Tensor x, Tensor y) : ICpuKernel
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
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out _, out _);
                Fibre<V, T> xs = fibres.At<V, T>(0, x.Pointer<T>() + ox, taken), ys = fibres.At<V, T>(1, y.Pointer<T>() + oy, taken);
                V product = V.One;
                for (int j = 0; j < fibres.Length; j++)
                {
                    product *= xs.Load(j);
                    ys.Store(j, product);
                }
            }
        }
    }

    /// <summary>dL/dx_i += y_(i-1) r_i.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), y = Output(), dx = InputGradient(0);
        Fibres fibres = new(x.Shape, dimension, x.Strides, y.Strides, dx.Strides);
        Cpu.For(x.DType, fibres.Count, fibres.Grain(4), new BackwardKernel(fibres, x, y, OutputGradient(), dx));
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
