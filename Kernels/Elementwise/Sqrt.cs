namespace NeuralMemory;

/// <summary>y = sqrt x, dy/dx = 1 / (2 y): infinite at 0.</summary>
public readonly struct Sqrt : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Sqrt";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Sqrt(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.Constant(0.5) / y;
}

/// <summary>Adds the square root to <see cref="Tensor"/>.</summary>
public static class SqrtOperation
{
    extension(Tensor x)
    {
        /// <summary>The square root of every element; NaN below 0.</summary>
        public Tensor Sqrt() => Unary<Sqrt>.Apply(x);
    }
}
