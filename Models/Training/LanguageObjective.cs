using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>
/// A character language model: windows of a text drawn anywhere in its part for training, and the cross-entropy of each next character, in nats, the mean over all. Validation is
/// the same over the part that is kept back.
/// </summary>
/// <param name="model">A model of the corpus's characters.</param>
/// <param name="corpus">The text.</param>
/// <param name="window">Characters of a sequence.</param>
public sealed class LanguageObjective(LanguageModel model, TextCorpus corpus, int window) : Objective(model)
{
    readonly LanguageModel model = model.Symbols == corpus.Vocabulary.Count ? model
        : throw new ArgumentException($"The model has {model.Symbols} symbols, but the text {corpus.Path} has {corpus.Vocabulary.Count} characters.", nameof(model));
    int[] tokens = [], inputs = [], labels = [];
    Tensor shown;

    /// <summary>The text.</summary>
    public TextCorpus Corpus => corpus;

    /// <summary>Characters of a sequence.</summary>
    public int Window => window;

    /// <inheritdoc/>
    public override Tensor Loss(Philox random, int batch)
    {
        Resize(batch);
        for (int b = 0; b < batch; b++) Show(b, random.Next(0, corpus.ValidationStart - window));
        return Cost(batch);
    }

    /// <inheritdoc/>
    public override long TimeSteps => shown.Count;

    /// <summary>The cost of windows drawn from the part for validation, <see cref="Validation.Sequences"/> of them.</summary>
    public override double Validate(Validation validation, ulong seed)
    {
        Philox random = new(seed, RandomStreams.Validation);
        return Mean(validation.Sequences, validation.Batch, _ => random.Next(corpus.ValidationStart, corpus.Length - window), default);
    }

    int TestStart => corpus.ValidationStart == corpus.Length ? 0 : corpus.ValidationStart;

    int TestWindows => (corpus.Length - 1 - TestStart) / window;

    /// <summary>How many characters <see cref="Test"/> asks for: all of its part but the first, and what is left beyond the last whole window.</summary>
    public int TestCharacters => TestWindows * window;

    /// <summary>The cost of the whole part for validation, or of the whole text where none is kept back, in whole windows one after the other: nats a character.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="reading">Whether the model reads the text as it does to write one (<see cref="LanguageModel.Read"/>). The cost is the same, unless the model sees what it should tell.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public double Test(CancellationToken cancellationToken = default, bool reading = false) => Mean(TestWindows, 32, i => TestStart + i * window, cancellationToken, reading);

    double Mean(int windows, int batch, Func<int, int> start, CancellationToken cancellationToken, bool reading = false) => Testing(() =>
    {
        double sum = 0;
        LanguageModel.Reader? reader = null;
        for (int done = 0, count; done < windows; done += count)
        {
            cancellationToken.ThrowIfCancellationRequested();
            count = Math.Min(batch, windows - done);
            Resize(count);
            for (int b = 0; b < count; b++) Show(b, start(done + b));
            using Tape.Scope step = Tape.Step();
            if (reading && (reader is null || count < batch)) reader = model.Read();              // one reader reads batches of one size
            reader?.Clear();
            sum += Cost(count, reader).Item() * count;
        }
        return sum / windows;
    });

    Tensor Cost(int batch, LanguageModel.Reader? reader = null)
    {
        shown = Tensor.From(inputs.AsSpan(0, batch * window), [batch, window]);
        return (reader?.Next(shown) ?? model.Forward(shown)).CrossEntropy(Tensor.From(labels.AsSpan(0, batch * window), [batch, window]));
    }

    void Resize(int batch)
    {
        if (tokens.Length == 0) tokens = new int[window + 1];
        if (inputs.Length < batch * window) (inputs, labels) = (new int[batch * window], new int[batch * window]);
    }

    /// <summary>Sequence b: the characters from <paramref name="start"/> on, and of each the one that follows.</summary>
    void Show(int b, int start)
    {
        corpus.Copy(start, tokens);
        tokens.AsSpan(0, window).CopyTo(inputs.AsSpan(b * window));
        tokens.AsSpan(1, window).CopyTo(labels.AsSpan(b * window));
    }

    /// <summary>How each layer looked at the first sequence of the batch, the mean of its heads.</summary>
    public override IReadOnlyList<Picture> Pictures()
    {
        using Tape.Scope quiet = Tape.NoGradient();
        return [.. model.Attention(shown.Slice(0, 0, 1)).Select((weights, layer) => new Picture($"attention, layer {layer + 1}", Matrix(weights.Select(0, 0).Mean(0))))];
    }

    static float[,] Matrix(Tensor x)
    {
        float[] values = x.ToArray();
        float[,] matrix = new float[x.Shape[0], x.Shape[1]];
        Buffer.BlockCopy(values, 0, matrix, 0, values.Length * sizeof(float));
        return matrix;
    }
}
