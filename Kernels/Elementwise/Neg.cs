namespace NeuralMemory;

/// <summary>y = -x, dy/dx = -1.</summary>
public readonly struct Neg : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Neg";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => -x;

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => -V.One;
}

/// <summary>Adds unary - to <see cref="Tensor"/>.</summary>
public static class NegOperation
{
    extension(Tensor)
    {
        /// <summary>Every element with its sign turned.</summary>
        public static Tensor operator -(Tensor x) => Unary<Neg>.Apply(x);
    }
}
