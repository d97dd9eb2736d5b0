namespace NeuralMemory.Models;

/// <summary>
/// The Differentiable Neural Computer of Graves et al. 2016, "Hybrid computing using a neural network with dynamic external memory" (Nature 538, 471): a controller with a memory that it
/// addresses by content, by the order of writing, and by what is free. Symbols and names are those of the paper's Methods.
/// </summary>
/// <remarks>
/// <see cref="Forward"/> runs the fused <see cref="DncScan"/>. <see cref="ForwardComposed"/> computes the same from single operations; it is there to be read, and
/// to be compared with. The controller is an LSTM of one layer. Links and free gates can be left out, to show what they are for.
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

    /// <summary>As <see cref="Run"/>, composed from single operations, one step at a time.</summary>
    public DncRun ForwardComposed(Tensor input, DncState? state = null)
    {
        CheckInput(input);
        DncState s = state ?? Start(input.Shape[1]);
        DncState[] states = new DncState[input.Shape[0]];
        Tensor[] outputs = new Tensor[states.Length];
        for (int t = 0; t < states.Length; t++)
        {
            states[t] = s = Step(input.Select(0, t), s);
            outputs[t] = Tensor.Concat(-1, s.Reads, s.Hidden).Linear(outputWeight, outputBias);
        }
        Tensor All(Func<DncState, Tensor> part) => Tensor.Stack(0, [.. states.Select(part)]).Detach();
        return new(Tensor.Stack(0, outputs), s, new(All(s => s.ReadWeightings), All(s => s.WriteWeighting), All(s => s.Usage), Sizes.Links ? All(s => s.Links) : null));
    }

    /// <summary>One step: from input x [batch, inputs] and the state before to the state after.</summary>
    DncState Step(Tensor x, DncState before)
    {
        int heads = Sizes.ReadHeads, width = Sizes.Width, batch = x.Shape[0];
        (Tensor h, Tensor cell) = Controller(x, before);

        // Interface parameters
        Tensor xi = h.Linear(interfaceWeight, interfaceBias);
        int at = 0;
        Tensor Next(int size) => xi.Slice(-1, at, at += size);
        Tensor readKeys = Next(heads * width).Reshape([batch, heads, width]), readStrengths = 1 + Next(heads).Softplus();                 // oneplus
        Tensor writeKey = Next(width).Unsqueeze(1), writeStrength = 1 + Next(1).Softplus();
        Tensor e = Next(width).Sigmoid(), v = Next(width);
        Tensor f = Sizes.FreeGates ? Next(heads).Sigmoid() : default;
        Tensor allocationGate = Next(1).Sigmoid(), writeGate = Next(1).Sigmoid();
        Tensor modes = Sizes.Links ? Next(3 * heads).Reshape([batch, heads, 3]).Softmax() : default;

        // Dynamic memory allocation
        Tensor u = before.Usage + before.WriteWeighting - before.Usage * before.WriteWeighting;
        if (Sizes.FreeGates)
            for (int i = 0; i < heads; i++) u *= 1 - f.Slice(-1, i, i + 1) * before.ReadWeightings.Select(1, i);      // times psi, the retention
        Tensor a = Allocation(u);

        // Writing
        Tensor c = Content(before.Memory, writeKey, writeStrength).Squeeze(1);
        Tensor w = writeGate * (allocationGate * a + (1 - allocationGate) * c);
        Tensor m = before.Memory * (1 - w.Unsqueeze(2) * e.Unsqueeze(1)) + w.Unsqueeze(2) * v.Unsqueeze(1);          // M = M' (E - w e^T) + w v^T

        // Reading
        Tensor readWeightings = Content(m, readKeys, readStrengths), p = before.Precedence, links = before.Links;
        if (Sizes.Links)
        {
            // Temporal memory linkage
            Tensor wi = w.Unsqueeze(2), wj = w.Unsqueeze(1);
            links = (1 - wi - wj) * links + wi * p.Unsqueeze(1);
            links *= OffDiagonal();
            p = (1 - w.Sum([-1], keepDimensions: true)) * p + w;
            Tensor forward = before.ReadWeightings.MatMul(links.T), backward = before.ReadWeightings.MatMul(links);   // f_r = L w_r', b_r = L^T w_r'
            readWeightings = modes.Slice(-1, 0, 1) * backward + modes.Slice(-1, 1, 2) * readWeightings + modes.Slice(-1, 2, 3) * forward;
        }
        Tensor r = readWeightings.MatMul(m).Reshape([batch, heads * width]);
        return new(m, u, p, links, w, readWeightings, r, h, cell);
    }

    (Tensor Hidden, Tensor Cell) Controller(Tensor x, DncState before)
    {
        Tensor z = x.Linear(inputWeight, inputBias) + before.Reads.Linear(readWeight) + before.Hidden.Linear(recurrentWeight);
        Tensor Gate(int k) => z.Slice(-1, k * Sizes.Hidden, (k + 1) * Sizes.Hidden);
        Tensor c = Gate(1).Sigmoid() * before.Cell + Gate(0).Sigmoid() * Gate(2).Tanh();
        return (Gate(3).Sigmoid() * c.Tanh(), c);
    }

    /// <summary>C(M, k, b) = softmax of b D(k, M[i]), the cosine: memory [batch, N, W], keys [batch, heads, W] and strengths [batch, heads] give [batch, heads, N].</summary>
    static Tensor Content(Tensor m, Tensor keys, Tensor strengths)
    {
        static Tensor Length(Tensor x) => (x.Square().Sum(-1) + DncScan.LengthEpsilon).Sqrt();
        return (strengths.Unsqueeze(2) * keys.MatMul(m.T) / (Length(keys).Unsqueeze(2) * Length(m).Unsqueeze(1))).Softmax();
    }

    /// <summary>a[phi[j]] = (1 - u[phi[j]]) prod over i &lt; j of u[phi[i]], where phi, the free list, sorts the usage [batch, N].</summary>
    static Tensor Allocation(Tensor u)
    {
        (Tensor sorted, Tensor phi) = u.Sort();
        Tensor products = Tensor.Concat(-1, Tensor.Ones([u.Shape[0], 1], u.DType), sorted.Slice(-1, 0, u.Shape[1] - 1)).CumulativeProduct();
        return ((1 - sorted) * products).Gather(-1, phi.To(u.DType).ArgSort());
    }

    /// <summary>[N, N]: 1, and 0 where a slot meets itself.</summary>
    Tensor OffDiagonal() => 1 - Tensor.Range(0, Sizes.Slots).OneHot(Sizes.Slots, inputWeight.DType);

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
