namespace NeuralMemory.Layers;

/// <summary>The non-linearity of a Transformer's feed-forward network.</summary>
public enum FeedForwardActivation
{
    /// <summary>W2 relu(W1 x) (Vaswani et al. 2017).</summary>
    Relu,

    /// <summary>W2 gelu(W1 x) (Hendrycks and Gimpel 2016).</summary>
    Gelu,

    /// <summary>W2 (silu(W1 x) * V x) (Shazeer 2020); <c>linear1</c> holds W1 and then V.</summary>
    SwiGlu,
}

/// <summary>
/// What encoder and decoder layers share: the feed-forward network, and how a part f is joined to its input, as norm(x + f(x)) or, with the normalization
/// first, as x + f(norm(x)) (Xiong et al. 2020).
/// </summary>
public abstract class TransformerLayer : Layer
{
    readonly Linear first, second;
    readonly FeedForwardActivation activation;
    readonly bool normFirst;
    readonly double dropout;
    readonly Philox random;

    private protected TransformerLayer(int width, int feedForward, Philox random, FeedForwardActivation activation, bool normFirst, double dropout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(feedForward, 1);
        (this.activation, this.normFirst, this.dropout, this.random) = (activation, normFirst, dropout, random);
        first = Child("linear1", new Linear(width, activation == FeedForwardActivation.SwiGlu ? 2 * feedForward : feedForward, random));
        second = Child("linear2", new Linear(feedForward, width, random));
    }

    /// <summary>x + f(norm(x)), or norm(x + f(x)).</summary>
    private protected Tensor Residual(Tensor x, LayerNorm norm, Func<Tensor, Tensor> part) =>
        normFirst ? x + Drop(part(norm.Forward(x))) : norm.Forward(x + Drop(part(x)));

    private protected Tensor FeedForward(Tensor x)
    {
        Tensor h = first.Forward(x);                                                              // [.., feed-forward], or twice that
        h = activation switch
        {
            FeedForwardActivation.Relu => h.Relu(),
            FeedForwardActivation.Gelu => h.Gelu(),
            _ => h.Slice(-1, 0, h.Shape[^1] / 2).Silu() * h.Slice(-1, h.Shape[^1] / 2, h.Shape[^1]),
        };
        return second.Forward(Drop(h));
    }

    Tensor Drop(Tensor x) => x.Dropout(dropout, random, IsTraining);
}
