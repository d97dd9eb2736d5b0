namespace NeuralMemory.Models;

/// <summary>What a Neural Turing Machine's memory holds when a sequence begins.</summary>
public enum MemoryStart
{
    /// <summary>A matrix that is trained with everything else.</summary>
    Learned,

    /// <summary>10^-6 everywhere (Collier and Beel 2018).</summary>
    Constant,

    /// <summary>Numbers drawn once, when the module is made, and never changed.</summary>
    Random,
}

/// <summary>
/// The Neural Turing Machine of Graves, Wayne and Danihelka 2014 (arXiv:1410.5401): a controller that reads and writes a memory of N slots through heads
/// that look where they choose. Equation numbers are the paper's.
/// </summary>
/// <remarks>
/// <see cref="Forward"/> runs the fused <see cref="NtmScan"/>. <see cref="ForwardComposed"/> computes the same from single operations; it is there to be read, and
/// to be compared with.
/// </remarks>
public sealed class Ntm : SequenceModel
{
    readonly Tensor inputWeight, inputBias, readWeight, headWeight, headBias, outputWeight, outputBias;
    readonly Tensor? recurrentWeight;
    readonly Tensor initialMemory, initialWeightings, initialReads, initialHidden, initialCell;

    /// <summary>A machine with random weights.</summary>
    /// <param name="inputs">Channels of an input.</param>
    /// <param name="outputs">Channels of an output.</param>
    /// <param name="sizes">Controller, memory, heads and shifts; <see cref="PaperSizes"/> are those of the copy task.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <param name="memoryStart">What the memory holds when a sequence begins.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    /// <exception cref="ShapeException">The shifts are even or more than the slots.</exception>
    public Ntm(int inputs, int outputs, NtmSizes sizes, Philox random, MemoryStart memoryStart = MemoryStart.Learned)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        sizes.Check(nameof(Ntm));
        (Inputs, Outputs, Sizes) = (inputs, outputs, sizes);
        bool lstm = sizes.Controller == NtmController.Lstm;

        // Small enough that the controller settles where its input does not change: it then goes on alike for far longer than it was trained.
        Initializer controller = Initializers.Uniform(1 / Math.Sqrt(sizes.Hidden));
        inputWeight = Parameter("input_weight", [sizes.Gates, inputs], controller, random);
        readWeight = Parameter("read_weight", [sizes.Gates, sizes.Reads], controller, random);
        if (lstm) recurrentWeight = Parameter("recurrent_weight", [sizes.Gates, sizes.Hidden], controller, random);
        inputBias = Parameter("input_bias", [sizes.Gates], Initializers.Zeros, random);
        headWeight = Parameter("head_weight", [sizes.HeadParameters, sizes.Hidden], Initializers.XavierUniform(1.4), random);
        headBias = Parameter("head_bias", [sizes.HeadParameters], Initializers.Normal(.01), random);
        outputWeight = Parameter("output_weight", [outputs, sizes.Reads + sizes.Hidden], Initializers.XavierUniform(), random);
        outputBias = Parameter("output_bias", [outputs], Initializers.Normal(.01), random);

