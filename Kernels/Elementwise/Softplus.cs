namespace NeuralMemory;

/// <summary>y = log(1 + e^x), dy/dx = sigmoid x.</summary>
public readonly struct Softplus : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Softplus";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Softplus(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.Sigmoid(x);
}

/// <summary>Adds the smooth relu to <see cref="Tensor"/>.</summary>
public static class SoftplusOperation
{
    extension(Tensor x)
    {
        /// <summary>log(1 + e^x) for every element, without overflow.</summary>
        public Tensor Softplus() => Unary<Softplus>.Apply(x);
    }
}
