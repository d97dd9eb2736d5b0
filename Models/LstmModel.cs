namespace NeuralMemory.Models;

/// <summary>
/// The baseline of Graves, Wayne and Danihelka 2014 (arXiv:1410.5401, section 4): stacked LSTMs and a linear layer on the last one's output. All it remembers
/// is in its hidden states and cells.
/// </summary>
public sealed class LstmModel : SequenceModel
{
    readonly Tensor[] inputWeights, recurrentWeights, biases;
    readonly Tensor outputWeight, outputBias;

    /// <summary>A network with random weights.</summary>
    /// <param name="inputs">Channels of an input.</param>
    /// <param name="outputs">Channels of an output.</param>
    /// <param name="hidden">Units of each layer; 256 in the paper.</param>
    /// <param name="layers">LSTMs, each reading what the one before puts out; 3 in the paper.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public LstmModel(int inputs, int outputs, int hidden, int layers, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(hidden, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        (Inputs, Outputs, Hidden) = (inputs, outputs, hidden);
        (inputWeights, recurrentWeights, biases) = (new Tensor[layers], new Tensor[layers], new Tensor[layers]);
        Initializer uniform = Initializers.Uniform(1 / Math.Sqrt(hidden));
        for (int layer = 0; layer < layers; layer++)
        {
            inputWeights[layer] = Parameter($"input_weight_{layer}", [4 * hidden, layer == 0 ? inputs : hidden], uniform, random);
            recurrentWeights[layer] = Parameter($"recurrent_weight_{layer}", [4 * hidden, hidden], uniform, random);
            biases[layer] = Parameter($"bias_{layer}", [4 * hidden], uniform, random);
        }
        outputWeight = Parameter("output_weight", [outputs, hidden], Initializers.XavierUniform(), random);
        outputBias = Parameter("output_bias", [outputs], Initializers.Zeros, random);
    }

    /// <inheritdoc/>
    public override int Inputs { get; }

    /// <inheritdoc/>
    public override int Outputs { get; }

    /// <summary>Units of each layer.</summary>
    public int Hidden { get; }

    /// <summary>The number of LSTMs.</summary>
    public int Layers => inputWeights.Length;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input)
    {
        if (input.Rank != 3 || input.Shape[2] != Inputs) throw new ShapeException(nameof(LstmModel), $"the input is {input.Shape}; [time, batch, {Inputs}] was expected.");
        Tensor zeros = Tensor.Zeros([input.Shape[1], Hidden], input.DType), y = input;
        for (int layer = 0; layer < Layers; layer++)
            y = LstmScan.Apply(y.Linear(inputWeights[layer], biases[layer]), recurrentWeights[layer], zeros, zeros).Output;
        return y.Linear(outputWeight, outputBias);                                    // [time, batch, outputs]
    }
}
