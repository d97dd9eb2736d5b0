using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>How training went over one log interval.</summary>
/// <param name="Sequences">Sequences seen since training began.</param>
/// <param name="Steps">Updates since training began.</param>
/// <param name="Loss">The mean loss of the interval's updates: nats per sequence.</param>
/// <param name="BitsPerSequence">The mean cross-entropy of the interval's sequences, in bits.</param>
/// <param name="WrongBits">The mean number of wrong bits of the interval's sequences.</param>
/// <param name="ValidationBits">The median cross-entropy of the validation's sequences, in bits; null where there is no validation.</param>
/// <param name="LearningRate">The learning rate of the last update.</param>
/// <param name="SequencesPerSecond">In this interval.</param>
/// <param name="TimeStepsPerSecond">In this interval; a batch of B sequences of T steps counts B T.</param>
/// <param name="Elapsed">Time spent training, that before a resume included.</param>
public sealed record TrainingMetrics(
    long Sequences, long Steps, double Loss, double BitsPerSequence, double WrongBits, double? ValidationBits, double LearningRate,
    double SequencesPerSecond, double TimeStepsPerSecond, TimeSpan Elapsed);

/// <summary>An episode of training and what the model made of it. Its tensors end when the event's handler returns.</summary>
/// <param name="Episode">Inputs and targets.</param>
/// <param name="Logits">[time, batch, outputs], before the update.</param>
/// <param name="Sequences">Sequences seen since training began, the episode's own included.</param>
public readonly record struct TrainingSample(Episode Episode, Tensor Logits, long Sequences);

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
