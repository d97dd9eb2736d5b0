namespace NeuralMemory.Layers;

/// <summary>Root mean square normalization over the last dimension (Zhang and Sennrich 2019): x / sqrt(mean of x^2 + epsilon), times a weight.</summary>
public sealed class RmsNorm : Layer
{
    readonly double epsilon;

    /// <summary>A layer whose weight is 1.</summary>
    /// <param name="features">The size of the last dimension.</param>
    /// <param name="epsilon">Keeps the quotient finite.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="features"/> is not positive.</exception>
    public RmsNorm(int features, double epsilon = 1e-6)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        this.epsilon = epsilon;
        Weight = Parameter("weight", [features], 1);
    }

    /// <summary>[features].</summary>
    public Tensor Weight { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => x.RmsNorm(Weight, epsilon);
}
