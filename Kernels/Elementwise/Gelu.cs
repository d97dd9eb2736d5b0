namespace NeuralMemory;

/// <summary>y = x P(x) with the normal distribution P(x) = (1 + erf(x / sqrt 2)) / 2, dy/dx = P(x) + x e^(-x^2 / 2) / sqrt(2 pi).</summary>
public readonly struct Gelu : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Gelu";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x * Probability(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> =>
        Probability(x) + x * V.Constant(1 / Math.Sqrt(2 * Math.PI)) * V.Exp(V.Constant(-0.5) * x * x);

    static V Probability<V>(V x) where V : struct, Simd.ISimd<V> => V.Fma(V.Constant(0.5), V.Erf(x * V.Constant(Math.Sqrt(0.5))), V.Constant(0.5));
}

/// <summary>Adds the Gaussian error linear unit to <see cref="Tensor"/>.</summary>
public static class GeluOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element times the probability that a normal variable is less: the exact GELU (Hendrycks and Gimpel 2016).</summary>
        public Tensor Gelu() => Unary<Gelu>.Apply(x);
    }
}
