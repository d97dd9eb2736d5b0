namespace NeuralMemory;

/// <summary>
/// y = sqrt(sum (x_i - mu)^2 / (n - 1)) over the n elements that make one of y, with their mean mu; biased, / n.
/// dL/dx_i = (x_i - mu) / ((n - 1) y) dL/dy, and 0 where y is 0.
/// </summary>
public sealed class StandardDeviation : Operation<StandardDeviation>
{
    Shape kept;
    double divisor;
    Tensor mean;

    /// <summary>The standard deviation of <paramref name="x"/> over <paramref name="dimensions"/>, or over all where there are none.</summary>
    public static Tensor Apply(Tensor x, ReadOnlySpan<int> dimensions, bool unbiased, bool keepDimensions)
    {
        Require.Float("StandardDeviation", x);
        Reduced reduced = new("StandardDeviation", x.Shape, dimensions);
        reduced.RequireTerms(unbiased ? 2 : 1);
        double divisor = reduced.Terms - (unbiased ? 1 : 0);
        (Tensor mean, Tensor variance) = Deviations.Of(x, reduced.Kept, reduced.Terms, divisor);
        Tensor y = Tensor.Empty(keepDimensions ? reduced.Kept : reduced.Dropped, x.DType);
        Deviations.SquareRoot(variance, y);
        if (Record(y, x) is { } operation) (operation.kept, operation.divisor, operation.mean) = (reduced.Kept, divisor, mean);
        return y;
    }

    /// <summary>dL/dx_i += 1 / (n - 1) (x_i - mu) (dL/dy / y).</summary>
    protected override void Backward()
    {
        Deviations.Quotient(OutputGradient(), Output()).TryView(kept, out Tensor g);
        Deviations.AddGradient(Input(0), mean, g, 1 / divisor, InputGradient(0, out bool isZero), isZero);
    }
}

/// <summary>Adds the standard deviation to <see cref="Tensor"/>.</summary>
public static class StandardDeviationOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The square root of the unbiased variance over <paramref name="dimensions"/>, which the result is without, or over all elements where none is
        /// named. Where all elements are equal, it is 0 and so is the gradient.
        /// </summary>
        /// <exception cref="ShapeException">Fewer than two elements make one of the result; a dimension is not there, or named twice; the elements are integers.</exception>
        public Tensor StandardDeviation(params ReadOnlySpan<int> dimensions) => NeuralMemory.StandardDeviation.Apply(x, dimensions, true, false);

        /// <summary>As above, of the biased variance where <paramref name="unbiased"/> is false; with <paramref name="keepDimensions"/> the dimensions stay, with size 1.</summary>
        public Tensor StandardDeviation(ReadOnlySpan<int> dimensions, bool unbiased, bool keepDimensions = false) =>
            NeuralMemory.StandardDeviation.Apply(x, dimensions, unbiased, keepDimensions);
    }
}
