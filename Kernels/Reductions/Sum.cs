namespace NeuralMemory;

/// <summary>y = sum of x over some dimensions, pairwise. dL/dx = dL/dy, repeated over them.</summary>
public sealed class Sum : Operation<Sum>
{
    Shape kept;

    /// <summary>Sums <paramref name="x"/> over <paramref name="dimensions"/>, or over all where there are none.</summary>
    public static Tensor Apply(Tensor x, ReadOnlySpan<int> dimensions, bool keepDimensions)
    {
        Require.Float("Sum", x);
        Reduced reduced = new("Sum", x.Shape, dimensions);
        Shape kept = reduced.Kept;
        Tensor y = Tensor.Zeros(keepDimensions ? kept : reduced.Dropped, x.DType);
        y.TryView(kept, out Tensor aligned);
        Summation.AddInto(x, aligned);
        Record(y, x)?.kept = kept;
        return y;
    }

    /// <summary>dL/dx += dL/dy.</summary>
    protected override void Backward()
    {
        OutputGradient().TryView(kept, out Tensor dy);
        Transfer.Add(dy.Expand(Input(0).Shape), InputGradient(0, out bool isZero), isZero: isZero);
    }
}

/// <summary>Adds sums to <see cref="Tensor"/>.</summary>
public static class SumOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The sum over <paramref name="dimensions"/>, which the result is without, or over all elements where none is named. Pairwise, so that the error
        /// grows with the logarithm of the number of terms. The sum of nothing is 0.
        /// </summary>
        /// <exception cref="ShapeException">A dimension is not there, or named twice; the elements are integers.</exception>
        public Tensor Sum(params ReadOnlySpan<int> dimensions) => NeuralMemory.Sum.Apply(x, dimensions, false);

        /// <summary>As above; where <paramref name="keepDimensions"/> holds, the dimensions stay, with size 1.</summary>
        public Tensor Sum(ReadOnlySpan<int> dimensions, bool keepDimensions) => NeuralMemory.Sum.Apply(x, dimensions, keepDimensions);
    }
}
