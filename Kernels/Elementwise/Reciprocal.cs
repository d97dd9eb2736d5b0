namespace NeuralMemory;

/// <summary>y = 1 / x, dy/dx = -y^2.</summary>
public readonly struct Reciprocal : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Reciprocal";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.One / x;

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => -y * y;
}

/// <summary>Adds the reciprocal to <see cref="Tensor"/>.</summary>
public static class ReciprocalOperation
{
    extension(Tensor x)
    {
        /// <summary>1 divided by every element.</summary>
        public Tensor Reciprocal() => Unary<Reciprocal>.Apply(x);
    }
}
