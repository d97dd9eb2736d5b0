using System.Diagnostics;
using NeuralMemory.Checkpoints;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>
/// Trains a model for an <see cref="Objective"/>: draws batches, descends the gradient of what they cost, and keeps a folder from which a killed run goes on, to end with the same
/// bits as one that never was.
/// </summary>
/// <remarks>
/// Once the longest sequence has been seen, an update allocates nothing. <see cref="Run"/> does everything, events included, on the thread that calls it.
/// </remarks>
/// <example><code>
/// Trainer trainer = new(model, new CopyTask(), new RmsProp(model.Parameters, 1e-4, 0.95, momentum: 0.9),
///     new() { Sequences = 20_000, ClipValue = 10, Folder = "runs/copy" });
/// trainer.Logged += metrics => Console.WriteLine($"{metrics.Sequences}: {metrics.BitsPerSequence:f2} bits");
/// trainer.Run();
/// </code></example>
public sealed class Trainer
{
    readonly Objective objective;
    readonly Optimizer optimizer;
    readonly TrainerOptions options;
    readonly RunFolder? folder;
    readonly (string Name, Philox Random)[] generators;
    readonly ulong[] generatorPositions;
    readonly Tensor[][] single;                                     // each parameter by itself, where each has a limit of its own
    Philox random;
    string configuration;
    TrainingMetrics? lastMetrics;
    bool begun, resumed, unsaved = true;
    volatile bool stopRequested;
    long clock;
    TimeSpan savedAt, sampledAt = TimeSpan.MinValue;

