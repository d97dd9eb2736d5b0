namespace NeuralMemory.Layers;

/// <summary>A convolution over time: [batch, inputs, time] to [batch, outputs, (time + 2 padding - dilation (kernel - 1) - 1) / stride + 1].</summary>
public sealed class Conv1d : Layer
{
    readonly int stride, padding, dilation, groups;
    readonly bool causal;

    /// <summary>A layer with random weights, uniform within 1 / sqrt(inputs / groups * kernel).</summary>
    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="kernel">Steps of time that one result depends on.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <param name="stride">Steps of the input between a step of the result and the next.</param>
    /// <param name="padding">Zeros before the beginning and after the end.</param>
    /// <param name="dilation">Steps of the input between a weight and the next.</param>
    /// <param name="groups">Groups that the channels are cut into; as many as there are channels makes a depthwise convolution.</param>
    /// <param name="bias">Whether something is added to each channel.</param>
    /// <param name="causal">Whether step t depends on steps 0 to t only, and there are as many steps out as in; stride and padding then stay at their defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, the groups do not divide the channels, or a causal layer has a stride or padding.</exception>
    public Conv1d(int inputs, int outputs, int kernel, Philox random, int stride = 1, int padding = 0, int dilation = 1, int groups = 1, bool bias = true, bool causal = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(kernel, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dilation, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(padding);
        if (groups < 1 || inputs % groups != 0 || outputs % groups != 0)
            throw new ArgumentOutOfRangeException(nameof(groups), groups, $"A divisor of the channels, {inputs} in and {outputs} out, was expected.");
        if (causal && (stride != 1 || padding != 0))
            throw new ArgumentOutOfRangeException(nameof(causal), causal, $"Stride {stride} and padding {padding}: a causal convolution has stride 1 and makes its own padding.");
        (this.stride, this.dilation, this.groups, this.causal) = (stride, dilation, groups, causal);
        this.padding = causal ? dilation * (kernel - 1) : padding;
        Weight = Parameter("weight", [outputs, inputs / groups, kernel], Initializers.FanInUniform, random);
        if (bias) Bias = Parameter("bias", [outputs], Initializers.Uniform(1 / Math.Sqrt(inputs / groups * kernel)), random);
    }

    /// <summary>[outputs, inputs / groups, kernel].</summary>
    public Tensor Weight { get; }

    /// <summary>[outputs].</summary>
    public Tensor? Bias { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x)
    {
        Tensor y = x.Conv1d(Weight, Bias, stride, padding, dilation, groups);
        return causal ? y.Slice(-1, 0, x.Shape[^1]) : y;                             // without the steps that follow the end
    }
}
