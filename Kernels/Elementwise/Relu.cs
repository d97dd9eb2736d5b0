namespace NeuralMemory;

/// <summary>y = max(x, 0), dy/dx = 1 above 0, else 0.</summary>
public readonly struct Relu : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Relu";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Max(x, V.Zero);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.IfLess(V.Zero, x, V.One, V.Zero);
}

/// <summary>Adds the rectifier to <see cref="Tensor"/>.</summary>
public static class ReluOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element, or 0 where it is negative.</summary>
        public Tensor Relu() => Unary<Relu>.Apply(x);
    }
}
