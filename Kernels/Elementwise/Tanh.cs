namespace NeuralMemory;

/// <summary>y = tanh x, dy/dx = 1 - y^2.</summary>
public readonly struct Tanh : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Tanh";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Tanh(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.One - y * y;
}

/// <summary>Adds the hyperbolic tangent to <see cref="Tensor"/>.</summary>
public static class TanhOperation
{
    extension(Tensor x)
    {
        /// <summary>The hyperbolic tangent of every element.</summary>
        public Tensor Tanh() => Unary<Tanh>.Apply(x);
    }
}
