using NeuralMemory.Layers;

namespace NeuralMemory.Models;

/// <summary>How large a <see cref="SequenceTransformer"/> is.</summary>
/// <param name="Width">d_model: even, and a multiple of <paramref name="Heads"/>.</param>
/// <param name="Heads">h.</param>
/// <param name="FeedForward">d_ff.</param>
/// <param name="Layers">N.</param>
/// <param name="Positions">Whether positions are added to the inputs. Without, a step can only tell how many there were before it.</param>
public sealed record SequenceTransformerSizes(int Width, int Heads, int FeedForward, int Layers, bool Positions = true);

/// <summary>
/// The decoder of Vaswani et al. 2017, "Attention is all you need" (arXiv:1706.03762), without an encoder, on sequences of vectors: its memory is every step that was, and each step
/// looks at all of them again. Equation and section numbers are the paper's.
/// <code>
/// x = W_x input + b_x + P                              P: sines and cosines of the position (3.5)
/// x = norm(x + attention(x))                           (1) for each layer; a step sees itself and those before it (3.2.3)
/// x = norm(x + W_2 max(0, W_1 x + b_1) + b_2)          (2)
/// logits = W_y x + b_y
/// </code>
/// The layer is <see cref="TransformerEncoderLayer"/>, causal.
/// </summary>
public sealed class SequenceTransformer : SequenceModel
{
    readonly Layers.Linear input, output;
    readonly SinusoidalPositions positions;
    readonly TransformerEncoderLayer[] layers;

    /// <summary>A network with random weights.</summary>
    /// <param name="inputs">Channels of an input.</param>
    /// <param name="outputs">Channels of an output.</param>
    /// <param name="sizes">How large it is.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, the width odd, or no multiple of the heads.</exception>
    public SequenceTransformer(int inputs, int outputs, SequenceTransformerSizes sizes, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sizes.Layers, 1);
        Sizes = sizes;
        (Inputs, Outputs) = (inputs, outputs);
        positions = Child("positions", new SinusoidalPositions(sizes.Width));
        input = Child("input", new Layers.Linear(inputs, sizes.Width, random));
        layers = new TransformerEncoderLayer[sizes.Layers];
        for (int i = 0; i < layers.Length; i++)
            layers[i] = Child($"layer.{i}", new TransformerEncoderLayer(sizes.Width, sizes.Heads, sizes.FeedForward, random, dropout: 0));
        output = Child("output", new Layers.Linear(sizes.Width, outputs, random));
    }

    /// <inheritdoc/>
    public override int Inputs { get; }

    /// <inheritdoc/>
    public override int Outputs { get; }

    /// <summary>How large it is.</summary>
    public SequenceTransformerSizes Sizes { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input)
    {
        Tensor x = Embed(input);
        foreach (TransformerEncoderLayer layer in layers) x = layer.Forward(x, null, causal: true);
        return output.Forward(x).Transpose(0, 1);                                     // [time, batch, outputs]
    }

    /// <summary>As <see cref="Forward"/>, with the weights by which every head of every layer looked: time * time numbers for each.</summary>
    /// <param name="input">[time, batch, inputs].</param>
    /// <returns>The logits, [time, batch, outputs], and for each layer, the first one first, [batch, heads, time, time].</returns>
    /// <exception cref="ShapeException">The input has another shape.</exception>
    public (Tensor Output, Tensor[] Attention) Run(Tensor input)
    {
        Tensor x = Embed(input);
        Tensor[] weights = new Tensor[layers.Length];
        for (int i = 0; i < layers.Length; i++) (x, weights[i]) = layers[i].Run(x, null, causal: true);
        return (output.Forward(x).Transpose(0, 1), weights);
    }

    Tensor Embed(Tensor sequence)
    {
        if (sequence.Rank != 3 || sequence.Shape[2] != Inputs) throw new ShapeException(nameof(SequenceTransformer), $"the input is {sequence.Shape}; [time, batch, {Inputs}] was expected.");
        Tensor x = input.Forward(sequence.Transpose(0, 1));                           // [batch, time, width]
        return Sizes.Positions ? positions.Forward(x) : x;
    }
}
