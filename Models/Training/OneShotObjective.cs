using System.Buffers;
using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>
/// One-shot classification (Santoro et al. 2016, arXiv:1605.06065): the cross-entropy of the labels at every step, its mean. The metrics are the <c>accuracy</c> and, as the paper has it,
/// that of a class's first, second, fifth and tenth presentation.
/// </summary>
public sealed class OneShotObjective : Objective
{
    static readonly int[] shown = [1, 2, 5, 10];

    readonly SequenceModel model;
    readonly int[] presentations;
    readonly double[] counts;
    OneShotEpisode episode;
    Tensor logits;

    /// <summary>A model on a task.</summary>
    /// <param name="model">What is trained.</param>
    /// <param name="training">Makes the episodes that it is trained on.</param>
    /// <param name="testing">Makes those that it is tested on, of classes never trained on; the same where every episode has classes of its own.</param>
    /// <exception cref="ArgumentException">The model's channels are not the task's.</exception>
    public OneShotObjective(SequenceModel model, OneShotTask training, OneShotTask? testing = null) : base(model)
    {
        ArgumentNullException.ThrowIfNull(training);
        if (model.Inputs != training.InputWidth || model.Outputs != training.Classes)
            throw new ArgumentException(
                $"The model has {model.Inputs} inputs and {model.Outputs} outputs, but the task {training.Name} has {training.InputWidth} and {training.Classes}.", nameof(model));
        (this.model, Task, Unseen) = (model, training, testing ?? training);
        presentations = [.. shown.Where(k => k <= training.Length / training.Classes)];
        counts = new double[1 + training.Length / training.Classes];
        Metrics = ["accuracy", .. presentations.Select(k => $"accuracy_{k}")];
    }

    /// <summary>What is trained on.</summary>
    public OneShotTask Task { get; }

    /// <summary>What is tested on: classes that are not trained on.</summary>
    public OneShotTask Unseen { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Metrics { get; }

    /// <summary>The accuracy over all presentations, on classes that are not trained on.</summary>
    public override string ValidationMetric => "validation_accuracy";

    /// <inheritdoc/>
    public override bool GreaterIsBetter => true;

    /// <inheritdoc/>
    public override Tensor Loss(Philox random, int batch)
    {
        episode = Task.Next(random, batch);
        logits = model.Forward(episode.Inputs);
        return logits.CrossEntropy(episode.Labels);
    }

    /// <inheritdoc/>
    public override long TimeSteps => episode.Labels.Count;

    /// <inheritdoc/>
    public override void Measure(double loss, Span<double> sums)
    {
        Array.Clear(counts);
        Count(episode, logits, counts);
        foreach (double count in counts) sums[0] += count / Task.Length;
        for (int i = 0; i < presentations.Length; i++) sums[1 + i] += counts[presentations[i]] / Task.Classes;
    }

    /// <summary>Adds to the k-th number how many samples were named rightly at the k-th presentation of their class.</summary>
    static void Count(OneShotEpisode episode, Tensor logits, double[] right)
    {
        int rows = episode.Labels.Count;
        bool[] isRight = ArrayPool<bool>.Shared.Rent(rows);
        int[] presentation = ArrayPool<int>.Shared.Rent(rows);
        Classification.Judge(logits, episode.Labels, isRight.AsSpan(0, rows));
        episode.Presentations.CopyTo(presentation.AsSpan(0, rows));
        for (int row = 0; row < rows; row++)
            if (isRight[row]) right[presentation[row]]++;
        ArrayPool<bool>.Shared.Return(isRight);
        ArrayPool<int>.Shared.Return(presentation);
    }

    /// <inheritdoc/>
    public override double Validate(Validation validation, ulong seed) => Test(validation.Sequences, validation.Batch, new(seed, RandomStreams.Validation))[0];

    /// <summary>Runs episodes of classes that are not trained on.</summary>
    /// <param name="episodes">How many.</param>
    /// <param name="batch">How many side by side.</param>
    /// <param name="random">Where they are drawn from.</param>
    /// <param name="cancelled">Ends it.</param>
    /// <returns>The accuracy over all presentations, and after it that of each: the first, the second, ...</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public double[] Test(int episodes, int batch, Philox random, CancellationToken cancelled = default) => Testing(() =>
    {
        double[] right = new double[1 + Task.Length / Task.Classes];
        int run = 0;
        for (int count; run < episodes; run += count)
        {
            count = Math.Min(batch, episodes - run);
            cancelled.ThrowIfCancellationRequested();
            using (Tape.Step())
            {
                OneShotEpisode shown = Unseen.Next(random, count);
                Count(shown, model.Forward(shown.Inputs), right);
            }
        }
        for (int k = 1; k < right.Length; k++) right[k] /= (double)run * Task.Classes;
        right[0] = right[1..].Average();
        return right;
    });

    /// <summary>What the model's memory did in the batch's first episode.</summary>
    public override IReadOnlyList<Picture> Pictures() => MemoryPictures.Of(model, episode.Inputs.Slice(1, 0, 1));
}
