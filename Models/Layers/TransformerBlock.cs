namespace NeuralMemory.Layers;

/// <summary>
/// What encoder and decoder layers share: the feed-forward network, and how a part f is joined to its input, as norm(x + f(x)) or, with the normalization
/// first, as x + f(norm(x)) (Xiong et al. 2020). Elements are dropped while the owner is being trained.
/// </summary>
sealed class TransformerBlock(Module owner, Linear first, Linear second, FeedForwardActivation activation, bool normFirst, double dropout, Philox random)
{
    /// <summary>The linear map that <see cref="FeedForward"/> begins with.</summary>
    public static Linear First(int width, int feedForward, FeedForwardActivation activation, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(feedForward, 1);
        return new(width, activation == FeedForwardActivation.SwiGlu ? 2 * feedForward : feedForward, random);
    }

    /// <summary>What a part is given.</summary>
    public Tensor Before(LayerNorm norm, Tensor x) => normFirst ? norm.Forward(x) : x;

    /// <summary>From x and what the part made of it, what the next part begins with.</summary>
    public Tensor After(LayerNorm norm, Tensor x, Tensor part)
    {
        Tensor sum = x + Drop(part);
        return normFirst ? sum : norm.Forward(sum);
    }

    public Tensor FeedForward(Tensor x)
    {
        Tensor h = first.Forward(x);                                                              // [.., feed-forward], or twice that
        h = activation switch
        {
            FeedForwardActivation.Relu => h.Relu(),
            FeedForwardActivation.Gelu => h.Gelu(),
            FeedForwardActivation.GeluTanh => h.GeluTanh(),
            _ => h.Slice(-1, 0, h.Shape[^1] / 2).Silu() * h.Slice(-1, h.Shape[^1] / 2, h.Shape[^1]),
        };
        return second.Forward(Drop(h));
    }

    Tensor Drop(Tensor x) => x.Dropout(dropout, random, owner.IsTraining);
}
