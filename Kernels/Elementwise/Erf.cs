namespace NeuralMemory;

/// <summary>y = erf x, dy/dx = 2 / sqrt(pi) e^(-x^2).</summary>
public readonly struct Erf : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Erf";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Erf(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.Constant(2 / Math.Sqrt(Math.PI)) * V.Exp(-x * x);
}

/// <summary>Adds the error function to <see cref="Tensor"/>.</summary>
public static class ErfOperation
{
    extension(Tensor x)
    {
        /// <summary>The error function of every element: 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.</summary>
        public Tensor Erf() => Unary<Erf>.Apply(x);
    }
}