        initialMemory = Parameter("initial_memory", [sizes.Slots, sizes.Width],
            memoryStart == MemoryStart.Constant ? Initializers.Constant(1e-6) : Initializers.Uniform(1 / Math.Sqrt(sizes.Slots + sizes.Width)), random);
        initialMemory.RequireGradient(memoryStart == MemoryStart.Learned);
        initialWeightings = Parameter("initial_weightings", [sizes.Heads, sizes.Slots], Initializers.Zeros, random);
        initialReads = Parameter("initial_reads", [sizes.Reads], Initializers.Normal(.01), random);
        initialHidden = lstm ? Parameter("initial_hidden", [sizes.Hidden], Initializers.Normal(.05), random) : default;
        initialCell = lstm ? Parameter("initial_cell", [sizes.Hidden], Initializers.Normal(.05), random) : default;
    }

    /// <summary>The sizes of section 4.1: 128 slots of width 20, an LSTM of 100, one head that reads and one that writes, shifts of -1, 0 and 1.</summary>
    public static NtmSizes PaperSizes => new(Hidden: 100, Slots: 128, Width: 20, ReadHeads: 1, WriteHeads: 1, Shifts: 3, NtmController.Lstm);

    /// <inheritdoc/>
    public override int Inputs { get; }

    /// <inheritdoc/>
    public override int Outputs { get; }

    /// <summary>Controller, memory, heads and shifts.</summary>
    public NtmSizes Sizes { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input) => Run(input).Output;

    /// <summary>Runs the machine over a sequence, fused.</summary>
    /// <param name="input">[time, batch, inputs].</param>
    /// <param name="state">Where to go on from; at first, and unless carried over on purpose, <see cref="Start"/>.</param>
    public NtmRun Run(Tensor input, NtmState? state = null)
    {
        CheckInput(input);
        Tensor x = input.Linear(inputWeight, inputBias);                              // for the whole sequence at once
        NtmWeights weights = new(readWeight, recurrentWeight, headWeight, headBias);
        (Tensor y, NtmState final) = NtmScan.Apply(x, weights, state ?? Start(input.Shape[1]), Sizes, out Tensor weightings);
        return new(y.Linear(outputWeight, outputBias), final, weightings);
    }

    /// <summary>The state that every sequence begins with; all of it is trained, but for a memory that is not.</summary>
    public NtmState Start(int batch)
    {
        Tensor Repeat(Tensor one) => one.Expand(one.Shape.Insert(0, batch));
        Tensor hidden = recurrentWeight is null ? Tensor.Zeros([batch, Sizes.Hidden], inputWeight.DType) : Repeat(initialHidden);
        return new(Repeat(initialMemory), Repeat(initialWeightings.Softmax()), Repeat(initialReads), hidden, recurrentWeight is null ? hidden : Repeat(initialCell));
    }

    /// <summary>As <see cref="Run"/>, composed from single operations, one step at a time.</summary>
    public NtmRun ForwardComposed(Tensor input, NtmState? state = null)
    {
        CheckInput(input);
        NtmState s = state ?? Start(input.Shape[1]);
        Tensor[] outputs = new Tensor[input.Shape[0]], weightings = new Tensor[input.Shape[0]];
        for (int t = 0; t < outputs.Length; t++)
        {
            s = Step(input.Select(0, t), s);
            outputs[t] = Tensor.Concat(-1, s.Reads, s.Hidden).Linear(outputWeight, outputBias);
            weightings[t] = s.Weightings;
        }
        return new(Tensor.Stack(0, outputs), s, Tensor.Stack(0, weightings).Detach());
    }

    /// <summary>One step: from input x_t [batch, inputs] and the state before to the state after.</summary>
    NtmState Step(Tensor x, NtmState before)
    {
        (Tensor h, Tensor c) = Controller(x, before);
        Tensor p = h.Linear(headWeight, headBias);                                    // [batch, head parameters]
        Tensor m = before.Memory;

        Tensor[] weightings = new Tensor[Sizes.Heads], reads = new Tensor[Sizes.ReadHeads];
        Tensor kept = m, added = default;
        for (int head = 0; head < Sizes.Heads; head++)
        {
            Tensor own = p.Slice(-1, Sizes.HeadOffset(head), head + 1 < Sizes.Heads ? Sizes.HeadOffset(head + 1) : Sizes.HeadParameters);
            Tensor w = weightings[head] = Address(own, m, before.Weightings.Select(1, head));
            if (head < Sizes.ReadHeads)
            {
                reads[head] = w.Unsqueeze(1).MatMul(m).Squeeze(1);                    // (2) r = sum over i of w[i] M[i]
                continue;
            }
            Tensor e = own.Slice(-1, Sizes.AddressParameters, Sizes.AddressParameters + Sizes.Width).Sigmoid();
            Tensor a = own.Slice(-1, Sizes.AddressParameters + Sizes.Width, Sizes.AddressParameters + 2 * Sizes.Width);
            kept *= 1 - w.Unsqueeze(2) * e.Unsqueeze(1);                              // (3) M~[i] = M[i] (1 - w[i] e)
            Tensor term = w.Unsqueeze(2) * a.Unsqueeze(1);                            // (4) M[i] = M~[i] + w[i] a
            added = added.IsAlive ? added + term : term;
        }
        return new(added.IsAlive ? kept + added : kept, Tensor.Stack(1, weightings), Tensor.Concat(-1, reads), h, c);
    }

    (Tensor Hidden, Tensor Cell) Controller(Tensor x, NtmState before)
    {
        Tensor z = x.Linear(inputWeight, inputBias) + before.Reads.Linear(readWeight);
        if (recurrentWeight is not { } recurrent)
        {
            Tensor layer = z.Tanh();
            return (layer, layer);
        }
        z += before.Hidden.Linear(recurrent);
        Tensor Gate(int k) => z.Slice(-1, k * Sizes.Hidden, (k + 1) * Sizes.Hidden);
        Tensor c = Gate(1).Sigmoid() * before.Cell + Gate(0).Sigmoid() * Gate(2).Tanh();
        return (Gate(3).Sigmoid() * c.Tanh(), c);
    }

    /// <summary>Section 3.3: where a head looks, [batch, slots], from its parameters, the memory and where it looked before.</summary>
    Tensor Address(Tensor own, Tensor m, Tensor before)
    {
        int width = Sizes.Width, shifts = Sizes.Shifts;
        Tensor k = own.Slice(-1, 0, width);
        Tensor b = own.Slice(-1, width, width + 1).Softplus();
        Tensor g = own.Slice(-1, width + 1, width + 2).Sigmoid();
        Tensor s = own.Slice(-1, width + 2, width + 2 + shifts).Softmax();
        Tensor y = 1 + own.Slice(-1, width + 2 + shifts, width + 3 + shifts).Softplus();

        Tensor wc = (b * m.CosineSimilarity(k.Unsqueeze(1), -1)).Softmax();           // (5), (6)
        Tensor wg = g * wc + (1 - g) * before;                                        // (7)
        Tensor ws = wg.CircularShift(s);                                              // (8)
        return (y * (ws + NtmScan.SharpenEpsilon).Log()).Softmax();                   // (9) ws^y / sum ws^y
    }

    void CheckInput(Tensor input)
    {
        if (input.Rank != 3 || input.Shape[2] != Inputs) throw new ShapeException(nameof(Ntm), $"the input is {input.Shape}; [time, batch, {Inputs}] was expected.");
    }
}

/// <summary>What a run over a sequence gives.</summary>
/// <param name="Output">Logits: [time, batch, outputs].</param>
/// <param name="State">The state after the last step.</param>
/// <param name="Weightings">Where every head looked at every step, for people to look at: [time, batch, heads, slots], the reading heads first.</param>
public readonly record struct NtmRun(Tensor Output, NtmState State, Tensor Weightings);
