namespace NeuralMemory;

/// <summary>
/// What <see cref="DncScan"/> computes, composed from single operations, one step at a time: to be read beside the Methods of Graves et al. 2016 (Nature 538, 471), whose symbols and names it has,
/// to be compared with, and to run on devices for which the scan has no kernel.
/// </summary>
public static class DncComposed
{
    /// <inheritdoc cref="DncScan.Apply"/>
    public static (Tensor Output, DncState Final) Apply(Tensor x, in DncWeights weights, in DncState start, in DncSizes sizes, out DncTrace trace, bool traceLinks = false)
    {
        (int time, int batch) = DncScan.Check(x, weights, start, sizes, traceLinks);
        int slots = sizes.Slots;
        Tensor Nothing(params ReadOnlySpan<int> shape) => Tensor.Zeros(new(shape), x.DType);
        if (time == 0)
        {
            trace = new(Nothing(0, batch, sizes.ReadHeads, slots), Nothing(0, batch, slots), Nothing(0, batch, slots), traceLinks ? Nothing(0, batch, slots, slots) : null);
            return (Nothing(0, batch, sizes.Reads + sizes.Hidden), start);
        }
        Tensor offDiagonal = sizes.Links ? 1 - Tensor.Range(0, slots).OneHot(slots, x.DType) : default;              // [N, N]: 1, and 0 where a slot meets itself
        DncState[] states = new DncState[time];
        DncState s = start;
        for (int t = 0; t < time; t++) states[t] = s = Step(x.Select(0, t), weights, s, sizes, offDiagonal);
        Tensor All(Func<DncState, Tensor> part) => Tensor.Stack(0, [.. states.Select(part)]);
        trace = new(All(s => s.ReadWeightings).Detach(), All(s => s.WriteWeighting).Detach(), All(s => s.Usage).Detach(), traceLinks ? All(s => s.Links).Detach() : null);
        return (All(s => Tensor.Concat(-1, s.Reads, s.Hidden)), s);
    }

    /// <summary>One step: from the projected input x [batch, gates] and the state before to the state after.</summary>
    static DncState Step(Tensor x, in DncWeights weights, in DncState before, in DncSizes sizes, Tensor offDiagonal)
    {
        int heads = sizes.ReadHeads, width = sizes.Width, batch = x.Shape[0];
        (Tensor h, Tensor cell) = Controller(x, weights, before, sizes.Hidden);

        // Interface parameters
        Tensor xi = h.Linear(weights.Interface, weights.InterfaceBias);
        int at = 0;
        Tensor Next(int size) => xi.Slice(-1, at, at += size);
        Tensor readKeys = Next(heads * width).Reshape([batch, heads, width]), readStrengths = 1 + Next(heads).Softplus();                 // oneplus
        Tensor writeKey = Next(width).Unsqueeze(1), writeStrength = 1 + Next(1).Softplus();
        Tensor e = Next(width).Sigmoid(), v = Next(width);
        Tensor f = sizes.FreeGates ? Next(heads).Sigmoid() : default;
        Tensor allocationGate = Next(1).Sigmoid(), writeGate = Next(1).Sigmoid();
        Tensor modes = sizes.Links ? Next(3 * heads).Reshape([batch, heads, 3]).Softmax() : default;

        // Dynamic memory allocation
        Tensor u = before.Usage + before.WriteWeighting - before.Usage * before.WriteWeighting;
        if (sizes.FreeGates)
            for (int i = 0; i < heads; i++) u *= 1 - f.Slice(-1, i, i + 1) * before.ReadWeightings.Select(1, i);      // times psi, the retention
        Tensor a = Allocation(u);

        // Writing
        Tensor c = Content(before.Memory, writeKey, writeStrength).Squeeze(1);
        Tensor w = writeGate * (allocationGate * a + (1 - allocationGate) * c);
        Tensor m = before.Memory * (1 - w.Unsqueeze(2) * e.Unsqueeze(1)) + w.Unsqueeze(2) * v.Unsqueeze(1);          // M = M' (E - w e^T) + w v^T

        // Reading
        Tensor readWeightings = Content(m, readKeys, readStrengths), p = before.Precedence, links = before.Links;
        if (sizes.Links)
        {
            // Temporal memory linkage
            Tensor wi = w.Unsqueeze(2), wj = w.Unsqueeze(1);
            links = (1 - wi - wj) * links + wi * p.Unsqueeze(1);
            links *= offDiagonal;
            p = (1 - w.Sum([-1], keepDimensions: true)) * p + w;
            Tensor forward = before.ReadWeightings.MatMul(links.T), backward = before.ReadWeightings.MatMul(links);   // f_r = L w_r', b_r = L^T w_r'
            readWeightings = modes.Slice(-1, 0, 1) * backward + modes.Slice(-1, 1, 2) * readWeightings + modes.Slice(-1, 2, 3) * forward;
        }
        Tensor r = readWeightings.MatMul(m).Reshape([batch, heads * width]);
        return new(m, u, p, links, w, readWeightings, r, h, cell);
    }

    static (Tensor Hidden, Tensor Cell) Controller(Tensor x, in DncWeights weights, in DncState before, int hidden)
    {
        Tensor z = x + before.Reads.Linear(weights.Read) + before.Hidden.Linear(weights.Recurrent);
        Tensor Gate(int k) => z.Slice(-1, k * hidden, (k + 1) * hidden);
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
}
