namespace NeuralMemory.Layers;

/// <summary>
/// One layer of a Transformer's encoder (Vaswani et al. 2017, section 3.1): self-attention, then a feed-forward network, each with a residual and a
/// normalization. With <c>causal</c> it is a layer of a decoder-only language model. Parameters have PyTorch's names.
/// </summary>
public sealed class TransformerEncoderLayer : Layer
{
    readonly TransformerBlock block;
    readonly MultiHeadAttention attention;
    readonly LayerNorm norm1, norm2;

    /// <summary>A layer with random weights.</summary>
    /// <param name="width">Elements of a vector, a multiple of <paramref name="heads"/>.</param>
    /// <param name="heads">Heads of the attention.</param>
    /// <param name="feedForward">Units between the two linear maps of the feed-forward network.</param>
    /// <param name="random">Where the weights are drawn from, and dropout later.</param>
    /// <param name="activation">The feed-forward network's.</param>
    /// <param name="normFirst">Whether to normalize each part's input instead of the sum after it.</param>
    /// <param name="dropout">The probability of dropping an element: of the attention's weights, within the feed-forward network, and of what is added to the residual.</param>
    /// <param name="rotary">Whether queries and keys are turned by their positions, see <see cref="RotaryPositions"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, the heads do not divide the width, or the probability is not from 0 to less than 1.</exception>
    public TransformerEncoderLayer(int width, int heads, int feedForward, Philox random, FeedForwardActivation activation = FeedForwardActivation.Relu,
        bool normFirst = false, double dropout = 0.1, bool rotary = false)
    {
        attention = Child("self_attn", new MultiHeadAttention(width, heads, random, dropout, rotary));
        norm1 = Child("norm1", new LayerNorm(width));
        norm2 = Child("norm2", new LayerNorm(width));
        Linear first = Child("linear1", TransformerBlock.First(width, feedForward, activation, random)), second = Child("linear2", new Linear(feedForward, width, random));
        block = new(this, first, second, activation, normFirst, dropout, random);
    }

    /// <param name="x">[batch, time, width].</param>
    /// <exception cref="ShapeException">It has another shape.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, keyPadding: null);

    /// <summary>As <see cref="Forward(Tensor)"/>, with masks.</summary>
    /// <param name="x">[batch, time, width].</param>
    /// <param name="keyPadding">[batch, time], 0 where a position is padding and not seen.</param>
    /// <param name="causal">Whether a position sees only itself and what is before it.</param>
    /// <exception cref="ShapeException">A shape does not fit.</exception>
    public Tensor Forward(Tensor x, Tensor? keyPadding, bool causal = false)
    {
        Tensor y = block.Before(norm1, x);
        return Rest(x, attention.Forward(y, y, y, keyPadding, causal));
    }

    /// <summary>As <see cref="Forward(Tensor, Tensor?, bool)"/>, with the weights by which each head looked: [batch, heads, time, time].</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor?, bool)"/>
    public (Tensor Output, Tensor Weights) Run(Tensor x, Tensor? keyPadding, bool causal = false)
    {
        Tensor y = block.Before(norm1, x);
        (Tensor attended, Tensor weights) = attention.Run(y, y, y, keyPadding, causal);
        return (Rest(x, attended), weights);
    }

    /// <summary>The next positions of a sequence whose first are in <paramref name="cache"/>, causal: see <see cref="MultiHeadAttention.Forward(Tensor, KeyValueCache)"/>.</summary>
    /// <inheritdoc cref="MultiHeadAttention.Forward(Tensor, KeyValueCache)"/>
    public Tensor Forward(Tensor x, KeyValueCache cache) => Rest(x, attention.Forward(block.Before(norm1, x), cache));

    Tensor Rest(Tensor x, Tensor attended)
    {
        x = block.After(norm1, x, attended);
        return block.After(norm2, x, block.FeedForward(block.Before(norm2, x)));
    }
}
