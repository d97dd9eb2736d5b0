namespace NeuralMemory;

/// <summary>y = x above 0, else s x; dy/dx = 1 above 0, else s.</summary>
/// <param name="slope">s, the slope below 0.</param>
public readonly struct LeakyRelu(double slope) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "LeakyRelu";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.IfLess(V.Zero, x, x, V.Constant(slope) * x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.IfLess(V.Zero, x, V.One, V.Constant(slope));
}

/// <summary>Adds the leaky rectifier to <see cref="Tensor"/>.</summary>
public static class LeakyReluOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element, times <paramref name="slope"/> where it is negative (Maas et al. 2013).</summary>
        public Tensor LeakyRelu(double slope = 0.01) => Unary<LeakyRelu>.Apply(x, new(slope));
    }
}
