namespace NeuralMemory.Layers;

/// <summary>
/// One layer of a Transformer's decoder (Vaswani et al. 2017, section 3.1): self-attention, attention to the encoder's output, then a feed-forward network, each with
/// a residual and a normalization. Parameters have PyTorch's names.
/// </summary>
public sealed class TransformerDecoderLayer : TransformerLayer
{
    readonly MultiHeadAttention selfAttention, crossAttention;
    readonly LayerNorm norm1, norm2, norm3;

    /// <inheritdoc cref="TransformerEncoderLayer(int, int, int, Philox, FeedForwardActivation, bool, double, bool)"/>
    public TransformerDecoderLayer(int width, int heads, int feedForward, Philox random, FeedForwardActivation activation = FeedForwardActivation.Relu,
        bool normFirst = false, double dropout = 0.1, bool rotary = false) : base(width, feedForward, random, activation, normFirst, dropout)
    {
        selfAttention = Child("self_attn", new MultiHeadAttention(width, heads, random, dropout, rotary));
        crossAttention = Child("multihead_attn", new MultiHeadAttention(width, heads, random, dropout));
        norm1 = Child("norm1", new LayerNorm(width));
        norm2 = Child("norm2", new LayerNorm(width));
        norm3 = Child("norm3", new LayerNorm(width));
    }

    /// <summary>The layer with nothing but itself to look at: x is its own memory, and nothing is hidden.</summary>
    /// <param name="x">[batch, time, width].</param>
    public override Tensor Forward(Tensor x) => Forward(x, x, causal: false);

    /// <summary>The layer's output: [batch, time, width].</summary>
    /// <param name="x">[batch, time, width].</param>
    /// <param name="memory">The encoder's output: [batch, memories, width].</param>
    /// <param name="causal">Whether a position of x sees only itself and what is before it.</param>
    /// <param name="padding">[batch, time], not 0 where a position of x is not to be looked at.</param>
    /// <param name="memoryPadding">[batch, memories], likewise for the memory.</param>
    /// <exception cref="ShapeException">A shape does not fit.</exception>
    public Tensor Forward(Tensor x, Tensor memory, bool causal = true, Tensor? padding = null, Tensor? memoryPadding = null)
    {
        x = Residual(x, norm1, y => selfAttention.Forward(y, y, y, padding, causal));
        x = Residual(x, norm2, y => crossAttention.Forward(y, memory, memory, memoryPadding));
        return Residual(x, norm3, FeedForward);
    }
}
