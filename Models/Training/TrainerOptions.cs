using NeuralMemory.Optimizers;

namespace NeuralMemory.Training;

/// <summary>How a <see cref="Trainer"/> trains.</summary>
public sealed record TrainerOptions
{
    /// <summary>Sequences of an update; all of one length.</summary>
    public int Batch { get; init; } = 1;

    /// <summary>Training ends with the first update that reaches this many sequences, those before a resume included.</summary>
    public long Sequences { get; init; } = 10_000;

    /// <summary>Seeds the episodes. A resumed run keeps the seed that it began with.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Moves every element of the gradients into [-limit, limit]; null for no limit.</summary>
    public double? ClipValue { get; init; }

    /// <summary>Scales all gradients down where their norm exceeds this, after <see cref="ClipValue"/>; null for no limit.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>Scales the gradient of a parameter down where its own norm exceeds this, before the other limits; null for no limit.</summary>
    public double? ClipEachNorm { get; init; }

    /// <summary>The learning rate of every update, by <see cref="Optimizer.StepCount"/>; null leaves it as the optimiser has it.</summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>Sequences from one <see cref="TrainingMetrics"/>, and line of <c>metrics.jsonl</c>, to the next.</summary>
    public long LogInterval { get; init; } = 100;

    /// <summary>The run's folder, made if need be (see <see cref="RunFolder"/>); null where nothing is to be kept.</summary>
    public string? Folder { get; init; }

    /// <summary>Sequences from one checkpoint to the next; null for none by count.</summary>
    public long? CheckpointInterval { get; init; }

    /// <summary>Time from one checkpoint to the next; null for none by time. What is trained does not depend on when they are written.</summary>
    public TimeSpan? CheckpointPeriod { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// What it takes to make model, task and optimiser again, as a JSON object that is kept in <c>config.json</c> and in the checkpoint. Null: that of
    /// the run resumed, or <c>{}</c>.
    /// </summary>
    public string? Configuration { get; init; }

    /// <summary>
    /// Tests the model on the same unseen sequences at every log interval (<see cref="Objective.Validate"/>), and keeps the parameters that did best in
    /// <see cref="RunFolder.BestPath"/>; null for not at all.
    /// </summary>
    public Validation? Validation { get; init; }

    /// <summary>Ends training where a metric stops falling; null for not at all.</summary>
    public EarlyStopping? EarlyStopping { get; init; }

    /// <summary>The shortest time between two <see cref="Trainer.Sampled"/> events.</summary>
    public TimeSpan SamplePeriod { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Generators that the model draws from while it is trained, by name. Checkpoints keep their positions.</summary>
    public IReadOnlyList<(string Name, Philox Random)> Generators { get; init; } = [];

    /// <exception cref="ArgumentException">A value is out of its range, or the configuration is no JSON object.</exception>
    internal void Check()
    {
        Least(1, Batch, nameof(Batch));
        Least(0, Sequences, nameof(Sequences));
        Least(1, LogInterval, nameof(LogInterval));
        Least(1, CheckpointInterval ?? 1, nameof(CheckpointInterval));
        if (CheckpointPeriod <= TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(CheckpointPeriod), CheckpointPeriod, "A time above 0 was expected.");
        if (!(ClipValue is null or >= 0)) throw new ArgumentOutOfRangeException(nameof(ClipValue), ClipValue, "A number not below 0 was expected.");
        if (!(ClipNorm is null or >= 0)) throw new ArgumentOutOfRangeException(nameof(ClipNorm), ClipNorm, "A number not below 0 was expected.");
        if (!(ClipEachNorm is null or >= 0)) throw new ArgumentOutOfRangeException(nameof(ClipEachNorm), ClipEachNorm, "A number not below 0 was expected.");
        if (Folder is "") throw new ArgumentException("The folder's name is empty.", nameof(Folder));
        if (Configuration is not null && RunFolder.WrongConfiguration(Configuration) is { } wrong)
            throw new ArgumentException($"The configuration {wrong}", nameof(Configuration));
        Validation?.Check();
        EarlyStopping?.Check(Validation is not null);
        HashSet<string> names = [];
        foreach ((string name, _) in Generators)
            if (!names.Add(name)) throw new ArgumentException($"Two generators are called \"{name}\".", nameof(Generators));
    }

    internal static void Least(long least, long value, string name)
    {
        if (value < least) throw new ArgumentOutOfRangeException(name, value, $"At least {least} was expected.");
    }
}

/// <summary>Fresh sequences that a model is tested on while it is trained. They follow from the run's seed and are the same each time.</summary>
/// <param name="Length">Their length, of a task that has sequences of several; null for the longest that it trains on.</param>
/// <param name="Sequences">How many; a task that is tested on what a file holds may take them all.</param>
/// <param name="Batch">How many side by side.</param>
/// <param name="KeepsBest">Whether the parameters that did best in it are kept; else it is only logged, and a run's parameters are its last.</param>
public sealed record Validation(int? Length = null, int Sequences = 20, int Batch = 10, bool KeepsBest = true)
{
    internal void Check()
    {
        TrainerOptions.Least(1, Sequences, nameof(Sequences));
        TrainerOptions.Least(1, Batch, nameof(Batch));
    }
}

/// <summary>What <see cref="EarlyStopping"/> watches.</summary>
public enum StoppingMetric
{
    /// <summary><see cref="TrainingMetrics.Loss"/>.</summary>
    Loss,

    /// <summary><see cref="TrainingMetrics.BitsPerSequence"/>.</summary>
    BitsPerSequence,

    /// <summary><see cref="TrainingMetrics.WrongBits"/>.</summary>
    WrongBits,

    /// <summary><see cref="TrainingMetrics.ValidationBits"/>.</summary>
    ValidationBits,

    /// <summary>What <see cref="Objective.Validate"/> returns, whatever the task.</summary>
    Validation,
}

/// <summary>Ends training once a metric has not become better for a number of log intervals in a row.</summary>
/// <param name="Patience">How many.</param>
/// <param name="Metric">What is watched.</param>
/// <param name="MinimumImprovement">By how much it must be better than the best so far to count.</param>
public sealed record EarlyStopping(int Patience, StoppingMetric Metric = StoppingMetric.Loss, double MinimumImprovement = 0)
{
    internal void Check(bool validates)
    {
        TrainerOptions.Least(1, Patience, nameof(Patience));
        if (!(MinimumImprovement >= 0))
            throw new ArgumentOutOfRangeException(nameof(MinimumImprovement), MinimumImprovement, "A number not below 0 was expected.");
        if (Metric is StoppingMetric.ValidationBits or StoppingMetric.Validation && !validates)
            throw new ArgumentException("Early stopping watches the validation, but there is none: set TrainerOptions.Validation.", nameof(Metric));
    }

    /// <summary>What is watched: the less, the better.</summary>
    internal double Value(TrainingMetrics metrics, double? validationCost) => Metric switch
    {
        StoppingMetric.Loss => metrics.Loss,
        StoppingMetric.BitsPerSequence => metrics.BitsPerSequence,
        StoppingMetric.WrongBits => metrics.WrongBits,
        _ => validationCost ?? double.NaN,
    };
}
