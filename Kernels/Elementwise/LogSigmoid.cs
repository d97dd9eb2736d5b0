namespace NeuralMemory;

/// <summary>y = log(1 / (1 + e^-x)) = -softplus(-x), dy/dx = sigmoid(-x).</summary>
public readonly struct LogSigmoid : IUnary
{
    /// <inheritdoc/>
    public static string Name => "LogSigmoid";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => -V.Softplus(-x);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.Sigmoid(-x);
}

/// <summary>Adds the logarithm of the logistic function to <see cref="Tensor"/>.</summary>
public static class LogSigmoidOperation
{
    extension(Tensor x)
    {
        /// <summary>The logarithm of the logistic function of every element, without underflow.</summary>
        public Tensor LogSigmoid() => Unary<LogSigmoid>.Apply(x);
    }
}
