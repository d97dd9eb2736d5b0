using NeuralMemory.Layers;

namespace NeuralMemory.Models;

/// <summary>
/// Bahdanau, Cho and Bengio 2014, "Neural machine translation by jointly learning to align and translate" (arXiv:1409.0473): the encoder leaves an annotation at every symbol, and
/// before each symbol that the decoder says, it looks at all of them with weights that it computes from its own state. Equations are numbered as in the paper.
/// </summary>
/// <remarks>The gated units are <see cref="GruScan"/>'s, whose reset gate acts after the recurrent product; the paper's (appendix A.1.1) acts before it.</remarks>
public sealed class AttentionSeq2Seq : EncoderDecoder
{
    readonly Embedding sourceEmbedding, targetEmbedding;
    readonly Gru encoder;
    readonly Tensor begin, beginBias, query, key, energy, input, context, inputBias, recurrent, recurrentBias;
    readonly Tensor stateOutput, inputOutput, contextOutput, outputBias, output;
    Tensor[] states = [], contexts = [], weights = [];                  // kept, so that a step allocates nothing

    /// <summary>A network with random weights.</summary>
    /// <param name="symbols">Symbols, the three special ones included.</param>
    /// <param name="embedding">m, numbers of a symbol's vector; 620 in the paper.</param>
    /// <param name="hidden">n, units of the encoder in each direction, and of the decoder; 1000 in the paper.</param>
    /// <param name="alignment">n', units of the alignment model; 1000 in the paper.</param>
    /// <param name="maxout">l, units of the output's hidden layer; 500 in the paper.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public AttentionSeq2Seq(int symbols, int embedding, int hidden, int alignment, int maxout, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(alignment, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxout, 1);
        sourceEmbedding = Child("source_embedding", new Embedding(symbols, embedding, random));
        targetEmbedding = Child("target_embedding", new Embedding(symbols, embedding, random));
        encoder = Child("encoder", new Gru(embedding, hidden, random, bidirectional: true));
        Initializer fan = Initializers.FanInUniform;
        begin = Parameter("begin_weight", [hidden, hidden], fan, random);                       // W_s
        beginBias = Parameter("begin_bias", [hidden], 0);
        query = Parameter("query_weight", [alignment, hidden], fan, random);                    // W_a
        key = Parameter("key_weight", [alignment, 2 * hidden], fan, random);                    // U_a
        energy = Parameter("energy_weight", [1, alignment], fan, random);                       // v_a
        input = Parameter("input_weight", [3 * hidden, embedding], fan, random);                // W, W_z, W_r
        context = Parameter("context_weight", [3 * hidden, 2 * hidden], fan, random);           // C, C_z, C_r
        inputBias = Parameter("input_bias", [3 * hidden], 0);
        recurrent = Parameter("recurrent_weight", [3 * hidden, hidden], fan, random);           // U, U_z, U_r
        recurrentBias = Parameter("recurrent_bias", [3 * hidden], 0);
        stateOutput = Parameter("state_output_weight", [2 * maxout, hidden], fan, random);      // U_o
        inputOutput = Parameter("input_output_weight", [2 * maxout, embedding], fan, random);   // V_o
        contextOutput = Parameter("context_output_weight", [2 * maxout, 2 * hidden], fan, random);  // C_o
        outputBias = Parameter("maxout_bias", [2 * maxout], 0);
        output = Parameter("output_weight", [symbols, maxout], fan, random);                    // W_o
    }

    /// <inheritdoc/>
    public override int Symbols => output.Shape[0];

    /// <summary>What the encoder leaves behind.</summary>
    /// <param name="H">h_j, [batch, source, 2 hidden]: the states of both ways side by side (7).</param>
    /// <param name="Keys">U_a h_j, [batch, source, alignment], which every step needs.</param>
    /// <param name="Seen">Int32 [batch, source], 0 where a position is padding.</param>
    /// <param name="State">s_0 = tanh(W_s h_1 of the way back), [batch, hidden]: appendix A.2.2.</param>
    public readonly record struct Annotations(Tensor H, Tensor Keys, Tensor Seen, Tensor State);

    /// <summary>Reads a source.</summary>
    /// <param name="source">Int32 [batch, source].</param>
    /// <param name="lengths">Int32 [batch]; padding is not read.</param>
    public Annotations Encode(Tensor source, Tensor lengths)
    {
        (Tensor h, Tensor last) = encoder.Run(sourceEmbedding.Forward(source), lengths: lengths);
        return new(h, h.Linear(key), Seen(source, lengths), last.Select(0, 1).Linear(begin, beginBias).Tanh());
    }

    /// <summary>Looks from a state of the decoder at the annotations.</summary>
    /// <param name="annotations">Of the source.</param>
    /// <param name="state">s_i-1, [batch, hidden].</param>
    /// <returns>c_i, [batch, 2 hidden], and alpha_i, [batch, source].</returns>
    public (Tensor Context, Tensor Weights) Attend(Annotations annotations, Tensor state)
    {
        //     e_ij = v_a . tanh(W_a s_i-1 + U_a h_j)                                            A.1.2
        Tensor e = (annotations.Keys + state.Linear(query).Unsqueeze(1)).Tanh().Linear(energy).Squeeze(-1);    // [batch, source]
        e = Tensor.Where(annotations.Seen, e, Tensor.Full([], double.NegativeInfinity, e.DType));
        // (6) alpha_ij = exp(e_ij) / sum_k exp(e_ik)
        Tensor alpha = e.Softmax();
        // (5) c_i = sum_j alpha_ij h_j
        return (alpha.Unsqueeze(1).MatMul(annotations.H).Squeeze(1), alpha);
    }

    /// <inheritdoc/>
    public override DecoderRun Run(Tensor source, Tensor lengths, Tensor inputs)
    {
        Check(source, lengths, inputs);
        Annotations annotations = Encode(source, lengths);
        int time = inputs.Shape[1];
        if (states.Length < time) (states, contexts, weights) = (new Tensor[time], new Tensor[time], new Tensor[time]);
        Tensor y = targetEmbedding.Forward(inputs), x = y.Linear(input, inputBias), s = annotations.State;   // [batch, target, 3 hidden]
        for (int i = 0; i < time; i++)
        {
            states[i] = s;
            (contexts[i], weights[i]) = Attend(annotations, s);
            //     s_i = f(s_i-1, y_i-1, c_i): a gated unit
            Tensor projected = (x.Select(1, i) + contexts[i].Linear(context)).Unsqueeze(0);             // [1, batch, 3 hidden]
            s = GruScan.Apply(projected, recurrent, recurrentBias, s).Hidden;
        }
        Tensor before = Tensor.Stack(1, states.AsSpan(0, time)), c = Tensor.Stack(1, contexts.AsSpan(0, time));    // [batch, target, ..]
        // (4) p(y_i | s_i-1, y_i-1, c_i) = softmax(W_o t_i), t_i the greater of each pair of t~_i = U_o s_i-1 + V_o E y_i-1 + C_o c_i
        Tensor t = before.Linear(stateOutput, outputBias) + y.Linear(inputOutput) + c.Linear(contextOutput);
        t = t.Reshape([t.Shape[0], time, output.Shape[1], 2]).Max(-1);
        return new(t.Linear(output), Tensor.Stack(1, weights.AsSpan(0, time)));
    }
}
