using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>y_i = x_0 + ... + x_i along a dimension. dL/dx_i = dL/dy_i + dL/dy_(i+1) + ...: the same sum from the other end.</summary>
public sealed unsafe class CumulativeSum : Operation<CumulativeSum>
{
    int dimension;

    /// <summary>Sums <paramref name="x"/> up along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension)
    {
        Require.Float("CumulativeSum", x);
        int d = x.Shape.Dimension(dimension, "CumulativeSum");
        Tensor y = Tensor.Zeros(x.Shape, x.DType);
        Add(x, y, d, reverse: false);
        Record(y, x)?.dimension = d;
        return y;
    }

    /// <summary>dL/dx_i += sum_(j >= i) dL/dy_j.</summary>
    protected override void Backward() => Add(OutputGradient(), InputGradient(0), dimension, reverse: true);

    static void Add(Tensor source, Tensor target, int dimension, bool reverse)
    {
        Fibres fibres = new(source.Shape, dimension, source.Strides, target.Strides, across: true);
        Cpu.For(source.DType, fibres.Count, fibres.Grain(4), new Kernel(fibres, source, target, reverse));
    }

    /// <summary>target_i += the sum of the source up to i, or from i on.</summary>
    readonly struct Kernel(Fibres fibres, Tensor source, Tensor target, bool reverse) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length, first = reverse ? n - 1 : 0, step = reverse ? -1 : 1;
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long from, out long to, out _, out _);
                Fibre<V, T> xs = fibres.At<V, T>(0, source.Pointer<T>() + from, taken), ys = fibres.At<V, T>(1, target.Pointer<T>() + to, taken);
                V sum = V.Zero, lost = V.Zero;
                for (int j = first; (uint)j < (uint)n; j += step)
                {
                    // What rounding takes from every addition is kept beside it (Knuth's two-sum), so that the error does not grow with the length. It
                    // is NaN once the sum is infinite, and then left out.
                    V x = xs.Load(j), next = sum + x, added = next - sum;
                    lost += sum - (next - added) + (x - added);
                    sum = next;
                    ys.Store(j, ys.Load(j) + V.IfEqual(lost, lost, sum + lost, sum));
                }
            }
        }
    }
}

/// <summary>Adds cumulative sums to <see cref="Tensor"/>.</summary>
public static class CumulativeSumOperation
{
    extension(Tensor x)
    {
        /// <summary>The sum of all elements up to each, itself included, along <paramref name="dimension"/>.</summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor CumulativeSum(int dimension = -1) => NeuralMemory.CumulativeSum.Apply(x, dimension);
    }
}
