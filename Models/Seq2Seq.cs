using NeuralMemory.Layers;

namespace NeuralMemory.Models;

/// <summary>
/// Sutskever, Vinyals and Le 2014, "Sequence to sequence learning with neural networks" (arXiv:1409.3215): one stack of LSTMs reads the source, and its last state, a vector of
/// fixed size, is all that another stack knows when it says the target.
/// </summary>
public sealed class Seq2Seq : EncoderDecoder
{
    readonly Embedding sourceEmbedding, targetEmbedding;
    readonly Lstm encoder, decoder;
    readonly Layers.Linear output;
    int[] symbols = [], counts = [];

    /// <summary>A network with random weights, uniform in [-0.08, 0.08] as in section 3.4.</summary>
    /// <param name="symbols">Symbols, the three special ones included.</param>
    /// <param name="embedding">Numbers of a symbol's vector; 1000 in the paper.</param>
    /// <param name="hidden">Units of a layer; 1000 in the paper.</param>
    /// <param name="layers">LSTMs on top of each other; 4 in the paper.</param>
    /// <param name="reversesSource">Whether the source is read from its end to its start (section 3.3), so that its first symbols are near the target's first.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public Seq2Seq(int symbols, int embedding, int hidden, int layers, bool reversesSource, Philox random)
    {
        ReversesSource = reversesSource;
        sourceEmbedding = Child("source_embedding", new Embedding(symbols, embedding, random));
        targetEmbedding = Child("target_embedding", new Embedding(symbols, embedding, random));
        encoder = Child("encoder", new Lstm(embedding, hidden, random, layers));
        decoder = Child("decoder", new Lstm(embedding, hidden, random, layers));
        output = Child("output", new Layers.Linear(hidden, symbols, random));
        Initializer uniform = Initializers.Uniform(0.08);
        foreach (Tensor parameter in Parameters)
        {
            float[] values = new float[parameter.Count];
            uniform(values, parameter.Shape, random);
            parameter.CopyFrom<float>(values);
        }
    }

    /// <inheritdoc/>
    public override int Symbols => output.Weight.Shape[0];

    /// <summary>Whether the source is read from its end to its start.</summary>
    public bool ReversesSource { get; }

    /// <summary>v of equation 1: the state in which the encoder has read the whole source.</summary>
    /// <param name="source">Int32 [batch, source].</param>
    /// <param name="lengths">Int32 [batch]; padding is not read.</param>
    public LstmState Encode(Tensor source, Tensor lengths)
    {
        Tensor x = sourceEmbedding.Forward(ReversesSource ? Reversed(source, lengths) : source);           // [batch, source, embedding]
        return encoder.Run(x, lengths: lengths).State;
    }

    /// <summary>The decoder from a state on.</summary>
    /// <param name="inputs">Int32 [batch, target]: the symbols before each that is to be said.</param>
    /// <param name="state">That of <see cref="Encode"/>, or the one this returned for the symbols before.</param>
    /// <returns>Logits, [batch, target, symbols], and the state after the last symbol.</returns>
    public (Tensor Logits, LstmState State) Decode(Tensor inputs, LstmState state)
    {
        (Tensor h, LstmState last) = decoder.Run(targetEmbedding.Forward(inputs), state);                  // [batch, target, hidden]
        return (output.Forward(h), last);
    }

    /// <inheritdoc/>
    // (1) p(y_1 .. y_n | x_1 .. x_m) = prod_t p(y_t | v, y_1 .. y_t-1), each factor a softmax over all symbols
    public override DecoderRun Run(Tensor source, Tensor lengths, Tensor inputs)
    {
        Check(source, lengths, inputs);
        return new(Decode(inputs, Encode(source, lengths)).Logits, null);
    }

    /// <summary>Every sequence from its own last symbol to its first; padding stays at the end.</summary>
    Tensor Reversed(Tensor source, Tensor lengths)
    {
        int batch = source.Shape[0], time = source.Shape[1];
        if (symbols.Length < source.Count) symbols = new int[source.Count];
        if (counts.Length < batch) counts = new int[batch];
        source.CopyTo(symbols.AsSpan(0, source.Count));
        lengths.CopyTo(counts.AsSpan(0, batch));
        for (int b = 0; b < batch; b++) symbols.AsSpan(b * time, Math.Clamp(counts[b], 0, time)).Reverse();
        return Tensor.From(symbols.AsSpan(0, source.Count), source.Shape);
    }
}
