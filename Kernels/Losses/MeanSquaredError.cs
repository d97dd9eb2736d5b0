using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>The mean over all elements of (x - t)^2. dc/dx = 2 (x - t) = -dc/dt.</summary>
public readonly struct MeanSquaredError : IPairLoss
{
    /// <inheritdoc/>
    public static string Name => nameof(MeanSquaredError);

    /// <inheritdoc/>
    public V Cost<V>(V x, V t) where V : struct, ISimd<V> => (x - t) * (x - t);

    /// <inheritdoc/>
    public V SlopeX<V>(V x, V t) where V : struct, ISimd<V> => (x - t) + (x - t);

    /// <inheritdoc/>
    public V SlopeT<V>(V x, V t) where V : struct, ISimd<V> => (t - x) + (t - x);
}

/// <summary>Adds the mean squared error to <see cref="Tensor"/>.</summary>
public static class MeanSquaredErrorOperation
{
    extension(Tensor x)
    {
        /// <summary>The mean of (x - t)^2 over all elements, of any shape: shape [].</summary>
        /// <param name="targets">t: the same shape and type.</param>
        /// <exception cref="ShapeException">The shapes or types differ, there are no elements, or they are integers.</exception>
        public Tensor MeanSquaredError(Tensor targets) => PairLoss<MeanSquaredError>.Apply(x, targets);
    }
}
