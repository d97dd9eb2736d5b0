using NeuralMemory.Layers;

namespace NeuralMemory.Models;

/// <summary>
/// The recurrent language model of Graves 2013, "Generating sequences with recurrent neural networks" (arXiv:1308.0850, section 2), without its peepholes and skips: an embedding, LSTMs
/// on top of each other, and a softmax over the last one's output. Its state is all it knows of what came before.
/// </summary>
public sealed class LstmLanguageModel : LanguageModel
{
    readonly Embedding embedding;
    readonly Lstm lstm;
    readonly Layers.Linear output;

    /// <summary>A network with random weights.</summary>
    /// <param name="symbols">Symbols of the vocabulary.</param>
    /// <param name="embeddingWidth">Numbers of a symbol's vector.</param>
    /// <param name="hidden">Units of a layer.</param>
    /// <param name="layers">LSTMs on top of each other.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public LstmLanguageModel(int symbols, int embeddingWidth, int hidden, int layers, Philox random)
    {
        embedding = Child("embedding", new Embedding(symbols, embeddingWidth, random));
        lstm = Child("lstm", new Lstm(embeddingWidth, hidden, random, layers));
        output = Child("output", new Layers.Linear(hidden, symbols, random));
    }

    /// <inheritdoc/>
    public override int Symbols => output.Weight.Shape[0];

    /// <inheritdoc/>
    public override int Context => int.MaxValue;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens) => Run(tokens).Logits;

    /// <summary>As <see cref="Forward"/>, from a state on, zero where none is given.</summary>
    /// <returns>Logits, [batch, time, symbols], and the state after the last symbol.</returns>
    /// <inheritdoc cref="Forward"/>
    public (Tensor Logits, LstmState State) Run(Tensor tokens, LstmState? state = null)
    {
        Check(tokens);
        (Tensor h, LstmState last) = lstm.Run(embedding.Forward(tokens), state);                  // [batch, time, hidden]
        return (output.Forward(h), last);
    }

    /// <inheritdoc/>
    public override Reader Read() => new StateReader(this);

    sealed class StateReader(LstmLanguageModel model) : Reader
    {
        LstmState? state;
        int length;

        public override int Length => length;

        public override void Clear() => (state, length) = (null, 0);

        public override Tensor Next(Tensor tokens)
        {
            if (Tape.IsRecording) throw new InvalidOperationException("LstmLanguageModel: a reader has no gradient. Use it within Tape.NoGradient.");
            (Tensor logits, LstmState last) = model.Run(tokens, state);
            state = new(last.Hidden.Keep(), last.Cell.Keep());
            length += tokens.Shape[1];
            return logits;
        }
    }
}
