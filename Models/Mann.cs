namespace NeuralMemory.Models;

/// <summary>
/// The memory-augmented neural network of Santoro, Bartunov, Botvinick, Wierstra and Lillicrap 2016, "One-shot learning with memory-augmented neural networks" (arXiv:1605.06065): what it
/// sees it writes to the slots that it has used least, or to those that it has just read. Equation numbers are the paper's.
/// </summary>
/// <remarks>
/// <see cref="Forward"/> runs the fused <see cref="MannScan"/>. <see cref="ForwardComposed"/> computes the same from single operations; it is there to be read, and to be compared with.
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

    /// <summary>As <see cref="Run"/>, composed from single operations, one step at a time.</summary>
    public MannRun ForwardComposed(Tensor input, MannState? state = null)
    {
        CheckInput(input);
        MannState s = state ?? Start(input.Shape[1]);
        Tensor[] outputs = new Tensor[input.Shape[0]], reads = new Tensor[outputs.Length], writes = new Tensor[outputs.Length];
        for (int t = 0; t < outputs.Length; t++)
        {
            s = Step(input.Select(0, t), s, out writes[t]);
            outputs[t] = Tensor.Concat(-1, s.Reads, s.Hidden).Linear(outputWeight, outputBias);
            reads[t] = s.ReadWeights;
        }
        return new(Tensor.Stack(0, outputs), s, Tensor.Stack(0, reads).Detach(), Tensor.Stack(0, writes).Detach());
    }

    /// <summary>One step: from input x_t [batch, inputs] and the state before to the state after.</summary>
    MannState Step(Tensor x, MannState before, out Tensor ww)
    {
        int batch = x.Shape[0];
        (Tensor h, Tensor c) = Controller(x, before);
        Tensor p = h.Linear(headWeight, headBias);
        Tensor k = p.Slice(-1, 0, Sizes.Reads).Tanh().Reshape([batch, Sizes.Heads, Sizes.Width]);
        Tensor a = Sizes.WritesKey ? k : p.Slice(-1, Sizes.WrittenOffset, Sizes.GateOffset).Tanh().Reshape(k.Shape);
        Tensor g = p.Slice(-1, Sizes.GateOffset, Sizes.HeadParameters).Sigmoid().Unsqueeze(2);

        Tensor wlu = (-before.Usage).TopK(Sizes.Heads).Indices.OneHot(Sizes.Slots, x.DType);       // (6) 1 where usage is least, a slot for each head
        ww = g * before.ReadWeights + (1 - g) * wlu;                                               // (7) sigma(alpha) w^r_(t-1) + (1 - sigma(alpha)) w^lu_(t-1)
        Tensor m = before.Memory * (1 - wlu.Sum(1)).Unsqueeze(2) + ww.T.MatMul(a);                 // (8) the least used slots are emptied, and M_t(i) = M_(t-1)(i) + w^w(i) a; the paper has a = k
        Tensor similarity = k.MatMul(m.T) / (Length(k) * Length(m).T);                             // (2) K(k, M(i)): [batch, heads, slots]
        Tensor wr = (Sizes.KeyStrength * similarity).Softmax();                                    // (3)
        Tensor r = wr.MatMul(m).Reshape([batch, Sizes.Reads]);                                     // (4) r = sum over i of w^r(i) M(i)
        Tensor wu = Sizes.Decay * before.Usage + (wr.Sum(1) + ww.Sum(1)).Detach();                 // (5) w^u = gamma w^u_(t-1) + w^r + w^w
        return new(m, wu, wr, r, h, c);
    }

    /// <summary>|v| of every row: [.., 1].</summary>
    static Tensor Length(Tensor v) => (v.Square().Sum([-1], keepDimensions: true) + MannScan.Epsilon).Sqrt();

    (Tensor Hidden, Tensor Cell) Controller(Tensor x, MannState before)
    {
        Tensor z = x.Linear(inputWeight, inputBias) + Tensor.Concat(-1, before.Reads, before.Hidden).Linear(stateWeight);
        Tensor Gate(int i) => z.Slice(-1, i * Sizes.Hidden, (i + 1) * Sizes.Hidden);
        Tensor c = Gate(1).Sigmoid() * before.Cell + Gate(0).Sigmoid() * Gate(2).Tanh();
        return (Gate(3).Sigmoid() * c.Tanh(), c);
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
