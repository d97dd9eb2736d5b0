namespace NeuralMemory.Training;

/// <summary>
/// What a <see cref="Trainer"/> trains a model for: the part of training that is the task's own. It draws a batch, runs the model on it and says what that costs; it names
/// and measures what is worth logging, and tests the model on batches that training never sees.
/// </summary>
/// <remarks>
/// Everything that decides a batch is drawn from the generator handed over, so that its position is all the state there is: a resumed run sees the batches that the killed
/// one would have seen. An objective keeps the batch it drew last; threads do not share one.
/// </remarks>
/// <param name="model">What is trained.</param>
public abstract class Objective(Module model)
{
    /// <summary>What is trained.</summary>
    public Module Model { get; } = model ?? throw new ArgumentNullException(nameof(model));

    /// <summary>Generators that the model draws from while it is trained, for dropout for instance, by name. Checkpoints keep their positions.</summary>
    public IReadOnlyList<(string Name, Philox Random)> Generators { get; init; } = [];

    /// <summary>Updates done before the next: the trainer keeps it, across resumes too.</summary>
    public long Updates { get; set; }

    /// <summary>The names of what <see cref="Measure"/> measures, in its order, as <c>metrics.jsonl</c> has them: <c>accuracy</c>, <c>wrong_bits</c>.</summary>
    public virtual IReadOnlyList<string> Metrics => [];

    /// <summary>The name of what <see cref="Validate"/> returns.</summary>
    public virtual string ValidationMetric => "validation_loss";

    /// <summary>Whether a greater value of <see cref="Validate"/> is a better one: so it is of an accuracy, and not of a loss.</summary>
    public virtual bool GreaterIsBetter => false;

    /// <summary>Draws a batch and runs the model on it, within a step of the tape.</summary>
    /// <param name="random">Where everything is drawn from.</param>
    /// <param name="batch">How many sequences.</param>
    /// <returns>[]: the cost whose gradient is descended, in nats.</returns>
    public abstract Tensor Loss(Philox random, int batch);

    /// <summary>Steps of time of the batch drawn last; B sequences of T steps are B T.</summary>
    public abstract long TimeSteps { get; }

    /// <summary>Measures the batch drawn last, within its step. Nothing is allocated.</summary>
    /// <param name="loss">What <see cref="Loss"/> gave for it.</param>
    /// <param name="sums">Each of <see cref="Metrics"/>: the sum over the batch's sequences is to be added. Logged is their mean.</param>
    public virtual void Measure(double loss, Span<double> sums) { }

    /// <summary>Tests the model on what training never sees, the same each time. Modes of the module and the tape are as before afterwards.</summary>
    /// <param name="validation">How long and how many, where the task has a choice.</param>
    /// <param name="seed">The run's seed, of which <see cref="RandomStreams.Validation"/> is to be used.</param>
    public abstract double Validate(Validation validation, ulong seed);

    /// <summary>What a live view can show of the batch drawn last, within its step: attention, a memory. What it computes is not recorded.</summary>
    public virtual IReadOnlyList<Picture> Pictures() => [];

    /// <summary>Runs something with the model out of training and nothing recorded.</summary>
    protected T Testing<T>(Func<T> test)
    {
        using Tape.Scope device = Backend.Use(Model.Backend);
        bool training = Model.IsTraining;
        Model.IsTraining = false;
        try
        {
            using Tape.Scope quiet = Tape.NoGradient();
            return test();
        }
        finally
        {
            Model.IsTraining = training;
        }
    }
}

/// <summary>Numbers to look at, rows from top to bottom: what a model attends to, or holds.</summary>
/// <param name="Caption">What they are.</param>
/// <param name="Values">[row, column], 0 to 1.</param>
/// <param name="IsRing">Whether the rows are the slots of a memory, after the last of which comes the first, and the columns steps of time: a view may show the slots that matter.</param>
public sealed record Picture(string Caption, float[,] Values, bool IsRing = false);
