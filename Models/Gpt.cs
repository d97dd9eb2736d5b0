using NeuralMemory.Layers;

namespace NeuralMemory.Models;

/// <summary>How large a <see cref="Gpt"/> is.</summary>
/// <param name="Symbols">Symbols of the vocabulary; 50257 in GPT-2.</param>
/// <param name="Context">The most positions; 1024.</param>
/// <param name="Width">Numbers of a vector, a multiple of <paramref name="Heads"/>; 768 in the smallest.</param>
/// <param name="Heads">Heads of each block; 12.</param>
/// <param name="Layers">Blocks; 12.</param>
/// <param name="Dropout">The probability of dropping an element; 0.1.</param>
/// <param name="Causal">Whether no position sees those that follow it. Without, <see cref="Gpt.Forward"/> sees what it is to tell, and learns to copy it; a <see cref="LanguageModel.Reader"/> never does.</param>
public sealed record GptSizes(int Symbols, int Context, int Width, int Heads, int Layers, double Dropout = 0.1, bool Causal = true);

/// <summary>
/// Radford et al. 2019, "Language models are unsupervised multitask learners" (GPT-2, section 2.3): the Transformer's decoder alone, its normalization moved to the input of each part
/// and one more after the last block, the embedding used again for the logits.
/// <code>
/// x = E[tokens] + P[0 ..]                       E [symbols, width], P [context, width]
/// x = x + attention(norm1(x))                   for each block; causal
/// x = x + W2 gelu(W1 norm2(x))
/// logits = norm(x) E^T
/// </code>
/// The block is <see cref="TransformerEncoderLayer"/>, causal and with its normalization first.
/// </summary>
public sealed class Gpt : LanguageModel
{
    readonly GptSizes sizes;
    readonly Embedding embedding;
    readonly LearnedPositions positions;
    readonly TransformerEncoderLayer[] blocks;
    readonly Layers.LayerNorm norm;
    readonly Philox random;

    /// <summary>A network with GPT-2's random weights: normal with deviation 0.02, those that end a residual's part divided by sqrt(2 layers); biases of 0.</summary>
    /// <param name="sizes">How large it is.</param>
    /// <param name="random">Where the weights are drawn from, and dropout later.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, the heads do not divide the width, or the dropout is not from 0 to less than 1.</exception>
    public Gpt(GptSizes sizes, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sizes.Layers, 1);
        (this.sizes, this.random) = (sizes, random);
        embedding = Child("wte", new Embedding(sizes.Symbols, sizes.Width, random));
        positions = Child("wpe", new LearnedPositions(sizes.Context, sizes.Width, random));
        blocks = new TransformerEncoderLayer[sizes.Layers];
        for (int i = 0; i < sizes.Layers; i++)
            blocks[i] = Child($"h.{i}", new TransformerEncoderLayer(sizes.Width, sizes.Heads, 4 * sizes.Width, random, FeedForwardActivation.GeluTanh, normFirst: true, sizes.Dropout));
        norm = Child("ln_f", new Layers.LayerNorm(sizes.Width));
        foreach ((string name, Tensor parameter) in NamedParameters())
        {
            if (name.EndsWith("bias", StringComparison.Ordinal)) parameter.Fill(0);
            if (parameter.Rank < 2) continue;
            bool endsPart = name.EndsWith("out_proj.weight", StringComparison.Ordinal) || name.EndsWith("linear2.weight", StringComparison.Ordinal);
            float[] values = new float[parameter.Count];
            Initializers.Normal(0.02 / (endsPart ? Math.Sqrt(2 * sizes.Layers) : 1))(values, parameter.Shape, random);
            parameter.CopyFrom<float>(values);
        }
    }

    /// <summary>How large it is.</summary>
    public GptSizes Sizes => sizes;

    /// <inheritdoc/>
    public override int Symbols => sizes.Symbols;

    /// <inheritdoc/>
    public override int Context => sizes.Context;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens)
    {
        Check(tokens);
        Tensor x = Embed(tokens, 0);
        foreach (TransformerEncoderLayer block in blocks) x = block.Forward(x, null, sizes.Causal);
        return Logits(x);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Tensor> Attention(Tensor tokens)
    {
        Check(tokens);
        Tensor[] weights = new Tensor[blocks.Length];
        Tensor x = Embed(tokens, 0);
        for (int i = 0; i < blocks.Length; i++) (x, weights[i]) = blocks[i].Run(x, null, sizes.Causal);
        return weights;
    }

    /// <inheritdoc/>
    public override Reader Read() => new CachedReader(this);

    Tensor Embed(Tensor tokens, int first) => positions.Forward(embedding.Forward(tokens), first).Dropout(sizes.Dropout, random, IsTraining);     // [batch, time, width]

    Tensor Logits(Tensor x) => norm.Forward(x).Linear(embedding.Weight);                          // [batch, time, symbols]

    /// <summary>Keys and values of every block stay where they are, and only the new positions pass through.</summary>
    sealed class CachedReader(Gpt gpt) : Reader
    {
        readonly KeyValueCache[] caches = [.. gpt.blocks.Select(_ => new KeyValueCache(gpt.Context))];

        public override int Length => caches[0].Length;

        public override void Clear() => Array.ForEach(caches, cache => cache.Clear());

        public override Tensor Next(Tensor tokens)
        {
            gpt.Check(tokens);
            Tensor x = gpt.Embed(tokens, Length);
            for (int i = 0; i < caches.Length; i++) x = gpt.blocks[i].Forward(x, caches[i]);
            return gpt.Logits(x);
        }
    }
}
