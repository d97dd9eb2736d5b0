namespace NeuralMemory;

/// <summary>
/// What <see cref="MannScan"/> computes, composed from single operations, one step at a time: to be read beside Santoro et al. 2016 (arXiv:1605.06065, section 3), whose equation numbers stand at
/// the lines, to be compared with, and to run on devices for which the scan has no kernel.
/// </summary>
public static class MannComposed
{
    /// <inheritdoc cref="MannScan.Apply"/>
    public static (Tensor Output, MannState Final) Apply(Tensor x, in MannWeights weights, in MannState start, in MannSizes sizes, out Tensor readWeights, out Tensor writeWeights)
    {
        (int time, int batch) = MannScan.Check(x, weights, start, sizes);
        MannState s = start;
        if (time == 0)
        {
            readWeights = writeWeights = Tensor.Zeros([0, batch, sizes.Heads, sizes.Slots], x.DType);
            return (Tensor.Zeros([0, batch, sizes.Reads + sizes.Hidden], x.DType), s);
        }
        Tensor[] outputs = new Tensor[time], reads = new Tensor[time], writes = new Tensor[time];
        for (int t = 0; t < time; t++)
        {
            s = Step(x.Select(0, t), weights, s, sizes, out writes[t]);
            (outputs[t], reads[t]) = (Tensor.Concat(-1, s.Reads, s.Hidden), s.ReadWeights);
        }
        (readWeights, writeWeights) = (Tensor.Stack(0, reads).Detach(), Tensor.Stack(0, writes).Detach());
        return (Tensor.Stack(0, outputs), s);
    }

    /// <summary>One step: from the projected input x_t [batch, gates] and the state before to the state after.</summary>
    static MannState Step(Tensor x, in MannWeights weights, in MannState before, in MannSizes sizes, out Tensor ww)
    {
        int batch = x.Shape[0];
        (Tensor h, Tensor c) = Controller(x, weights.State, before, sizes.Hidden);
        Tensor p = h.Linear(weights.Head, weights.HeadBias);
        Tensor k = p.Slice(-1, 0, sizes.Reads).Tanh().Reshape([batch, sizes.Heads, sizes.Width]);
        Tensor a = sizes.WritesKey ? k : p.Slice(-1, sizes.WrittenOffset, sizes.GateOffset).Tanh().Reshape(k.Shape);
        Tensor g = p.Slice(-1, sizes.GateOffset, sizes.HeadParameters).Sigmoid().Unsqueeze(2);

        Tensor wlu = (-before.Usage).TopK(sizes.Heads).Indices.OneHot(sizes.Slots, x.DType);       // (6) 1 where usage is least, a slot for each head
        ww = g * before.ReadWeights + (1 - g) * wlu;                                               // (7) sigma(alpha) w^r_(t-1) + (1 - sigma(alpha)) w^lu_(t-1)
        Tensor m = before.Memory * (1 - wlu.Sum(1)).Unsqueeze(2) + ww.T.MatMul(a);                 // (8) the least used slots are emptied, and M_t(i) = M_(t-1)(i) + w^w(i) a; the paper has a = k
        Tensor similarity = k.MatMul(m.T) / (Length(k) * Length(m).T);                             // (2) K(k, M(i)): [batch, heads, slots]
        Tensor wr = (sizes.KeyStrength * similarity).Softmax();                                    // (3)
        Tensor r = wr.MatMul(m).Reshape([batch, sizes.Reads]);                                     // (4) r = sum over i of w^r(i) M(i)
        Tensor wu = sizes.Decay * before.Usage + (wr.Sum(1) + ww.Sum(1)).Detach();                 // (5) w^u = gamma w^u_(t-1) + w^r + w^w
        return new(m, wu, wr, r, h, c);
    }

    /// <summary>|v| of every row: [.., 1].</summary>
    static Tensor Length(Tensor v) => (v.Square().Sum([-1], keepDimensions: true) + MannScan.Epsilon).Sqrt();

    static (Tensor Hidden, Tensor Cell) Controller(Tensor x, Tensor weight, in MannState before, int hidden)
    {
        Tensor z = x + Tensor.Concat(-1, before.Reads, before.Hidden).Linear(weight);
        Tensor Gate(int i) => z.Slice(-1, i * hidden, (i + 1) * hidden);
        Tensor c = Gate(1).Sigmoid() * before.Cell + Gate(0).Sigmoid() * Gate(2).Tanh();
        return (Gate(3).Sigmoid() * c.Tanh(), c);
    }
}
