namespace NeuralMemory.Layers;

/// <summary>The non-linearity of a Transformer's feed-forward network.</summary>
public enum FeedForwardActivation
{
    /// <summary>W2 relu(W1 x) (Vaswani et al. 2017).</summary>
    Relu,

    /// <summary>W2 gelu(W1 x) (Hendrycks and Gimpel 2016).</summary>
    Gelu,

    /// <summary>As <see cref="Gelu"/>, by the tanh formula that GPT-2 has.</summary>
    GeluTanh,

    /// <summary>W2 (silu(W1 x) * V x) (Shazeer 2020); <c>linear1</c> holds W1 and then V.</summary>
    SwiGlu,
}
