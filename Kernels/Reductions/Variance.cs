namespace NeuralMemory;

/// <summary>
/// y = sum (x_i - mu)^2 / (n - 1) over the n elements that make one of y, with their mean mu; biased, / n. dL/dx_i = 2 (x_i - mu) / (n - 1) dL/dy: mu
/// depends on x too, but the deviations add up to 0.
/// </summary>
public sealed class Variance : Operation<Variance>
{
    Shape kept;
    double divisor;
    Tensor mean;

    /// <summary>The variance of <paramref name="x"/> over <paramref name="dimensions"/>, or over all where there are none.</summary>
    public static Tensor Apply(Tensor x, ReadOnlySpan<int> dimensions, bool unbiased, bool keepDimensions)
    {
        Require.Float("Variance", x);
        Reduced reduced = new("Variance", x.Shape, dimensions);
        reduced.RequireTerms(unbiased ? 2 : 1);
        double divisor = reduced.Terms - (unbiased ? 1 : 0);
        (Tensor mean, Tensor variance) = Deviations.Of(x, reduced.Kept, reduced.Terms, divisor);
        Tensor y = Tensor.Empty(keepDimensions ? reduced.Kept : reduced.Dropped, x.DType);
        variance.TryView(y.Shape, out variance);
        Transfer.Copy(variance, y);
        if (Record(y, x) is { } operation) (operation.kept, operation.divisor, operation.mean) = (reduced.Kept, divisor, mean);
        return y;
    }

    /// <summary>dL/dx_i += 2 / (n - 1) (x_i - mu) dL/dy.</summary>
    protected override void Backward()
    {
        OutputGradient().TryView(kept, out Tensor dy);
        Deviations.AddGradient(Input(0), mean, dy, 2 / divisor, InputGradient(0, out bool isZero), isZero);
    }
}

/// <summary>Adds the variance to <see cref="Tensor"/>.</summary>
public static class VarianceOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The unbiased variance over <paramref name="dimensions"/>, which the result is without, or over all elements where none is named: the sum of the
        /// n squared deviations from the mean, divided by n - 1.
        /// </summary>
        /// <exception cref="ShapeException">Fewer than two elements make one of the result; a dimension is not there, or named twice; the elements are integers.</exception>
        public Tensor Variance(params ReadOnlySpan<int> dimensions) => NeuralMemory.Variance.Apply(x, dimensions, true, false);

        /// <summary>As above, divided by n where <paramref name="unbiased"/> is false; with <paramref name="keepDimensions"/> the dimensions stay, with size 1.</summary>
        public Tensor Variance(ReadOnlySpan<int> dimensions, bool unbiased, bool keepDimensions = false) =>
            NeuralMemory.Variance.Apply(x, dimensions, unbiased, keepDimensions);
    }
}
