namespace NeuralMemory;

/// <summary>y = x^2, dy/dx = 2 x.</summary>
public readonly struct Square : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Square";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x * x;

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => x + x;
}

/// <summary>Adds the square to <see cref="Tensor"/>.</summary>
public static class SquareOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element times itself.</summary>
        public Tensor Square() => Unary<Square>.Apply(x);
    }
}
