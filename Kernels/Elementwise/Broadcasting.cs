namespace NeuralMemory;

/// <summary>The gradient of an input whose elements were repeated to fit the other inputs: the sum over the copies.</summary>
static class Broadcasting
{
    /// <summary>
    /// What to add an input's gradient into element by element, of the output's <paramref name="shape"/>: <paramref name="gradient"/> itself, or zeros
    /// that <see cref="EndGradient"/> sums into it.
    /// </summary>
    public static Tensor BeginGradient(Tensor gradient, Shape shape) => gradient.Shape == shape ? gradient : Tensor.Zeros(shape, gradient.DType);

    /// <summary>Sums <paramref name="full"/>, which <see cref="BeginGradient"/> gave, into <paramref name="gradient"/> where they are not the same.</summary>
    public static void EndGradient(Tensor gradient, Tensor full)
    {
        if (gradient.Shape != full.Shape) Summation.AddInto(full, gradient);
    }
}
