using System.Text.Json;
using System.Text.Json.Serialization;
using NeuralMemory.Checkpoints;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>All that decides what a run computes: it is kept in the run's folder, and model, task and optimiser are made from it again.</summary>
sealed record RunConfiguration
{
    public required string Task { get; init; }
    public required string Model { get; init; }
    public required ulong Seed { get; init; }
    public required long Sequences { get; init; }
    public required int Batch { get; init; }
    public required double LearningRate { get; init; }
    public required long LogEvery { get; init; }

    /// <summary>The length of the sequences by which the best parameters are chosen.</summary>
    public required int ValidationLength { get; init; }

    /// <summary>Log intervals without a lower cost after which training ends; null for never.</summary>
    public int? EarlyStopping { get; init; }

    public required int Hidden { get; init; }

    // Of the LSTM only.
    public int? Layers { get; init; }

    // Of the Neural Turing Machine only.
    public int? Slots { get; init; }
    public int? Width { get; init; }
    public int? ReadHeads { get; init; }
    public int? WriteHeads { get; init; }
    public int? Shifts { get; init; }
    public string? Controller { get; init; }
    public string? MemoryStart { get; init; }

    public const string Ntm = "ntm", Lstm = "lstm";

    public static IReadOnlyList<string> Models { get; } = [Ntm, Lstm];

    public static IReadOnlyList<string> Controllers { get; } = ["lstm", "feed-forward"];

    public static IReadOnlyList<string> MemoryStarts { get; } = ["learned", "constant", "random"];

    /// <summary>The most elements of a tensor of parameters: 4 GB, and no size that a machine of today could train.</summary>
    const long MostElements = 1L << 30;

    public string ToJson() => JsonSerializer.Serialize(this, ConfigurationJson.Default.RunConfiguration);

    /// <summary>The configuration that a checkpoint was written with.</summary>
    /// <exception cref="CheckpointException">It is another program's, or a value is out of its range.</exception>
    public static RunConfiguration Read(Checkpoint checkpoint)
    {
        try
        {
            RunConfiguration read = JsonSerializer.Deserialize(checkpoint.Configuration, ConfigurationJson.Default.RunConfiguration)!;
            read.Check();
            return read;
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"{checkpoint.Path}: metadata \"configuration\": {e.Message}", e);
        }
        catch (UsageException e)
        {
            throw new CheckpointException($"{checkpoint.Path}: metadata \"configuration\": {e.Message}", e);
        }
    }

    /// <exception cref="UsageException">A value is out of its range, or missing; the message names it as the command line does.</exception>
    public void Check()
    {
        OneOf("task", Task, SequenceTasks.Names);
        OneOf("model", Model, Models);
        AtLeast(1, "sequences", Sequences);
        AtLeast(1, "batch", Batch);
        AtLeast(1, "log-every", LogEvery);
        AtLeast(1, "validation-length", ValidationLength);
        AtLeast(1, "early-stopping", EarlyStopping ?? 1);
        if (!(LearningRate > 0 && double.IsFinite(LearningRate))) throw new UsageException($"--learning-rate: {LearningRate} is not a number above 0.");
        AtLeast(1, "hidden", Hidden);
        if (Model == Lstm)
        {
            AtLeast(1, "layers", Layers);
            AtMost(4L * Hidden * Hidden, "--hidden");
            AtMost(8L * Hidden * Hidden * Layers!.Value, "--layers");
            return;
        }
        AtLeast(1, "slots", Slots);
        AtLeast(1, "width", Width);
        AtLeast(1, "read-heads", ReadHeads);
        AtLeast(0, "write-heads", WriteHeads);
        AtLeast(1, "shifts", Shifts);
        OneOf("controller", Controller, Controllers);
        OneOf("memory-start", MemoryStart, MemoryStarts);
        if (Shifts % 2 == 0) throw new UsageException($"--shifts: {Shifts} is even; an odd number was expected, as many to the left as to the right.");
        if (Shifts > Slots) throw new UsageException($"--shifts: {Shifts} are more than the {Slots} slots.");
        AtMost(4L * Hidden * Hidden, "--hidden");
        AtMost((long)Slots!.Value * Width!.Value, "--slots x --width");
        AtMost((long)ReadHeads!.Value * Width.Value, "--read-heads x --width");
        AtMost((long)WriteHeads!.Value * Width.Value, "--write-heads x --width");
        AtMost((3.0 * (ReadHeads.Value + WriteHeads.Value) * (Width.Value + Shifts!.Value) + 4.0 * ReadHeads.Value * Width.Value) * Hidden, "--hidden x the heads");
    }

    static void OneOf(string name, string? value, IReadOnlyList<string> values)
    {
        if (value is null || !values.Contains(value)) throw new UsageException($"--{name}: '{value}' is not one of {string.Join(", ", values)}.");
    }

    static void AtLeast(long least, string name, long? value)
    {
        if (value is null || value < least) throw new UsageException($"--{name}: {value?.ToString() ?? "nothing"} was given; at least {least} was expected.");
    }

    static void AtMost(double elements, string what)
    {
        if (elements > MostElements) throw new UsageException($"{what}: {elements:0} parameters are too many; at most {MostElements} fit in a tensor.");
    }

    public SequenceTask CreateTask() => SequenceTasks.Create(Task);

    public SequenceModel CreateModel(SequenceTask task)
    {
        Philox random = new(Seed, RandomStreams.Initialization);
        if (Model == Lstm) return new LstmModel(task.InputWidth, task.OutputWidth, Hidden, Layers!.Value, random);
        NtmSizes sizes = new(Hidden, Slots!.Value, Width!.Value, ReadHeads!.Value, WriteHeads!.Value, Shifts!.Value,
            Controller == "lstm" ? NtmController.Lstm : NtmController.FeedForward);
        MemoryStart start = MemoryStart switch
        {
            "learned" => NeuralMemory.Models.MemoryStart.Learned,
            "constant" => NeuralMemory.Models.MemoryStart.Constant,
            _ => NeuralMemory.Models.MemoryStart.Random,
        };
        return new Ntm(task.InputWidth, task.OutputWidth, sizes, random, start);
    }

    public Optimizer CreateOptimizer(SequenceModel model) => Recipe.CreateOptimizer(model, LearningRate);

    /// <summary>How the trainer is to be set up.</summary>
    public TrainerOptions TrainerOptions(string folder) => new()
    {
        Batch = Batch,
        Sequences = Sequences,
        Seed = Seed,
        ClipValue = Recipe.ClipValue,
        Schedule = Recipe.Schedule(LearningRate, updates: (Sequences + Batch - 1) / Batch),
        LogInterval = LogEvery,
        Validation = new(ValidationLength, Sequences: 20, Batch: 20),
        EarlyStopping = EarlyStopping is { } patience ? new(patience, StoppingMetric.BitsPerSequence) : null,
        Folder = folder,
        Configuration = ToJson(),
    };

    /// <summary>The model and its sizes, for people.</summary>
    public string DescribeModel() => Model == Lstm ? $"lstm, {Layers} x {Hidden}"
        : $"ntm, controller {Controller} {Hidden}, memory {Slots} x {Width}, heads {ReadHeads} + {WriteHeads}";
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(RunConfiguration))]
sealed partial class ConfigurationJson : JsonSerializerContext;
