using NeuralMemory.Layers;

namespace NeuralMemory.Models;

/// <summary>
/// Bahdanau, Cho and Bengio 2014, "Neural machine translation by jointly learning to align and translate" (arXiv:1409.0473): the encoder leaves an annotation at every symbol, and
/// before each symbol that the decoder says, it looks at all of them with weights that it computes from its own state. Equations are numbered as in the paper.
/// </summary>
/// <remarks>
/// The gated units are <see cref="GruScan"/>'s, whose reset gate acts after the recurrent product; the paper's (appendix A.1.1) acts before it. <see cref="Run(Tensor, Tensor, Tensor)"/> runs the
/// decoder as the fused <see cref="AlignmentScan"/>; <see cref="RunComposed"/> computes the same from single operations.
/// </remarks>
public sealed class AttentionSeq2Seq : EncoderDecoder
{
    readonly Embedding sourceEmbedding, targetEmbedding;
    readonly Gru encoder;
    readonly Tensor begin, beginBias, query, key, energy, input, context, inputBias, recurrent, recurrentBias;
    readonly Tensor stateOutput, inputOutput, contextOutput, outputBias, output;

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

    /// <summary>Reads a source.</summary>
    /// <param name="source">Int32 [batch, source].</param>
    /// <param name="lengths">Int32 [batch]; padding is not read.</param>
    /// <returns>h_j, the states of both ways side by side (7), U_a h_j, and s_0 = tanh(W_s h_1 of the way back), appendix A.2.2.</returns>
    public Annotations Encode(Tensor source, Tensor lengths)
    {
        (Tensor h, Tensor last) = encoder.Run(sourceEmbedding.Forward(source), lengths: lengths);
        return new(h, h.Linear(key), Seen(source, lengths), last.Select(0, 1).Linear(begin, beginBias).Tanh());
    }

    /// <inheritdoc/>
    public override DecoderRun Run(Tensor source, Tensor lengths, Tensor inputs) => Run(source, lengths, inputs, composed: false);

    /// <summary>As <see cref="Run(Tensor, Tensor, Tensor)"/>, the decoder composed from single operations, one step at a time: see <see cref="AlignmentComposed"/> for the equations.</summary>
    public DecoderRun RunComposed(Tensor source, Tensor lengths, Tensor inputs) => Run(source, lengths, inputs, composed: true);

    DecoderRun Run(Tensor source, Tensor lengths, Tensor inputs, bool composed)
    {
        Check(source, lengths, inputs);
        Annotations annotations = Encode(source, lengths);
        AlignmentWeights weights = new(query, energy, context, recurrent, recurrentBias);
        Tensor y = targetEmbedding.Forward(inputs), x = y.Linear(input, inputBias);                     // [batch, target, 3 hidden], for the whole sequence at once
        (Tensor s, Tensor c, Tensor alpha, _) = composed ? AlignmentComposed.Apply(x, annotations, weights) : AlignmentScan.Apply(x, annotations, weights);     // s_i-1, c_i, alpha_i
        // (4) p(y_i | s_i-1, y_i-1, c_i) = softmax(W_o t_i), t_i the greater of each pair of t~_i = U_o s_i-1 + V_o E y_i-1 + C_o c_i
        Tensor t = s.Linear(stateOutput, outputBias) + y.Linear(inputOutput) + c.Linear(contextOutput);
        t = t.Reshape([t.Shape[0], t.Shape[1], output.Shape[1], 2]).Max(-1);
        return new(t.Linear(output), alpha);
    }
}
