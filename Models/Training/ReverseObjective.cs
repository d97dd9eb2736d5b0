using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>How an <see cref="EncoderDecoder"/> reverses sequences of one length, saying them by itself.</summary>
/// <param name="Length">Symbols of a sequence.</param>
/// <param name="Sequences">How many there were.</param>
/// <param name="Accuracy">The share of them that were reversed without a fault, their end included.</param>
/// <param name="SymbolAccuracy">The share of symbols that stood where they should.</param>
/// <param name="Diagonal">The share of symbols for which attention looked most at the one to be said; null where the model does not look.</param>
public sealed record ReverseResult(int Length, int Sequences, double Accuracy, double SymbolAccuracy, double? Diagonal);

/// <summary>
/// The task of <see cref="ReverseTask"/>: the cross-entropy of a symbol, in nats. The metric <c>accuracy</c> is the share of symbols that the model would have said rightly, given the true ones
/// before them; validation's is that of whole sequences, said without help.
/// </summary>
/// <param name="model">A model of the task's symbols.</param>
/// <param name="task">What is trained on.</param>
/// <param name="labelSmoothing">The share of every target that is spread over all symbols (Szegedy et al. 2016).</param>
public sealed class ReverseObjective(EncoderDecoder model, ReverseTask task, double labelSmoothing = 0) : Objective(model)
{
    readonly EncoderDecoder model = model.Symbols == task.Symbols ? model
        : throw new ArgumentException($"The model has {model.Symbols} symbols, but the task has {task.Symbols}.", nameof(model));
    Translation pairs;
    DecoderRun run;
    int[] said = [], wanted = [];

    /// <summary>What is trained on.</summary>
    public ReverseTask Task => task;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Metrics { get; } = ["accuracy"];

    /// <inheritdoc/>
    public override string ValidationMetric => "validation_accuracy";

    /// <inheritdoc/>
    public override bool GreaterIsBetter => true;

    /// <inheritdoc/>
    public override Tensor Loss(Philox random, int batch)
    {
        pairs = task.Next(random, batch);
        run = model.Run(pairs.Source, pairs.Lengths, pairs.Inputs);
        return run.Logits.CrossEntropy(pairs.Labels, EncoderDecoder.Padding, labelSmoothing);
    }

    /// <inheritdoc/>
    public override long TimeSteps => pairs.Source.Count + pairs.Inputs.Count;

    /// <inheritdoc/>
    public override void Measure(double loss, Span<double> sums)
    {
        int count = pairs.Labels.Count, asked = 0, right = 0;
        if (said.Length < count) (said, wanted) = (new int[count], new int[count]);
        run.Logits.ArgMax().CopyTo(said.AsSpan(0, count));
        pairs.Labels.CopyTo(wanted.AsSpan(0, count));
        for (int i = 0; i < count; i++)
        {
            if (wanted[i] == EncoderDecoder.Padding) continue;
            asked++;
            if (said[i] == wanted[i]) right++;
        }
        sums[0] += (double)right / asked * pairs.Labels.Shape[0];
    }

    /// <inheritdoc/>
    public override double Validate(Validation validation, ulong seed) =>
        Test(validation.Length ?? task.MaxLength, validation.Sequences, seed, validation.Batch, RandomStreams.Validation).Accuracy;

    /// <summary>Lets the model reverse fresh sequences by itself.</summary>
    /// <param name="length">Their length.</param>
    /// <param name="sequences">How many.</param>
    /// <param name="seed">Which.</param>
    /// <param name="batch">How many side by side.</param>
    /// <param name="stream">The stream of the seed that they are drawn from.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public ReverseResult Test(int length, int sequences, ulong seed, int batch = 100, ulong stream = RandomStreams.Evaluation, CancellationToken cancellationToken = default) => Testing(() =>
    {
        Philox random = new(seed, stream);
        double right = 0, symbols = 0, looks = 0;
        bool looking = false;
        for (int done = 0, count; done < sequences; done += count)
        {
            cancellationToken.ThrowIfCancellationRequested();
            count = Math.Min(batch, sequences - done);
            using Tape.Scope step = Tape.Step();
            Translation fresh = task.Next(random, count, length);
            int[] labels = fresh.Labels.ToArray<int>();
            int[][] answers = model.Generate(fresh.Source, fresh.Lengths, length + 1);
            for (int b = 0; b < count; b++)
            {
                ReadOnlySpan<int> target = labels.AsSpan(b * (length + 1), length), answer = answers[b];
                if (answer.SequenceEqual(target)) right++;
                for (int i = 0; i < Math.Min(length, answer.Length); i++)
                    if (answer[i] == target[i]) symbols++;
            }
            if (model.Run(fresh.Source, fresh.Lengths, fresh.Inputs).Attention is not { } attention) continue;
            looking = true;
            int[] most = attention.ArgMax().ToArray<int>();                                       // [count, length + 1]
            for (int b = 0; b < count; b++)
                for (int i = 0; i < length; i++)
                    if (most[b * (length + 1) + i] == length - 1 - i) looks++;
        }
        double all = (double)sequences * length;
        return new ReverseResult(length, sequences, right / sequences, symbols / all, looking ? looks / all : null);
    });

    /// <summary>How the decoder looked at the first source of the batch.</summary>
    public override IReadOnlyList<Picture> Pictures()
    {
        if (run.Attention is not { } attention) return [];
        int source = pairs.Lengths.ToArray<int>()[0], target = source + 1, columns = attention.Shape[2];
        float[] weights = attention.Select(0, 0).ToArray();
        float[,] values = new float[target, source];
        for (int i = 0; i < target; i++)
            for (int j = 0; j < source; j++) values[i, j] = weights[i * columns + j];
        return [new($"attention, {target} symbols said of {source}", values)];
    }
}
