namespace NeuralMemory.Layers;

/// <summary>Layer normalization over the last dimension (Ba, Kiros and Hinton 2016): (x - mean) / sqrt(variance + epsilon), times a weight, plus a bias.</summary>
public sealed class LayerNorm : Layer
{
    readonly double epsilon;

    /// <summary>A layer whose weight is 1 and whose bias is 0.</summary>
    /// <param name="features">The size of the last dimension.</param>
    /// <param name="epsilon">Keeps the quotient finite.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="features"/> is not positive.</exception>
    public LayerNorm(int features, double epsilon = 1e-5)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        this.epsilon = epsilon;
        Weight = Parameter("weight", [features], 1);
        Bias = Parameter("bias", [features], 0);
    }

    /// <summary>[features].</summary>
    public Tensor Weight { get; }

    /// <summary>[features].</summary>
    public Tensor Bias { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => x.LayerNorm(Weight, Bias, epsilon);
}
