namespace NeuralMemory.Models;

/// <summary>
/// The memory-augmented neural network of Santoro, Bartunov, Botvinick, Wierstra and Lillicrap 2016, "One-shot learning with memory-augmented neural networks" (arXiv:1605.06065): what it
/// sees it writes to the slots that it has used least, or to those that it has just read. Equation numbers are the paper's.
/// </summary>
/// <remarks>
/// <see cref="Forward"/> runs the fused <see cref="MannScan"/>. <see cref="ForwardComposed"/> computes the same from single operations, with the equations beside the lines.
/// </remarks>
public sealed class Mann : SequenceModel
{
    readonly Tensor inputWeight, inputBias, stateWeight, headWeight, headBias, outputWeight, outputBias;

    /// <summary>A network with random weights.</summary>
    /// <param name="inputs">Channels of an input.</param>
    /// <param name="outputs">Channels of an output.</param>
    /// <param name="sizes">Controller, memory and heads; <see cref="PaperSizes"/> are the paper's.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, or there are more heads than slots.</exception>
    public Mann(int inputs, int outputs, MannSizes sizes, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        sizes.Check();
        (Inputs, Outputs, Sizes) = (inputs, outputs, sizes);
        Initializer uniform = Initializers.Uniform(1 / Math.Sqrt(sizes.Hidden));
        inputWeight = Parameter("input_weight", [sizes.Gates, inputs], uniform, random);
        inputBias = Parameter("input_bias", [sizes.Gates], Initializers.Zeros, random);
        stateWeight = Parameter("state_weight", [sizes.Gates, sizes.Reads + sizes.Hidden], uniform, random);
        headWeight = Parameter("head_weight", [sizes.HeadParameters, sizes.Hidden], Initializers.XavierUniform(), random);
        headBias = Parameter("head_bias", [sizes.HeadParameters], Initializers.Zeros, random);
        outputWeight = Parameter("output_weight", [outputs, sizes.Reads + sizes.Hidden], Initializers.XavierUniform(), random);
        outputBias = Parameter("output_bias", [outputs], Initializers.Zeros, random);
    }

    /// <summary>The sizes of section 4.1: an LSTM of 200, 128 slots of width 40, four heads, a decay of 0.99. Not the paper's are the key strength, 10, and that a head writes a vector of its own.</summary>
    public static MannSizes PaperSizes => new(Hidden: 200, Slots: 128, Width: 40, Heads: 4);

    /// <inheritdoc/>
    public override int Inputs { get; }

    /// <inheritdoc/>
    public override int Outputs { get; }

    /// <summary>Controller, memory and heads.</summary>
    public MannSizes Sizes { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Run(input).Output;

    /// <summary>Runs the network over a sequence, fused.</summary>
    /// <param name="input">[time, batch, inputs].</param>
    /// <param name="state">Where to go on from; at first, and unless carried over on purpose, <see cref="Start"/>.</param>
    /// <exception cref="ShapeException">The input has another shape.</exception>
    public MannRun Run(Tensor input, MannState? state = null)
    {
        CheckInput(input);
        Tensor x = input.Linear(inputWeight, inputBias);                              // for the whole sequence at once
        (Tensor y, MannState final) = MannScan.Apply(x, new(stateWeight, headWeight, headBias), state ?? Start(input.Shape[1]), Sizes, out Tensor reads, out Tensor writes);
        return new(y.Linear(outputWeight, outputBias), final, reads, writes);
    }

    /// <summary>The state that every sequence begins with: zeros.</summary>
    public MannState Start(int batch)
    {
        Tensor Zeros(Shape shape) => Tensor.Zeros(shape, inputWeight.DType);
        return new(Zeros([batch, Sizes.Slots, Sizes.Width]), Zeros([batch, Sizes.Slots]), Zeros([batch, Sizes.Heads, Sizes.Slots]),
            Zeros([batch, Sizes.Reads]), Zeros([batch, Sizes.Hidden]), Zeros([batch, Sizes.Hidden]));
    }

    /// <summary>As <see cref="Run"/>, composed from single operations, one step at a time: see <see cref="MannComposed"/> for the equations.</summary>
    public MannRun ForwardComposed(Tensor input, MannState? state = null)
    {
        CheckInput(input);
        (Tensor y, MannState final) = MannComposed.Apply(input.Linear(inputWeight, inputBias), new(stateWeight, headWeight, headBias), state ?? Start(input.Shape[1]), Sizes, out Tensor reads, out Tensor writes);
        return new(y.Linear(outputWeight, outputBias), final, reads, writes);
    }

    void CheckInput(Tensor input)
    {
        if (input.Rank != 3 || input.Shape[2] != Inputs) throw new ShapeException(nameof(Mann), $"the input is {input.Shape}; [time, batch, {Inputs}] was expected.");
    }
}

/// <summary>What a run over a sequence gives.</summary>
/// <param name="Output">Logits: [time, batch, outputs].</param>
/// <param name="State">The state after the last step.</param>
/// <param name="ReadWeights">Where every head read at every step, for people to look at: [time, batch, heads, slots].</param>
/// <param name="WriteWeights">Likewise where it wrote.</param>
public readonly record struct MannRun(Tensor Output, MannState State, Tensor ReadWeights, Tensor WriteWeights);
