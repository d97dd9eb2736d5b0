namespace NeuralMemory;

/// <summary>y = 1 / (1 + e^-x), dy/dx = y (1 - y).</summary>
public readonly struct Sigmoid : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Sigmoid";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Sigmoid(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => y * (V.One - y);
}

/// <summary>Adds the logistic function to <see cref="Tensor"/>.</summary>
public static class SigmoidOperation
{
    extension(Tensor x)
    {
        /// <summary>1 / (1 + e^-x) for every element.</summary>
        public Tensor Sigmoid() => Unary<Sigmoid>.Apply(x);
    }
}
