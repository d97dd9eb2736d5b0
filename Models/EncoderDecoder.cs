namespace NeuralMemory.Models;

/// <summary>
/// A network that reads one sequence of symbols and says another: p(y_1 .. y_n | x) = prod_t p(y_t | x, y_1 .. y_t-1). Symbols are numbers; the first three have a meaning of
/// their own: <see cref="Padding"/>, <see cref="Begin"/> and <see cref="End"/>.
/// </summary>
public abstract class EncoderDecoder : Module
{
    /// <summary>Fills a batch's shorter sequences up; never seen and never said.</summary>
    public const int Padding = 0;

    /// <summary>What the decoder is given before the first symbol.</summary>
    public const int Begin = 1;

    /// <summary>What the decoder says after the last.</summary>
    public const int End = 2;

    /// <summary>How many symbols there are, those three included.</summary>
    public abstract int Symbols { get; }

    /// <summary>What the model says to each position of its own output, given the true symbols before it, and how it looked at the source.</summary>
    /// <param name="source">Int32 [batch, source]: what is read, padded at its end.</param>
    /// <param name="lengths">Int32 [batch]: how long each sequence is without its padding.</param>
    /// <param name="inputs">Int32 [batch, target]: <see cref="Begin"/>, and then the symbols before each position.</param>
    /// <exception cref="ShapeException">A shape does not fit, or a symbol or a length is out of range.</exception>
    public abstract DecoderRun Run(Tensor source, Tensor lengths, Tensor inputs);

    /// <summary>The most likely symbol at each position, one after the other, each given those chosen before it. It stops once all sequences have ended.</summary>
    /// <param name="source">Int32 [batch, source].</param>
    /// <param name="lengths">Int32 [batch].</param>
    /// <param name="most">The most symbols to say.</param>
    /// <returns>For each sequence what was said, without <see cref="End"/>.</returns>
    /// <remarks>The decoder begins anew for every symbol: the cost grows with the square of the length, and the code is the definition.</remarks>
    public int[][] Generate(Tensor source, Tensor lengths, int most)
    {
        int batch = source.Shape[0];
        int[][] said = new int[batch][];
        Array.Fill(said, []);
        bool[] ended = new bool[batch];
        for (int t = 0; t < most && ended.Contains(false); t++)
        {
            using Tape.Scope step = Tape.Step(), quiet = Tape.NoGradient();
            int[] inputs = new int[batch * (t + 1)];
            for (int b = 0; b < batch; b++)
                for (int i = 0; i <= t; i++) inputs[b * (t + 1) + i] = i == 0 ? Begin : i <= said[b].Length ? said[b][i - 1] : Padding;
            int[] next = Run(source, lengths, Tensor.From(inputs, [batch, t + 1])).Logits.Select(1, ^1).ArgMax().ToArray<int>();
            for (int b = 0; b < batch; b++)
            {
                ended[b] |= next[b] == End;
                if (!ended[b]) said[b] = [.. said[b], next[b]];
            }
        }
        return said;
    }

    /// <summary>1 where a position of a source is not padding: Int32 [batch, source].</summary>
    private protected static Tensor Seen(Tensor source, Tensor lengths) => Tensor.Range(0, source.Shape[1]) < lengths.Unsqueeze(-1);

    /// <exception cref="ShapeException">The batches differ, or there is a dimension too many.</exception>
    private protected void Check(Tensor source, Tensor lengths, Tensor inputs)
    {
        string name = GetType().Name;
        if (source.Rank != 2) throw new ShapeException(name, $"the source is {source.Shape}; [batch, time] was expected.");
        if (lengths.Rank != 1 || lengths.Shape[0] != source.Shape[0]) throw new ShapeException(name, $"the lengths are {lengths.Shape}; [{source.Shape[0]}] was expected, as the source is {source.Shape}.");
        if (inputs.Rank != 2 || inputs.Shape[0] != source.Shape[0]) throw new ShapeException(name, $"the decoder's inputs are {inputs.Shape}; [{source.Shape[0]}, time] was expected, as the source is {source.Shape}.");
    }
}

/// <summary>What an <see cref="EncoderDecoder"/> makes of a batch.</summary>
/// <param name="Logits">[batch, target, symbols].</param>
/// <param name="Attention">[batch, target, source]: where it looked before it said each symbol, rows that sum to 1; null for a model that does not look.</param>
public readonly record struct DecoderRun(Tensor Logits, Tensor? Attention);
