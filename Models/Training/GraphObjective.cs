using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>
/// A task on graphs: the binary cross-entropy of an answer's labels, summed over them, in nats. The metric <c>accuracy</c> is the share of sequences answered without a fault, by the largest
/// logit of every digit.
/// </summary>
public sealed class GraphObjective : Objective
{
    readonly SequenceModel model;
    Episode episode;
    Tensor logits;
    double[] correct = [];

    /// <summary>A model on a task.</summary>
    /// <exception cref="ArgumentException">The model's channels are not the task's.</exception>
    public GraphObjective(SequenceModel model, GraphTask task) : base(model)
    {
        ArgumentNullException.ThrowIfNull(task);
        if (model.Inputs != task.InputWidth || model.Outputs != task.OutputWidth)
            throw new ArgumentException(
                $"The model has {model.Inputs} inputs and {model.Outputs} outputs, but the task {task.Name} has {task.InputWidth} and {task.OutputWidth}.", nameof(model));
        (this.model, Task) = (model, task);
    }

    /// <summary>What is trained on.</summary>
    public GraphTask Task { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Metrics { get; } = ["accuracy"];

    /// <inheritdoc/>
    public override string ValidationMetric => "validation_accuracy";

    /// <inheritdoc/>
    public override bool GreaterIsBetter => true;

    /// <inheritdoc/>
    public override Tensor Loss(Philox random, int batch)
    {
        episode = Task.Next(random, batch);
        logits = model.Forward(episode.Inputs);
        return episode.Output(logits).BinaryCrossEntropyWithLogits(episode.Output(episode.Targets)) * episode.OutputBits;
    }

    /// <inheritdoc/>
    public override long TimeSteps => (long)episode.Steps * episode.Batch;

    /// <inheritdoc/>
    public override void Measure(double loss, Span<double> sums)
    {
        if (correct.Length != episode.Batch) correct = new double[episode.Batch];
        Task.Correct(episode, logits, correct);
        foreach (double one in correct) sums[0] += one;
    }

    /// <inheritdoc/>
    public override double Validate(Validation validation, ulong seed) =>
        Test(Task, validation.Length ?? Task.MaxLength, validation.Sequences, seed, validation.Batch, RandomStreams.Validation);

    /// <summary>The share of fresh sequences answered without a fault.</summary>
    /// <param name="task">Makes them; of the same channels as <see cref="Task"/>.</param>
    /// <param name="length">Their length.</param>
    /// <param name="sequences">How many.</param>
    /// <param name="seed">Which.</param>
    /// <param name="batch">How many side by side.</param>
    /// <param name="stream">The stream of the seed that they are drawn from.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public double Test(GraphTask task, int length, int sequences, ulong seed, int batch = 100, ulong stream = RandomStreams.Evaluation, CancellationToken cancellationToken = default) => Testing(() =>
    {
        Philox random = new(seed, stream);
        double right = 0;
        double[] correct = new double[batch];
        for (int done = 0, count; done < sequences; done += count)
        {
            cancellationToken.ThrowIfCancellationRequested();
            count = Math.Min(batch, sequences - done);
            using Tape.Scope step = Tape.Step();
            Episode fresh = task.Next(random, count, length);
            task.Correct(fresh, model.Forward(fresh.Inputs), correct.AsSpan(0, count));
            for (int b = 0; b < count; b++) right += correct[b];
        }
        return right / sequences;
    });
    /// <summary>What the model's memory did in the batch's first sequence.</summary>
    public override IReadOnlyList<Picture> Pictures() => MemoryPictures.Of(model, episode.Inputs.Slice(1, 0, 1));
}
