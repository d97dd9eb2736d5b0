namespace NeuralMemory;

/// <summary>
/// What <see cref="AlignmentScan"/> computes, composed from single operations, one step at a time: to be read beside Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473), whose equation numbers stand at
/// the lines, to be compared with, and to run on devices for which the scan has no kernel.
/// </summary>
public static class AlignmentComposed
{
    /// <inheritdoc cref="AlignmentScan.Apply"/>
    public static (Tensor States, Tensor Contexts, Tensor Weights, Tensor Last) Apply(Tensor x, in Annotations annotations, in AlignmentWeights weights)
    {
        AlignmentSizes sizes = AlignmentScan.Check(x, annotations, weights);
        Tensor s = annotations.State;
        if (sizes.Time == 0)
        {
            Tensor Nothing(int size) => Tensor.Zeros([sizes.Batch, 0, size], x.DType);
            return (Nothing(sizes.Hidden), Nothing(sizes.Annotation), Nothing(sizes.Source), s);
        }
        Tensor[] states = new Tensor[sizes.Time], contexts = new Tensor[sizes.Time], alphas = new Tensor[sizes.Time];
        for (int i = 0; i < sizes.Time; i++)
        {
            states[i] = s;
            (contexts[i], alphas[i]) = Attend(annotations, weights, s);
            //     s_i = f(s_i-1, y_i-1, c_i): a gated unit
            Tensor projected = (x.Select(1, i) + contexts[i].Linear(weights.Context)).Unsqueeze(0);     // [1, batch, 3 hidden]
            s = GruScan.Apply(projected, weights.Recurrent, weights.RecurrentBias, s).Hidden;
        }
        return (Tensor.Stack(1, states), Tensor.Stack(1, contexts), Tensor.Stack(1, alphas), s);
    }

    /// <summary>Looks from s_i-1 [batch, hidden] at the annotations: c_i, [batch, annotation], and alpha_i, [batch, source].</summary>
    static (Tensor Context, Tensor Weights) Attend(in Annotations annotations, in AlignmentWeights weights, Tensor state)
    {
        //     e_ij = v_a . tanh(W_a s_i-1 + U_a h_j)                                            A.1.2
        Tensor e = (annotations.Keys + state.Linear(weights.Query).Unsqueeze(1)).Tanh().Linear(weights.Energy).Squeeze(-1);
        e = Tensor.Where(annotations.Seen, e, Tensor.Full([], double.NegativeInfinity, e.DType));
        // (6) alpha_ij = exp(e_ij) / sum_k exp(e_ik)
        Tensor alpha = e.Softmax();
        // (5) c_i = sum_j alpha_ij h_j
        return (alpha.Unsqueeze(1).MatMul(annotations.H).Squeeze(1), alpha);
    }
}
