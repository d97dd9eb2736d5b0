using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The binary cross-entropy, in nats, of independent bits whose probabilities are the logistic function of x: the mean over all elements of
/// <c>-t ln sigmoid(x) - (1 - t) ln(1 - sigmoid(x)) = max(x, 0) - x t + ln(1 + e^-|x|)</c>, in which no exponential overflows.
/// dc/dx = sigmoid(x) - t, dc/dt = -x.
/// </summary>
public readonly struct BinaryCrossEntropyWithLogits : IPairLoss
{
    /// <inheritdoc/>
    public static string Name => nameof(BinaryCrossEntropyWithLogits);

    /// <inheritdoc/>
    public V Cost<V>(V x, V t) where V : struct, ISimd<V> => V.Max(x, V.Zero) - x * t + V.Softplus(-V.Abs(x));

    /// <inheritdoc/>
    public V SlopeX<V>(V x, V t) where V : struct, ISimd<V> => V.Sigmoid(x) - t;

    /// <inheritdoc/>
    public V SlopeT<V>(V x, V t) where V : struct, ISimd<V> => -x;
}

/// <summary>Adds the binary cross-entropy to <see cref="Tensor"/>.</summary>
public static class BinaryCrossEntropyWithLogitsOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The mean binary cross-entropy, in nats, of logits of any shape: shape []. The logistic function is part of it, so that no logit overflows.
        /// </summary>
        /// <param name="targets">The probability of a one, 0 to 1, for every logit: the same shape and type.</param>
        /// <exception cref="ShapeException">The shapes or types differ, there are no elements, or they are integers.</exception>
        public Tensor BinaryCrossEntropyWithLogits(Tensor targets) => PairLoss<BinaryCrossEntropyWithLogits>.Apply(x, targets);
    }
}
