using System.Text;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>A number and what it is called in <c>metrics.jsonl</c>.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Value">How much.</param>
public readonly record struct Metric(string Name, double Value);

/// <summary>How training went over one log interval.</summary>
/// <param name="Sequences">Sequences seen since training began.</param>
/// <param name="Steps">Updates since training began.</param>
/// <param name="Loss">The mean loss of the interval's updates, in nats: per sequence for the tasks of bits.</param>
/// <param name="Values">The task's own metrics (<see cref="Objective.Metrics"/>), the mean over the interval's sequences; after them the validation's, where there is one.</param>
/// <param name="LearningRate">The learning rate of the last update.</param>
/// <param name="SequencesPerSecond">In this interval.</param>
/// <param name="TimeStepsPerSecond">In this interval; a batch of B sequences of T steps counts B T.</param>
/// <param name="Elapsed">Time spent training, that before a resume included.</param>
public sealed record TrainingMetrics(
    long Sequences, long Steps, double Loss, IReadOnlyList<Metric> Values, double LearningRate, double SequencesPerSecond, double TimeStepsPerSecond, TimeSpan Elapsed)
{
    internal const string Bits = "bits_per_sequence", Wrong = "wrong_bits", Validated = "validation_bits";

    /// <summary>The metric of that name; null where there is none.</summary>
    public double? this[string name]
    {
        get
        {
            foreach (Metric metric in Values)
                if (metric.Name == name) return metric.Value;
            return null;
        }
    }

    /// <summary>The mean cross-entropy of the interval's sequences, in bits; NaN where the task is not one of bits.</summary>
    public double BitsPerSequence => this[Bits] ?? double.NaN;

    /// <summary>The mean number of wrong bits of the interval's sequences; NaN where the task is not one of bits.</summary>
    public double WrongBits => this[Wrong] ?? double.NaN;

    /// <summary>The median cross-entropy of the validation's sequences, in bits; null where there is no validation, or the task is not one of bits.</summary>
    public double? ValidationBits => this[Validated];

    /// <inheritdoc/>
    public override string ToString()
    {
        StringBuilder text = new($"{nameof(TrainingMetrics)} {{ Sequences = {Sequences}, Steps = {Steps}, Loss = {Loss}, ");
        foreach (Metric metric in Values) text.Append($"{metric.Name} = {metric.Value}, ");
        return text.Append($"LearningRate = {LearningRate}, SequencesPerSecond = {SequencesPerSecond}, TimeStepsPerSecond = {TimeStepsPerSecond}, Elapsed = {Elapsed} }}").ToString();
    }
}

/// <summary>A batch of training and what the model made of it, before the update. Its tensors end when the event's handler returns.</summary>
/// <param name="Objective">Holds the batch: see <see cref="Objective.Pictures"/>.</param>
/// <param name="Sequences">Sequences seen since training began, the batch's own included.</param>
public readonly record struct TrainingSample(Objective Objective, long Sequences)
{
    /// <summary>Inputs and targets of a task of bits.</summary>
    /// <exception cref="InvalidOperationException">The task is another.</exception>
    public Episode Episode => Bits.Episode;

    /// <summary>[time, batch, outputs]: what was said to <see cref="Episode"/>.</summary>
    /// <exception cref="InvalidOperationException">The task is another.</exception>
    public Tensor Logits => Bits.Logits;

    SequenceObjective Bits => Objective as SequenceObjective ?? throw new InvalidOperationException($"TrainingSample: a {Objective.GetType().Name} has no episodes of bits.");
}

/// <summary>Why training ended.</summary>
public enum StopReason
{
    /// <summary>All sequences have been seen.</summary>
    Completed,

    /// <summary><see cref="EarlyStopping"/> ended it.</summary>
    StoppedEarly,

    /// <summary><see cref="Trainer.Stop"/> was called.</summary>
    Stopped,

    /// <summary>The cancellation token was cancelled.</summary>
    Interrupted,
}

/// <summary>How a run ended.</summary>
/// <param name="Reason">Why it ended.</param>
/// <param name="Sequences">Sequences seen since training began.</param>
/// <param name="Steps">Updates since training began.</param>
/// <param name="TimeSteps">Steps of time since training began; a batch of B sequences of T steps counts B T.</param>
/// <param name="Elapsed">Time spent training, that before a resume included.</param>
/// <param name="Metrics">The last log interval that ended in this process; null where none did.</param>
public sealed record TrainingResult(StopReason Reason, long Sequences, long Steps, long TimeSteps, TimeSpan Elapsed, TrainingMetrics? Metrics)
{
    /// <summary>Whether the cancellation token ended it: it can be resumed.</summary>
    public bool Interrupted => Reason == StopReason.Interrupted;

    /// <summary>Steps of time a second, over the whole run.</summary>
    public double TimeStepsPerSecond => TimeSteps / Math.Max(Elapsed.TotalSeconds, 1e-9);
}
