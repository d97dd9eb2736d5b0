using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>A task of bits: the binary cross-entropy of a sequence's output bits, summed over them, as the paper has it. The metrics are the bits that a sequence costs, and how many of its bits are wrong.</summary>
public sealed class SequenceObjective : Objective
{
    readonly SequenceModel model;
    readonly SequenceTask task;
    double[] wrongBits = [];

    /// <summary>A model on a task.</summary>
    /// <exception cref="ArgumentException">The model's channels are not the task's.</exception>
    public SequenceObjective(SequenceModel model, SequenceTask task) : base(model)
    {
        ArgumentNullException.ThrowIfNull(task);
        if (model.Inputs != task.InputWidth || model.Outputs != task.OutputWidth)
            throw new ArgumentException(
                $"The model has {model.Inputs} inputs and {model.Outputs} outputs, but the task {task.Name} has {task.InputWidth} and {task.OutputWidth}.", nameof(model));
        (this.model, this.task) = (model, task);
    }

    /// <summary>What is trained on.</summary>
    public SequenceTask Task => task;

    /// <summary>The episodes drawn last; they end with their step.</summary>
    public Episode Episode { get; private set; }

    /// <summary>[time, batch, outputs]: what the model said to <see cref="Episode"/>.</summary>
    public Tensor Logits { get; private set; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Metrics { get; } = [TrainingMetrics.Bits, TrainingMetrics.Wrong];

    /// <summary>The median cost of a sequence, in bits.</summary>
    public override string ValidationMetric => TrainingMetrics.Validated;

    /// <summary>Nats per sequence, the mean over the batch. A sum over the bits, not their mean: a long sequence counts for more than a short one.</summary>
    public override Tensor Loss(Philox random, int batch)
    {
        Episode = task.Next(random, batch);
        Logits = model.Forward(Episode.Inputs);
        return Episode.Output(Logits).BinaryCrossEntropyWithLogits(Episode.Output(Episode.Targets)) * Episode.OutputBits;
    }

    /// <inheritdoc/>
    public override long TimeSteps => (long)Episode.Steps * Episode.Batch;

    /// <inheritdoc/>
    public override void Measure(double loss, Span<double> sums)
    {
        if (wrongBits.Length != Episode.Batch) wrongBits = new double[Episode.Batch];
        Episode.ErrorBits(Logits, wrongBits);
        sums[0] += loss / Math.Log(2) * Episode.Batch;
        foreach (double wrong in wrongBits) sums[1] += wrong;
    }

    /// <inheritdoc/>
    public override double Validate(Validation validation, ulong seed) => Evaluation.Run(
        model, task, validation.Length ?? task.MaxLength, validation.Sequences, seed, validation.Batch, RandomStreams.Validation).MedianBits;

    /// <summary>What the model's memory did in the batch's first sequence.</summary>
    public override IReadOnlyList<Picture> Pictures() => MemoryPictures.Of(model, Episode.Inputs.Slice(1, 0, 1));
}
