namespace NeuralMemory;

/// <summary>y = |x|, dy/dx = -1 below 0, 0 at 0, 1 above.</summary>
public readonly struct Abs : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Abs";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Abs(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.IfLess(x, V.Zero, -V.One, V.IfLess(V.Zero, x, V.One, V.Zero));
}

/// <summary>Adds the absolute value to <see cref="Tensor"/>.</summary>
public static class AbsOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element without its sign.</summary>
        public Tensor Abs() => Unary<Abs>.Apply(x);
    }
}
