namespace NeuralMemory.Models;

/// <summary>
/// The Differentiable Neural Computer of Graves et al. 2016, "Hybrid computing using a neural network with dynamic external memory" (Nature 538, 471): a controller with a memory that it
/// addresses by content, by the order of writing, and by what is free. Symbols and names are those of the paper's Methods.
/// </summary>
/// <remarks>
/// <see cref="Forward"/> runs the fused <see cref="DncScan"/>. <see cref="ForwardComposed"/> computes the same from single operations, with the equations
/// beside the lines. The controller is an LSTM of one layer. Links and free gates can be left out, to show what they are for.
/// </remarks>
public sealed class Dnc : SequenceModel
{
    readonly Tensor inputWeight, inputBias, readWeight, recurrentWeight, interfaceWeight, interfaceBias, outputWeight, outputBias;

    /// <summary>A machine with random weights.</summary>
    /// <param name="inputs">Channels of an input.</param>
    /// <param name="outputs">Channels of an output.</param>
    /// <param name="sizes">Controller, memory and heads, and what the memory can do.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no inputs, or no outputs.</exception>
    /// <exception cref="ShapeException">A size is not positive.</exception>
    public Dnc(int inputs, int outputs, DncSizes sizes, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        sizes.Check(nameof(Dnc));
        (Inputs, Outputs, Sizes) = (inputs, outputs, sizes);
        Initializer controller = Initializers.Uniform(1 / Math.Sqrt(sizes.Hidden));
        inputWeight = Parameter("input_weight", [sizes.Gates, inputs], controller, random);
        readWeight = Parameter("read_weight", [sizes.Gates, sizes.Reads], controller, random);
        recurrentWeight = Parameter("recurrent_weight", [sizes.Gates, sizes.Hidden], controller, random);
        inputBias = Parameter("input_bias", [sizes.Gates], Initializers.Zeros, random);
        interfaceWeight = Parameter("interface_weight", [sizes.InterfaceParameters, sizes.Hidden], Initializers.XavierUniform(), random);
        interfaceBias = Parameter("interface_bias", [sizes.InterfaceParameters], Initializers.Normal(.01), random);
        outputWeight = Parameter("output_weight", [outputs, sizes.Reads + sizes.Hidden], Initializers.XavierUniform(), random);
        outputBias = Parameter("output_bias", [outputs], Initializers.Zeros, random);
    }

    /// <inheritdoc/>
    public override int Inputs { get; }

    /// <inheritdoc/>
    public override int Outputs { get; }

    /// <summary>Controller, memory and heads.</summary>
    public DncSizes Sizes { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Run(input).Output;

    /// <summary>Runs the machine over a sequence, fused.</summary>
    /// <param name="input">[time, batch, inputs].</param>
    /// <param name="state">Where to go on from; at first, and unless carried over on purpose, <see cref="Start"/>.</param>
    /// <param name="traceLinks">Whether the trace holds the links of every step.</param>
    /// <exception cref="ShapeException">The input or the state has another shape, or links are asked for where there are none.</exception>
    public DncRun Run(Tensor input, DncState? state = null, bool traceLinks = false)
    {
        CheckInput(input);
        Tensor x = input.Linear(inputWeight, inputBias);                              // for the whole sequence at once
        DncWeights weights = new(readWeight, recurrentWeight, interfaceWeight, interfaceBias);
        (Tensor y, DncState final) = DncScan.Apply(x, weights, state ?? Start(input.Shape[1]), Sizes, out DncTrace trace, traceLinks);
        return new(y.Linear(outputWeight, outputBias), final, trace);                 // y = W_y h + W_r [r_1 .. r_R]
    }

    /// <summary>The state that every sequence begins with: all zero.</summary>
    public DncState Start(int batch)
    {
        Tensor Zeros(Shape shape) => Tensor.Zeros(shape, inputWeight.DType);
        int slots = Sizes.Slots, linked = Sizes.LinkedSlots;
        return new(Zeros([batch, slots, Sizes.Width]), Zeros([batch, slots]), Zeros([batch, linked]), Zeros([batch, linked, linked]), Zeros([batch, slots]),
            Zeros([batch, Sizes.ReadHeads, slots]), Zeros([batch, Sizes.Reads]), Zeros([batch, Sizes.Hidden]), Zeros([batch, Sizes.Hidden]));
    }

    /// <summary>As <see cref="Run"/>, composed from single operations, one step at a time: see <see cref="DncComposed"/> for the equations. The trace holds the links wherever there are any.</summary>
    public DncRun ForwardComposed(Tensor input, DncState? state = null)
    {
        CheckInput(input);
        DncWeights weights = new(readWeight, recurrentWeight, interfaceWeight, interfaceBias);
        (Tensor y, DncState final) = DncComposed.Apply(input.Linear(inputWeight, inputBias), weights, state ?? Start(input.Shape[1]), Sizes, out DncTrace trace, Sizes.Links);
        return new(y.Linear(outputWeight, outputBias), final, trace);
    }

    void CheckInput(Tensor input)
    {
        if (input.Rank != 3 || input.Shape[2] != Inputs) throw new ShapeException(nameof(Dnc), $"the input is {input.Shape}; [time, batch, {Inputs}] was expected.");
    }
}

/// <summary>What a run over a sequence gives.</summary>
/// <param name="Output">Logits: [time, batch, outputs].</param>
/// <param name="State">The state after the last step.</param>
/// <param name="Trace">What the memory did at every step.</param>
public readonly record struct DncRun(Tensor Output, DncState State, DncTrace Trace);
