namespace NeuralMemory.Layers;

/// <summary>
/// One layer of a Transformer's decoder (Vaswani et al. 2017, section 3.1): self-attention, attention to the encoder's output, then a feed-forward network, each with
/// a residual and a normalization. Parameters have PyTorch's names.
/// </summary>
public sealed class TransformerDecoderLayer : Module
{
    readonly TransformerBlock block;
    readonly MultiHeadAttention selfAttention, crossAttention;
    readonly LayerNorm norm1, norm2, norm3;

    /// <inheritdoc cref="TransformerEncoderLayer(int, int, int, Philox, FeedForwardActivation, bool, double, bool)"/>
    public TransformerDecoderLayer(int width, int heads, int feedForward, Philox random, FeedForwardActivation activation = FeedForwardActivation.Relu,
        bool normFirst = false, double dropout = 0.1, bool rotary = false)
    {
        selfAttention = Child("self_attn", new MultiHeadAttention(width, heads, random, dropout, rotary));
        crossAttention = Child("multihead_attn", new MultiHeadAttention(width, heads, random, dropout));
        norm1 = Child("norm1", new LayerNorm(width));
        norm2 = Child("norm2", new LayerNorm(width));
        norm3 = Child("norm3", new LayerNorm(width));
        Linear first = Child("linear1", TransformerBlock.First(width, feedForward, activation, random)), second = Child("linear2", new Linear(feedForward, width, random));
        block = new(this, first, second, activation, normFirst, dropout, random);
    }

    /// <summary>The layer's output: [batch, time, width].</summary>
    /// <param name="x">[batch, time, width].</param>
    /// <param name="memory">The encoder's output: [batch, memories, width].</param>
    /// <param name="causal">Whether a position of x sees only itself and what is before it.</param>
    /// <param name="keyPadding">[batch, time], 0 where a position of x is padding and not seen.</param>
    /// <param name="memoryKeyPadding">[batch, memories], likewise for the memory.</param>
    /// <exception cref="ShapeException">A shape does not fit.</exception>
    public Tensor Forward(Tensor x, Tensor memory, bool causal = true, Tensor? keyPadding = null, Tensor? memoryKeyPadding = null)
    {
        Tensor y = block.Before(norm1, x);
        x = block.After(norm1, x, selfAttention.Forward(y, y, y, keyPadding, causal));
        x = block.After(norm2, x, crossAttention.Forward(block.Before(norm2, x), memory, memory, memoryKeyPadding));
        return block.After(norm3, x, block.FeedForward(block.Before(norm3, x)));
    }

    /// <summary>As <see cref="Forward"/>, with the weights by which each head looked at x, [batch, heads, time, time], and at the memory, [batch, heads, time, memories].</summary>
    /// <inheritdoc cref="Forward"/>
    public (Tensor Output, Tensor Weights, Tensor MemoryWeights) Run(Tensor x, Tensor memory, bool causal = true, Tensor? keyPadding = null, Tensor? memoryKeyPadding = null)
    {
        Tensor y = block.Before(norm1, x);
        (Tensor part, Tensor weights) = selfAttention.Run(y, y, y, keyPadding, causal);
        x = block.After(norm1, x, part);
        (part, Tensor memoryWeights) = crossAttention.Run(block.Before(norm2, x), memory, memory, memoryKeyPadding);
        x = block.After(norm2, x, part);
        return (block.After(norm3, x, block.FeedForward(block.Before(norm3, x))), weights, memoryWeights);
    }
}
