namespace NeuralMemory;

/// <summary>y = log x, dy/dx = 1 / x.</summary>
public readonly struct Log : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Log";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Log(x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.One / x;
}

/// <summary>Adds the natural logarithm to <see cref="Tensor"/>.</summary>
public static class LogOperation
{
    extension(Tensor x)
    {
        /// <summary>The natural logarithm of every element; -infinity at 0, NaN below.</summary>
        public Tensor Log() => Unary<Log>.Apply(x);
    }
}
