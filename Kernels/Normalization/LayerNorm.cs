namespace NeuralMemory;

/// <summary>
/// y = (x - mu) / sqrt(sigma^2 + epsilon) w + b with the mean mu and the variance sigma^2 of every row of the last dimension (Ba, Kiros and Hinton 2016).
/// dL/dx = (g - mean(g) - x^ mean(g x^)) / sqrt(sigma^2 + epsilon) with g = dL/dy w and x^ = (y - b) / w; dL/dw = sum dL/dy x^ and dL/db = sum dL/dy over all rows.
/// </summary>
sealed class LayerNorm : Operation<LayerNorm>
{
    Tensor statistics;
    bool hasWeight, hasBias;

    /// <summary>Computes <c>x.LayerNorm(weight, bias, epsilon)</c>.</summary>
    public static Tensor Apply(Tensor x, Tensor? weight, Tensor? bias, double epsilon)
    {
        RowNormalization.Check("LayerNorm", x, weight, bias, epsilon);
        (weight, bias) = (weight?.Contiguous(), bias?.Contiguous());
        Tensor y = RowNormalization.Forward<RowNormalization.Centered>(x, weight, bias, epsilon, out Tensor statistics);
        LayerNorm? recorded = (weight, bias) switch
        {
            ({ } w, { } b) => Record(y, x, w, b),
            ({ } w, null) => Record(y, x, w),
            (null, { } b) => Record(y, x, b),
            _ => Record(y, x),
        };
        if (recorded is not null) (recorded.statistics, recorded.hasWeight, recorded.hasBias) = (statistics, weight is not null, bias is not null);
        return y;
    }

    /// <inheritdoc/>
    protected override void Backward()
    {
        int bias = hasWeight ? 2 : 1;
        bool isZero = false;
        RowNormalization.Backward<RowNormalization.Centered>(
            Input(0), hasWeight ? Input(1) : null, statistics, OutputGradient(),
            NeedsGradient(0) ? InputGradient(0, out isZero) : null, isZero,
            hasWeight && NeedsGradient(1) ? InputGradient(1) : null,
            hasBias && NeedsGradient(bias) ? InputGradient(bias) : null);
    }
}

/// <summary>Adds layer normalisation to <see cref="Tensor"/>.</summary>
public static class LayerNormOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// Every row of the last dimension of x [.., n] made to have mean 0 and variance 1, then multiplied by the weight and moved by the bias, element by
        /// element (Ba, Kiros and Hinton 2016): the result is [.., n]. Safe for rows whose mean is large beside their deviations.
        /// </summary>
        /// <param name="weight">[n], or none for ones.</param>
        /// <param name="bias">[n], or none for zeros.</param>
        /// <param name="epsilon">Is added to the variance, so that rows of equal elements give zeros.</param>
        /// <exception cref="ShapeException">The sizes do not fit; there is no last dimension, or it is empty; the types differ or are integers.</exception>
        /// <exception cref="ArgumentOutOfRangeException"><paramref name="epsilon"/> is negative.</exception>
        public Tensor LayerNorm(Tensor? weight = null, Tensor? bias = null, double epsilon = 1e-5) => NeuralMemory.LayerNorm.Apply(x, weight, bias, epsilon);
    }
}
