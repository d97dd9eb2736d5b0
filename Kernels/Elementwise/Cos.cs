namespace NeuralMemory;

/// <summary>y = cos x, dy/dx = -sin x.</summary>
public readonly struct Cos : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Cos";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Cos(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => -V.Sin(x);
}

/// <summary>Adds the cosine to <see cref="Tensor"/>.</summary>
public static class CosOperation
{
    extension(Tensor x)
    {
        /// <summary>The cosine of every element, which is in radians.</summary>
        public Tensor Cos() => Unary<Cos>.Apply(x);
    }
}