    /// <summary>Puts together a run. Nothing is written yet.</summary>
    /// <param name="objective">What is trained, and what for.</param>
    /// <param name="optimizer">An optimiser of the model's parameters.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public Trainer(Objective objective, Optimizer optimizer, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        (this.objective, this.optimizer, this.options) = (objective, optimizer, options);
        State = new() { WindowSums = new double[objective.Metrics.Count] };
        folder = options.Folder is null ? null : new(options.Folder);
        configuration = options.Configuration ?? "{}";
        random = new(options.Seed, RandomStreams.Training);
        generators = [.. options.Generators, .. objective.Generators];
        if (generators.DistinctBy(g => g.Name).Count() < generators.Length) throw new ArgumentException("Two generators of options and objective have the same name.", nameof(options));
        generatorPositions = new ulong[generators.Length];
        single = options.ClipEachNorm is null ? [] : [.. optimizer.Parameters.Select(parameter => (Tensor[])[parameter])];
    }

    /// <summary>Puts together a run on a task of bits. Nothing is written yet.</summary>
    /// <param name="model">What is trained.</param>
    /// <param name="task">What on.</param>
    /// <param name="optimizer">An optimiser of the model's parameters.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">The model's channels are not the task's, or an option is out of its range.</exception>
    public Trainer(SequenceModel model, SequenceTask task, Optimizer optimizer, TrainerOptions options) : this(new SequenceObjective(model, task), optimizer, options) { }

    /// <summary>How far training has come.</summary>
    public TrainingState State { get; private set; }

    /// <summary>The configuration that checkpoints keep: that of the options, or of the run resumed.</summary>
    public string Configuration => configuration;

    /// <summary>Once, before the first update: the folder can be written and is this run's alone.</summary>
    public event Action? Begun;

    /// <summary>After every log interval, once its line has been written.</summary>
    public event Action<TrainingMetrics>? Logged;

    /// <summary>After every checkpoint, with its path.</summary>
    public event Action<string>? CheckpointSaved;

    /// <summary>
    /// Now and then (<see cref="TrainerOptions.SamplePeriod"/>), a batch as the model answered it, for a live view. Nothing that a handler computes from it
    /// is recorded or changes what is trained.
    /// </summary>
    public event Action<TrainingSample>? Sampled;

    /// <summary>Ends training after the current update, with a checkpoint. To be called by a handler of an event, or by any thread.</summary>
    public void Stop() => stopRequested = true;

    /// <summary>Reads the folder's checkpoint, from which <see cref="Run"/> then goes on, bit for bit if the options are the same. Nothing is written yet.</summary>
    /// <remarks>The checkpoint's seed and learning rate replace those of options and optimiser.</remarks>
    /// <exception cref="CheckpointException">There is none, or it does not fit model, optimiser and options. Nothing has changed.</exception>
    /// <exception cref="InvalidOperationException">The options name no folder, or training has begun.</exception>
    public void Resume()
    {
        if (folder is null) throw new InvalidOperationException("Resume: the options name no folder.");
        if (begun) throw new InvalidOperationException("Resume: this trainer has begun to train.");
        Checkpoint checkpoint = Checkpoint.Read(folder.CheckpointPath);
        folder.ReadMetrics(checkpoint.State.LoggedSequences);
        double[] sums = checkpoint.WindowSums(objective.Metrics);
        checkpoint.Restore(objective.Model, optimizer, generators);
        State = checkpoint.State;
        State.WindowSums = sums;
        random = new(State.RandomSeed, State.RandomStream) { Position = State.RandomPosition };
        configuration = options.Configuration ?? checkpoint.Configuration;
        resumed = true;
    }

    /// <summary>
    /// Trains until all sequences have been seen or something ends it sooner; then another call goes on. A run that begins writes its first checkpoint before
    /// its first update, and every run writes one when it ends.
    /// </summary>
    /// <param name="cancellationToken">Ends training after the current update, with a checkpoint.</param>
    /// <exception cref="CheckpointException">The folder holds a run already and <see cref="Resume"/> was not called, or another run is training in it, or a file cannot be written.</exception>
    /// <exception cref="NonFiniteException">A loss, a gradient or a parameter became NaN or infinite. The last checkpoint is as it was.</exception>
    public TrainingResult Run(CancellationToken cancellationToken = default)
    {
        using Tape.Scope device = Backend.Use(objective.Model.Backend);
        stopRequested = false;
        clock = Stopwatch.GetTimestamp();
        using IDisposable? alone = folder?.Lock();
        Begin();
        objective.Model.IsTraining = true;
        StopReason? reason;
        while ((reason = Reason(cancellationToken)) is null)
        {
            Step();
            if (Passed(options.LogInterval)) Log();
            if ((options.CheckpointInterval is { } interval && Passed(interval)) || State.Elapsed - savedAt >= options.CheckpointPeriod) Save();
        }
        if (reason == StopReason.Completed && State.WindowSteps > 0) Log(ended: true);
        Save();
        return new(reason.Value, State.Sequences, State.Steps, State.TimeSteps, State.Elapsed, lastMetrics);
    }

    StopReason? Reason(CancellationToken cancellationToken) =>
        State.StoppedEarly && options.EarlyStopping is not null ? StopReason.StoppedEarly :
        State.Sequences >= options.Sequences ? StopReason.Completed :
        stopRequested ? StopReason.Stopped :
        cancellationToken.IsCancellationRequested ? StopReason.Interrupted : null;

    /// <summary>Whether the last update reached a multiple of <paramref name="interval"/> sequences, or went past it.</summary>
    bool Passed(long interval) => State.Sequences / interval > (State.Sequences - options.Batch) / interval;

    void Begin()
    {
        if (begun) return;
        if (folder is not null && resumed) folder.Continue(State.LoggedSequences);
        else folder?.Begin();
        if (!resumed) Save();
        folder?.WriteConfiguration(configuration);
        begun = true;
        Begun?.Invoke();
    }

    void Step()
    {
        ulong position = random.Position;
        for (int i = 0; i < generatorPositions.Length; i++) generatorPositions[i] = generators[i].Random.Position;
        bool finite;
        objective.Updates = State.Steps;
        using (Tape.Step())
        {
            Tensor loss = objective.Loss(random, options.Batch);
            optimizer.ZeroGradient();
            loss.Backward();
            if (options.Schedule is { } schedule) optimizer.LearningRate = schedule.LearningRate(optimizer.StepCount);
            // Not finite where the loss or a gradient is not: then nothing is updated. On a GPU all of it is under way before the loss is waited for.
            foreach (Tensor[] one in single) Gradients.Clip(one, null, options.ClipEachNorm);
            Tensor guard = Gradients.Clip(optimizer.Parameters, options.ClipValue, options.ClipNorm) + 0 * loss.Detach();
            optimizer.Step(guard);
            finite = double.IsFinite(guard.Item());
            if (finite)
            {
                Count(loss.Item());
                Sample();
            }
        }
        if (!finite) throw Diagnose(position);
    }

    void Count(double loss)
    {
        unsaved = true;
        State.Steps++;
        State.Sequences += options.Batch;
        State.TimeSteps += objective.TimeSteps;
        State.WindowSteps++;
        State.WindowSequences += options.Batch;
        State.WindowTimeSteps += objective.TimeSteps;
        State.WindowLoss += loss;
        objective.Measure(loss, State.WindowSums);
        Tick();
    }

    void Tick()
    {
        long now = Stopwatch.GetTimestamp();
        State.Elapsed += Stopwatch.GetElapsedTime(clock, now);
        clock = now;
    }

    void Sample()
    {
        if (Sampled is not { } sampled || State.Elapsed < sampledAt) return;
        sampledAt = State.Elapsed + options.SamplePeriod;
        // A handler that runs the model again must not draw numbers that the next update would have drawn.
        for (int i = 0; i < generatorPositions.Length; i++) generatorPositions[i] = generators[i].Random.Position;
        using (Tape.NoGradient()) sampled(new(objective, State.Sequences));
        RestoreGenerators();
    }

    void RestoreGenerators()
    {
        for (int i = 0; i < generatorPositions.Length; i++) generators[i].Random.Position = generatorPositions[i];
    }

    void Log(bool ended = false)
    {
        double? validation = options.Validation is { } unseen ? objective.Validate(unseen, random.Seed) : null;
        Tick();
        double seconds = Math.Max((State.Elapsed - State.WindowBegan).TotalSeconds, 1e-9);
        TrainingMetrics metrics = new(
            State.Sequences, State.Steps, State.WindowLoss / State.WindowSteps, Values(validation), optimizer.LearningRate,
            State.WindowSequences / seconds, State.WindowTimeSteps / seconds, State.Elapsed);
        (lastMetrics, unsaved) = (metrics, true);
        double? cost = objective.GreaterIsBetter ? -validation : validation;
        if (cost <= State.BestValidation)                          // of equal ones the last, which has seen more
        {
            State.BestValidation = cost.Value;
            if (folder is not null && options.Validation!.KeepsBest) objective.Model.Save(folder.BestPath);
        }
        // Before the next checkpoint, so that no checkpoint counts a line that is not there.
        folder?.Append(metrics);
        State.LoggedSequences = State.Sequences;
        State.BeginWindow();
        if (!ended && options.EarlyStopping is { } stopping) Watch(stopping, stopping.Value(metrics, cost));
        Logged?.Invoke(metrics);
    }

    /// <summary>The means of the interval's metrics, and after them the validation's.</summary>
    Metric[] Values(double? validation)
    {
        IEnumerable<Metric> means = objective.Metrics.Select((name, i) => new Metric(name, State.WindowSums[i] / State.WindowSequences));
        return [.. means, .. validation is { } value ? [new Metric(objective.ValidationMetric, value)] : (Metric[])[]];
    }

    void Watch(EarlyStopping stopping, double value)
    {
        bool better = value < State.Best - (double.IsFinite(State.Best) ? stopping.MinimumImprovement : 0);
        if (better) State.Best = value;
        State.IntervalsSinceBest = better ? 0 : State.IntervalsSinceBest + 1;
        State.StoppedEarly = State.IntervalsSinceBest >= stopping.Patience;
    }

    void Save()
    {
        if (folder is null || !unsaved) return;
        Tick();
        (State.RandomSeed, State.RandomStream, State.RandomPosition) = (random.Seed, random.Stream, random.Position);
        Checkpoint.Write(folder.CheckpointPath, objective, optimizer, State, configuration, generators);
        (unsaved, savedAt) = (false, State.Elapsed);
        CheckpointSaved?.Invoke(folder.CheckpointPath);
    }

    /// <summary>Runs the update that failed once more, looking at every result and gradient, to name the operation that failed first.</summary>
    NonFiniteException Diagnose(ulong position)
    {
        random.Position = position;
        RestoreGenerators();
        string where = $"Training stopped in update {State.Steps + 1}, after {State.Sequences} sequences: ";
        string kept = folder is null ? "" : $" The last checkpoint, {folder.CheckpointPath}, is as it was.";
        try
        {
            using (Tape.Step())
            using (Tape.DetectNonFinite())
            {
                optimizer.ZeroGradient();
                objective.Loss(random, options.Batch).Backward();
            }
        }
        catch (NonFiniteException e)
        {
            return new(e.Operation, where + e.Message + kept);
        }
        finally
        {
            random.Position = position;
            RestoreGenerators();
        }
        return new("Loss", where + "the loss or a gradient is not finite." + kept);
    }
}
