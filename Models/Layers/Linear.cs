namespace NeuralMemory.Layers;

/// <summary>y = x W^T + b: [.., inputs] to [.., outputs].</summary>
public sealed class Linear : Layer
{
    /// <summary>A layer with random weights, uniform within 1 / sqrt(inputs).</summary>
    /// <param name="inputs">Features in.</param>
    /// <param name="outputs">Features out.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <param name="bias">Whether there is a b.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public Linear(int inputs, int outputs, Philox random, bool bias = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        Weight = Parameter("weight", [outputs, inputs], Initializers.FanInUniform, random);
        if (bias) Bias = Parameter("bias", [outputs], Initializers.Uniform(1 / Math.Sqrt(inputs)), random);
    }

    /// <summary>W: [outputs, inputs].</summary>
    public Tensor Weight { get; }

    /// <summary>b: [outputs].</summary>
    public Tensor? Bias { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => x.Linear(Weight, Bias);
}
