using System.Globalization;
using NeuralMemory.Checkpoints;

namespace NeuralMemory.Training;

/// <summary>All that a run has to remember beside its tensors. Whoever goes on from here does what an uninterrupted run would have done.</summary>
public sealed class TrainingState
{
    /// <summary>Updates done.</summary>
    public long Steps { get; internal set; }

    /// <summary>Sequences seen.</summary>
    public long Sequences { get; internal set; }

    /// <summary>Steps of time computed; a batch of B sequences of T steps counts B T.</summary>
    public long TimeSteps { get; internal set; }

    /// <summary>Time spent training.</summary>
    public TimeSpan Elapsed { get; internal set; }

    /// <summary><see cref="Philox.Seed"/> of the generator of episodes.</summary>
    public ulong RandomSeed { get; internal set; }

    /// <summary><see cref="Philox.Stream"/> of the generator of episodes.</summary>
    public ulong RandomStream { get; internal set; }

    /// <summary><see cref="Philox.Position"/> of the generator of episodes.</summary>
    public ulong RandomPosition { get; internal set; }

    /// <summary>The best <see cref="Objective.Validate"/> so far, with its sign changed where a greater one is better; infinite before the first.</summary>
    public double BestValidation { get; internal set; } = double.PositiveInfinity;

    /// <summary>The best value so far of what early stopping watches; infinite before the first.</summary>
    public double Best { get; internal set; } = double.PositiveInfinity;

    /// <summary>Log intervals since then.</summary>
    public int IntervalsSinceBest { get; internal set; }

    /// <summary>Whether early stopping has ended the run.</summary>
    public bool StoppedEarly { get; internal set; }

    /// <summary>Sequences seen at the last line of <c>metrics.jsonl</c>.</summary>
    public long LoggedSequences { get; internal set; }

    // 14,000 years: a sum of two is a TimeSpan still.
    const long MostTicks = long.MaxValue / 2;

    // The log interval that has begun: sums over its updates and sequences.
    internal long WindowSteps, WindowSequences, WindowTimeSteps;
    internal double WindowLoss;
    internal double[] WindowSums = [];
    internal TimeSpan WindowBegan;

    internal void BeginWindow()
    {
        (WindowSteps, WindowSequences, WindowTimeSteps) = (0, 0, 0);
        WindowLoss = 0;
        Array.Clear(WindowSums);
        WindowBegan = Elapsed;
    }

    /// <summary>Where the sum of a metric is kept: that of <c>bits_per_sequence</c> is <c>window_bits</c>.</summary>
    static string SumKey(string metric) => $"window_{(metric == TrainingMetrics.Bits ? "bits" : metric)}";

    internal void Write(SafetensorsWriter writer, IReadOnlyList<string> metrics)
    {
        Set("steps", Steps);
        Set("sequences", Sequences);
        Set("time_steps", TimeSteps);
        Set("elapsed_ticks", Elapsed.Ticks);
        Set("random_seed", RandomSeed);
        Set("random_stream", RandomStream);
        Set("random_position", RandomPosition);
        Set("best_validation", BestValidation);
        Set("best", Best);
        Set("intervals_since_best", IntervalsSinceBest);
        Set("stopped_early", StoppedEarly ? 1 : 0);
        Set("logged_sequences", LoggedSequences);
        Set("window_steps", WindowSteps);
        Set("window_sequences", WindowSequences);
        Set("window_time_steps", WindowTimeSteps);
        Set("window_loss", WindowLoss);
        for (int i = 0; i < metrics.Count; i++) Set(SumKey(metrics[i]), WindowSums[i]);
        Set("window_began_ticks", WindowBegan.Ticks);

        // A double's shortest text that reads back as the same double.
        void Set<T>(string key, T value) where T : IFormattable => writer.SetMetadata(key, value.ToString(null, CultureInfo.InvariantCulture));
    }

    /// <summary>What <see cref="WindowSums"/> was. Only who knows the metrics can read it.</summary>
    internal static double[] ReadSums(CheckpointMetadata metadata, IReadOnlyList<string> metrics) => [.. metrics.Select(metric => metadata.Number(SumKey(metric)))];

    internal static TrainingState Read(CheckpointMetadata metadata) => new()
    {
        Steps = metadata.Count("steps"),
        Sequences = metadata.Count("sequences"),
        TimeSteps = metadata.Count("time_steps"),
        Elapsed = TimeSpan.FromTicks(metadata.Count("elapsed_ticks", MostTicks)),
        RandomSeed = metadata.Unsigned("random_seed"),
        RandomStream = metadata.Unsigned("random_stream"),
        RandomPosition = metadata.Unsigned("random_position"),
        BestValidation = metadata.Number("best_validation", orInfinite: true),
        Best = metadata.Number("best", orInfinite: true),
        IntervalsSinceBest = (int)metadata.Count("intervals_since_best", int.MaxValue),
        StoppedEarly = metadata.Count("stopped_early", 1) == 1,
        LoggedSequences = metadata.Count("logged_sequences"),
        WindowSteps = metadata.Count("window_steps"),
        WindowSequences = metadata.Count("window_sequences"),
        WindowTimeSteps = metadata.Count("window_time_steps"),
        WindowLoss = metadata.Number("window_loss"),
        WindowBegan = TimeSpan.FromTicks(metadata.Count("window_began_ticks", MostTicks)),
    };
}
