namespace NeuralMemory;

/// <summary>y = sin x, dy/dx = cos x.</summary>
public readonly struct Sin : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Sin";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Sin(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.Cos(x);
}

/// <summary>Adds the sine to <see cref="Tensor"/>.</summary>
public static class SinOperation
{
    extension(Tensor x)
    {
        /// <summary>The sine of every element, which is in radians.</summary>
        public Tensor Sin() => Unary<Sin>.Apply(x);
    }
}
