namespace NeuralMemory;

/// <summary>
/// y = x / sqrt(mean(x^2) + epsilon) w for every row of the last dimension (Zhang and Sennrich 2019, equation 4). With r = 1 / sqrt(mean(x^2) + epsilon),
/// g = dL/dy w and x^ = r x: dL/dx = r (g - x^ mean(g x^)), and dL/dw = sum dL/dy x^ over all rows.
/// </summary>
sealed class RmsNorm : Operation<RmsNorm>
{
    Tensor statistics;

    /// <summary>Computes <c>x.RmsNorm(weight, epsilon)</c>.</summary>
    public static Tensor Apply(Tensor x, Tensor? weight, double epsilon)
    {
        RowNormalization.Check("RmsNorm", x, weight, null, epsilon);
        weight = weight?.Contiguous();
        Tensor y = RowNormalization.Forward<RowNormalization.Uncentered>(x, weight, null, epsilon, out Tensor statistics);
        (weight is { } w ? Record(y, x, w) : Record(y, x))?.statistics = statistics;
        return y;
    }

    /// <inheritdoc/>
    protected override void Backward()
    {
        bool hasWeight = InputCount > 1, isZero = false;
        RowNormalization.Backward<RowNormalization.Uncentered>(
            Input(0), hasWeight ? Input(1) : null, statistics, OutputGradient(),
            NeedsGradient(0) ? InputGradient(0, out isZero) : null, isZero, hasWeight && NeedsGradient(1) ? InputGradient(1) : null, null);
    }
}

/// <summary>Adds root-mean-square normalisation to <see cref="Tensor"/>.</summary>
public static class RmsNormOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// Every row of the last dimension of x [.., n] divided by the root of its mean square, then multiplied by the weight, element by element (Zhang and
        /// Sennrich 2019): the result is [.., n].
        /// </summary>
        /// <param name="weight">[n], or none for ones.</param>
        /// <param name="epsilon">Is added to the mean square, so that rows of zeros give zeros.</param>
        /// <exception cref="ShapeException">The sizes do not fit; there is no last dimension, or it is empty; the types differ or are integers.</exception>
        /// <exception cref="ArgumentOutOfRangeException"><paramref name="epsilon"/> is negative.</exception>
        public Tensor RmsNorm(Tensor? weight = null, double epsilon = 1e-6) => NeuralMemory.RmsNorm.Apply(x, weight, epsilon);
    }
}
