namespace NeuralMemory;

/// <summary>y = 1/n sum of the n elements of x that make one of y. dL/dx = 1/n dL/dy, repeated over them.</summary>
public sealed class Mean : Operation<Mean>
{
    Shape kept;
    double factor;

    /// <summary>Averages <paramref name="x"/> over <paramref name="dimensions"/>, or over all where there are none.</summary>
    public static Tensor Apply(Tensor x, ReadOnlySpan<int> dimensions, bool keepDimensions)
    {
        Require.Float("Mean", x);
        Reduced reduced = new("Mean", x.Shape, dimensions);
        reduced.RequireTerms(1);
        Shape kept = reduced.Kept;
        double factor = 1.0 / reduced.Terms;
        Tensor y = Tensor.Zeros(keepDimensions ? kept : reduced.Dropped, x.DType);
        y.TryView(kept, out Tensor aligned);
        Summation.AddInto(x, aligned, factor);
        if (Record(y, x) is { } operation) (operation.kept, operation.factor) = (kept, factor);
        return y;
    }

    /// <summary>dL/dx += 1/n dL/dy.</summary>
    protected override void Backward()
    {
        OutputGradient().TryView(kept, out Tensor dy);
        Transfer.Add(dy.Expand(Input(0).Shape), InputGradient(0, out bool isZero), factor, isZero);
    }
}

/// <summary>Adds means to <see cref="Tensor"/>.</summary>
public static class MeanOperation
{
    extension(Tensor x)
    {
        /// <summary>The mean over <paramref name="dimensions"/>, which the result is without, or over all elements where none is named.</summary>
        /// <exception cref="ShapeException">It would be the mean of nothing; a dimension is not there, or named twice; the elements are integers.</exception>
        public Tensor Mean(params ReadOnlySpan<int> dimensions) => NeuralMemory.Mean.Apply(x, dimensions, false);

        /// <summary>As above; where <paramref name="keepDimensions"/> holds, the dimensions stay, with size 1.</summary>
        public Tensor Mean(ReadOnlySpan<int> dimensions, bool keepDimensions) => NeuralMemory.Mean.Apply(x, dimensions, keepDimensions);
    }
}
