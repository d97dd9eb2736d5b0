using System.Runtime.CompilerServices;
using ILGPU;
using NeuralMemory.Gpu;
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
        Tensor y = GpuBackend.Current is null ? Tensor.Empty(x.Shape, x.DType) : Tensor.Zeros(x.Shape, x.DType);
        Add(x, y, d, reverse: false, isZero: true);
        Record(y, x)?.dimension = d;
        return y;
    }

    /// <summary>dL/dx_i += sum_(j >= i) dL/dy_j.</summary>
    protected override void Backward()
    {
        Tensor dx = InputGradient(0, out bool isZero);
        Add(OutputGradient(), dx, dimension, reverse: true, isZero);
    }

    static void Add(Tensor source, Tensor target, int dimension, bool reverse, bool isZero)
    {
        Fibres fibres = new(source.Shape, dimension, source.Strides, target.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuKernel(gpu.View(source), gpu.View(target), reverse ? 1 : 0));
        else Scan<TwoSum>.Run(fibres, source, target, reverse, isZero);
    }

    /// <summary>
    /// The sum of all elements so far. What rounding takes from every addition is kept beside it (Knuth's two-sum), so that the error does not grow with the length. It is NaN once the sum is
    /// infinite, and then left out.
    /// </summary>
    readonly struct TwoSum : IScan
    {
        public static V First<V>() where V : struct, ISimd<V> => V.Zero;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Next<V>(V x, ref V sum, ref V lost) where V : struct, ISimd<V>
        {
            V before = sum, next = before + x, added = next - before, error = lost + (before - (next - added) + (x - added));
            (sum, lost) = (next, error);
            return V.IfEqual(error, error, next + error, next);
        }
    }

    /// <summary>A sum, and what rounding took from it, as above.</summary>
    readonly struct GpuSum(float sum, float lost) : IReduction<GpuSum>
    {
        readonly float sum = sum, lost = lost;

        public float Value => float.IsNaN(lost) ? sum : sum + lost;

        public static GpuSum Neutral => new(0, 0);

        public static GpuSum Join(GpuSum a, GpuSum b)
        {
            float next = a.sum + b.sum, added = next - a.sum;
            return new(next, a.lost + b.lost + (a.sum - (next - added) + (b.sum - added)));
        }
    }

    /// <summary>A team sums as many elements up as it has members, and what it has so far goes to the next.</summary>
    readonly struct GpuKernel(ArrayView<float> source, ArrayView<float> target, int reverse) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            GpuSum before = GpuSum.Neutral;
            for (int start = 0; start < f.CommonLength; start += T.Size)
            {
                int j = start + T.Member, i = reverse != 0 ? f.CommonLength - 1 - j : j;
                GpuSum sum = T.Prefix<GpuSum, GpuSum>(new(j < f.Length ? source[f.At0(i)] : 0, 0), out GpuSum all);
                if (j < f.Length) target[f.At1(i)] += GpuSum.Join(before, sum).Value;
                before = GpuSum.Join(before, all);
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
