namespace NeuralMemory.Models;

/// <summary>A network that says of every position of a text which symbol will come next: p(x_1 .. x_n) = prod_t p(x_t | x_1 .. x_t-1).</summary>
public abstract class LanguageModel : Module
{
    /// <summary>How many symbols there are.</summary>
    public abstract int Symbols { get; }

    /// <summary>The most symbols that it can look back upon, the last included; <see cref="int.MaxValue"/> where there is no such limit.</summary>
    public abstract int Context { get; }

    /// <summary>The logits of what follows each position: [batch, time, symbols].</summary>
    /// <param name="tokens">Int32 [batch, time].</param>
    /// <exception cref="ShapeException">They are more than <see cref="Context"/>, a symbol is out of range, or the shape is another.</exception>
    public abstract Tensor Forward(Tensor tokens);

    /// <summary>How the model looked back, a matrix [batch, heads, time, time] for each layer; empty for a model that does not look.</summary>
    /// <inheritdoc cref="Forward"/>
    public virtual IReadOnlyList<Tensor> Attention(Tensor tokens) => [];

    /// <summary>Begins to read a text piece by piece, at a cost for each symbol that does not grow with the text as that of <see cref="Forward"/> does.</summary>
    public abstract Reader Read();

    /// <exception cref="ShapeException">They are not [batch, time], or too many.</exception>
    private protected void Check(Tensor tokens)
    {
        if (tokens.Rank != 2) throw new ShapeException(GetType().Name, $"the tokens are {tokens.Shape}; [batch, time] was expected.");
        if (tokens.Shape[1] > Context) throw new ShapeException(GetType().Name, $"the tokens are {tokens.Shape}; at most {Context} fit into the context.");
    }

    /// <summary>A text as far as it has been read. It outlives steps of the tape.</summary>
    public abstract class Reader
    {
        /// <summary>Symbols read that the model can still look back upon.</summary>
        public abstract int Length { get; }

        /// <summary>Reads on.</summary>
        /// <param name="tokens">Int32 [batch, time], the same batch each time.</param>
        /// <returns>The logits of what follows each of them, [batch, time, symbols]: what <see cref="LanguageModel.Forward"/> says of the whole text.</returns>
        /// <exception cref="ShapeException">There are more than fit into the context, or the shape is another.</exception>
        /// <exception cref="InvalidOperationException">Gradients are being recorded.</exception>
        public abstract Tensor Next(Tensor tokens);

        /// <summary>Forgets what was read.</summary>
        public abstract void Clear();
    }
}
