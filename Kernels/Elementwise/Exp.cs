namespace NeuralMemory;

/// <summary>y = e^x, dy/dx = y.</summary>
public readonly struct Exp : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Exp";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Exp(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => y;
}

/// <summary>Adds the exponential function to <see cref="Tensor"/>.</summary>
public static class ExpOperation
{
    extension(Tensor x)
    {
        /// <summary>e to the power of every element.</summary>
        public Tensor Exp() => Unary<Exp>.Apply(x);
    }
}
