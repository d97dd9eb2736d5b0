using NeuralMemory.Layers;

namespace NeuralMemory.Models;

/// <summary>How large a <see cref="Transformer"/> is.</summary>
/// <param name="Symbols">Symbols, the three special ones included; one vocabulary for source and target.</param>
/// <param name="Width">d_model; 512 in the paper's base model. Even, and a multiple of <paramref name="Heads"/>.</param>
/// <param name="Heads">h; 8.</param>
/// <param name="FeedForward">d_ff; 2048.</param>
/// <param name="Layers">N, of the encoder and of the decoder; 6.</param>
/// <param name="Dropout">P_drop; 0.1.</param>
/// <param name="Positions">Whether positions are added to the embeddings. Without, attention sees a set and not a sequence.</param>
public sealed record TransformerSizes(int Symbols, int Width, int Heads, int FeedForward, int Layers, double Dropout = 0.1, bool Positions = true);

/// <summary>
/// Vaswani et al. 2017, "Attention is all you need" (arXiv:1706.03762): an encoder and a decoder of nothing but attention and feed-forward networks, each part followed by
/// LayerNorm(x + part(x)) (section 3.1). The layers' equations stand in <see cref="TransformerEncoderLayer"/>, <see cref="TransformerDecoderLayer"/> and <see cref="MultiHeadAttention"/>.
/// </summary>
public sealed class Transformer : EncoderDecoder
{
    readonly TransformerSizes sizes;
    readonly Tensor embedding;
    readonly SinusoidalPositions positions;
    readonly TransformerEncoderLayer[] encoder;
    readonly TransformerDecoderLayer[] decoder;
    readonly Philox random;

    /// <summary>A network with random weights.</summary>
    /// <param name="sizes">How large it is.</param>
    /// <param name="random">Where the weights are drawn from, and dropout later.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, the width odd or no multiple of the heads, or the dropout not from 0 to less than 1.</exception>
    public Transformer(TransformerSizes sizes, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sizes.Symbols, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(sizes.Layers, 1);
        (this.sizes, this.random) = (sizes, random);
        positions = Child("positions", new SinusoidalPositions(sizes.Width));
        // One matrix embeds the source, embeds the target and makes the logits (section 3.4); times sqrt(d_model) its rows have elements of deviation 1.
        embedding = Parameter("embedding", [sizes.Symbols, sizes.Width], Initializers.Normal(1 / Math.Sqrt(sizes.Width)), random);
        (encoder, decoder) = (new TransformerEncoderLayer[sizes.Layers], new TransformerDecoderLayer[sizes.Layers]);
        for (int i = 0; i < sizes.Layers; i++)
            encoder[i] = Child($"encoder.{i}", new TransformerEncoderLayer(sizes.Width, sizes.Heads, sizes.FeedForward, random, dropout: sizes.Dropout));
        for (int i = 0; i < sizes.Layers; i++)
            decoder[i] = Child($"decoder.{i}", new TransformerDecoderLayer(sizes.Width, sizes.Heads, sizes.FeedForward, random, dropout: sizes.Dropout));
    }

    /// <inheritdoc/>
    public override int Symbols => sizes.Symbols;

    /// <summary>How large it is.</summary>
    public TransformerSizes Sizes => sizes;

    /// <summary>The decoder's memory: [batch, source, width].</summary>
    /// <param name="source">Int32 [batch, source].</param>
    /// <param name="seen">Int32 [batch, source], 0 where a position is padding.</param>
    public Tensor Encode(Tensor source, Tensor seen)
    {
        Tensor x = Embed(source);
        foreach (TransformerEncoderLayer layer in encoder) x = layer.Forward(x, seen);
        return x;
    }

    /// <inheritdoc/>
    /// <remarks>The attention returned is that of the decoder's last layer, the mean of its heads.</remarks>
    public override DecoderRun Run(Tensor source, Tensor lengths, Tensor inputs)
    {
        Check(source, lengths, inputs);
        Tensor seen = Seen(source, lengths), memory = Encode(source, seen), x = Embed(inputs), looked = default;
        // A position sees none that follows it (section 3.1), so that what is said at i depends on what is known before i.
        for (int i = 0; i < decoder.Length; i++)
            if (i < decoder.Length - 1) x = decoder[i].Forward(x, memory, causal: true, memoryKeyPadding: seen);
            else (x, _, looked) = decoder[i].Run(x, memory, causal: true, memoryKeyPadding: seen);          // looked: [batch, heads, target, source]
        return new(x.Linear(embedding), looked.Mean(1));
    }

    /// <summary>How every head of every layer looked: of the encoder at the source, of the decoder at its own inputs and at the source.</summary>
    /// <returns>[batch, heads, queries, keys] each, the first layer first.</returns>
    public (Tensor[] Encoder, Tensor[] Decoder, Tensor[] Cross) Attention(Tensor source, Tensor lengths, Tensor inputs)
    {
        Check(source, lengths, inputs);
        Tensor[] encoders = new Tensor[sizes.Layers], decoders = new Tensor[sizes.Layers], crosses = new Tensor[sizes.Layers];
        Tensor seen = Seen(source, lengths), memory = Embed(source), x = Embed(inputs);
        for (int i = 0; i < sizes.Layers; i++) (memory, encoders[i]) = encoder[i].Run(memory, seen);
        for (int i = 0; i < sizes.Layers; i++) (x, decoders[i], crosses[i]) = decoder[i].Run(x, memory, causal: true, memoryKeyPadding: seen);
        return (encoders, decoders, crosses);
    }

    // Sections 3.4, 3.5 and 5.4: the embedding times sqrt(d_model), the positions on top, and dropout on their sum.
    Tensor Embed(Tensor symbols)
    {
        Tensor x = embedding.Embedding(symbols) * Math.Sqrt(sizes.Width);                        // [batch, time, width]
        return (sizes.Positions ? positions.Forward(x) : x).Dropout(sizes.Dropout, random, IsTraining);
    }
}
