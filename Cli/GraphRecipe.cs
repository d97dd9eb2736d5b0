using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>Questions on graphs: shortest paths and traversal, on graphs drawn at random or on parts of a map, for a Differentiable Neural Computer and for LSTMs.</summary>
abstract class GraphRecipe(string task, string model, int shortest, int longest, params (Setting, object?)[] own) : Recipe(task, model)
{
    const int TestSequences = 1000, TestBatch = 50, GraphsDrawn = 1000, FewestWithPath = 20;
    const double ClipNorm = 10;

    static readonly Setting<int> nodes = Setting.Count("nodes", "Nodes of a graph, or stations of a part of the map.", least: 2, most: 1 << 12);
    static readonly Setting<int> labels = Setting.Count("labels", "Different labels for nodes, at least as many as there are nodes.", least: 2, most: 1 << 12);
    static readonly Setting<int> neighbours = Setting.Count("neighbours", "The most neighbours of a node.", most: 1 << 10);
    static readonly Setting<int> minSteps = Setting.Count("min-steps", "The fewest steps of a way in training.", most: 1 << 10);
    static readonly Setting<int> maxSteps = Setting.Count("max-steps", "The most steps of a way in training.", most: 1 << 10);
    static readonly Setting<int> thinking = Setting.Count("thinking", "Steps of time between a question for a path and the answer.", least: 0, most: 1 << 10);

    public static new IReadOnlyList<Recipe> All { get; } =
    [
        new DncGraphRecipe("paths", 2, 3), new LstmGraphRecipe("paths", 2, 3),
        new DncGraphRecipe("traversal", 1, 3), new LstmGraphRecipe("traversal", 1, 3),
    ];

    public override IReadOnlyList<(Setting, object?)> Defaults { get; } =
    [
        .. Common(sequences: 320_000, batch: 16, learningRate: 3e-3, logEvery: 3200), Settings.EarlyStopping.Open, nodes.Is(6), labels.Is(8), neighbours.Is(4), minSteps.Is(shortest), maxSteps.Is(longest),
        .. task == "paths" ? [thinking.Is(2)] : ((Setting, object?)[])[], Settings.Data.Open, .. own,
    ];

    public override void Check(RunConfiguration run)
    {
        if (run.Get(labels) < run.Get(nodes)) throw new UsageException($"--labels: {run.Get(labels)} are fewer than the {run.Get(nodes)} nodes.");
        if (run.Get(maxSteps) < run.Get(minSteps)) throw new UsageException($"--max-steps: {run.Get(maxSteps)} are fewer than --min-steps {run.Get(minSteps)}.");
    }

    /// <summary>Training ends where no graph has a path of the length drawn. Where enough have one of the greatest length, enough have shorter ones.</summary>
    public override RunConfiguration Prepare(RunConfiguration run)
    {
        if (Task != "paths") return run;
        GraphSource source = CreateSource(run, run.Has(Settings.Data) ? run.Get(Settings.Data) : null);
        Philox random = new(run.Seed, RandomStreams.Evaluation);
        Graph graph = new();
        int found = 0;
        for (int drawn = 0; drawn < GraphsDrawn && found < FewestWithPath; drawn++)
        {
            source.Next(random, graph);
            if (HasPath(graph, run.Get(maxSteps))) found++;
        }
        return found == FewestWithPath ? run : throw new UsageException(
            $"--max-steps: among {GraphsDrawn} graphs {found} had a path of {run.Get(maxSteps)} steps; at least {FewestWithPath} were expected. More --nodes have longer paths.");
    }

    /// <summary>Whether the only shortest path between some two nodes has that many steps.</summary>
    static bool HasPath(Graph graph, int steps)
    {
        for (int from = 0; from < graph.Nodes; from++)
        {
            graph.Search(from);
            for (int to = 0; to < graph.Nodes; to++)
                if (graph.Distance(to) == steps && graph.IsUnique(to)) return true;
        }
        return false;
    }

    protected abstract SequenceModel CreateModel(RunConfiguration run, GraphTask task, Philox random);

    public override Objective Create(RunConfiguration run)
    {
        GraphTask graphs = CreateTask(run, run.Has(Settings.Data) ? run.Get(Settings.Data) : null);
        return new GraphObjective(CreateModel(run, graphs, new(run.Seed, RandomStreams.Initialization)), graphs);
    }

    /// <summary>Parts of a map, or graphs drawn at random where <paramref name="folder"/> is null.</summary>
    static GraphSource CreateSource(RunConfiguration run, string? folder) =>
        folder is null ? new RandomGraphs(run.Get(nodes), most: run.Get(neighbours)) : new MapParts(StationMap.Read(folder), run.Get(nodes), run.Get(neighbours));

    GraphTask CreateTask(RunConfiguration run, string? folder)
    {
        GraphSource source = CreateSource(run, folder);
        return Task == "paths" ? new ShortestPathTask(source, digits: 1, run.Get(labels), run.Get(minSteps), run.Get(maxSteps), run.Get(thinking))
            : new TraversalTask(source, digits: 1, run.Get(labels), run.Get(minSteps), run.Get(maxSteps));
    }

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => new Adam(model.Parameters, run.LearningRate);

    public override TrainerOptions Complete(RunConfiguration run, TrainerOptions options) => options with
    {
        ClipNorm = ClipNorm,
        Schedule = new LinearDecaySchedule(run.LearningRate, run.Updates / 2, run.Updates),
        Validation = new(run.Get(maxSteps), Sequences: 200, Batch: TestBatch),
        EarlyStopping = options.EarlyStopping is { } stopping ? stopping with { Metric = StoppingMetric.Validation } : null,
    };

    /// <summary>Every length trained on.</summary>
    public override Report Test(RunConfiguration run, Objective objective, CancellationToken cancelled)
    {
        GraphObjective graphs = (GraphObjective)objective;
        return Report(run, graphs, graphs.Task, Trained(run), TestSequences, cancelled);
    }

    public override string Hint(Objective objective, string folder) => $"neuralmemory eval {folder} --length {((GraphObjective)objective).Task.MaxLength}";

    public override Report Evaluate(RunConfiguration run, Objective objective, EvaluationOptions options, CancellationToken cancelled)
    {
        GraphObjective graphs = (GraphObjective)objective;
        GraphTask task = options.Data is { } folder ? CreateTask(run, folder) : graphs.Task;
        return Report(run, graphs, task, options.Lengths is [] ? Trained(run) : options.Lengths, options.Sequences ?? TestSequences, cancelled);
    }

    static int[] Trained(RunConfiguration run) => [.. Enumerable.Range(run.Get(minSteps), run.Get(maxSteps) - run.Get(minSteps) + 1)];

    static Report Report(RunConfiguration run, GraphObjective objective, GraphTask task, IReadOnlyList<int> lengths, int sequences, CancellationToken cancelled)
    {
        List<(int Length, double Accuracy)> tests = [.. lengths.Select(length => (length, Accuracy(length)))];
        return new($"Answered without a fault, {sequences} fresh graphs each: {run.Task}, {run.Model}, seed {run.Seed}", ["steps of the way", "right"],
            [.. tests.Select(test => (string[])[$"{test.Length}", $"{test.Accuracy:0.0%}"])], json =>
            {
                json.WriteNumber("accuracy", tests[^1].Accuracy);
                json.WriteStartObject("accuracies");
                foreach ((int length, double accuracy) in tests) json.WriteNumber($"{length}", accuracy);
                json.WriteEndObject();
            })
        {
            ByLength = new("answered without a fault", share => $"{share:0.0%}", tests),
        };

        double Accuracy(int length)
        {
            try
            {
                return objective.Test(task, length, sequences, run.Seed, TestBatch, cancellationToken: cancelled);
            }
            catch (InvalidOperationException e)
            {
                throw new UsageException($"--length: {e.Message}");
            }
            catch (ArgumentOutOfRangeException e)
            {
                throw new UsageException($"--length: {length} is too long: {e.Message}");
            }
        }
    }
}

/// <summary>The Differentiable Neural Computer on graphs.</summary>
sealed class DncGraphRecipe(string task, int shortest, int longest)
    : GraphRecipe(task, "dnc", shortest, longest, DncSettings.Of(hidden: 64, slots: 24, width: 20, heads: 2))
{
    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        AtMost(DncSettings.Largest(run), "--hidden, --slots, --width and --read-heads");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, GraphTask task, Philox random) => new Dnc(task.InputWidth, task.OutputWidth, DncSettings.Sizes(run), random);

    public override string Describe(RunConfiguration run) => DncSettings.Describe(run);
}

/// <summary>LSTMs on graphs, which must keep them in mind.</summary>
sealed class LstmGraphRecipe(string task, int shortest, int longest) : GraphRecipe(task, "lstm", shortest, longest, Settings.Hidden.Is(128), Settings.Layers.Is(1))
{
    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        double hidden = run.Get(Settings.Hidden);
        AtMost(8 * hidden * hidden * run.Get(Settings.Layers), "--hidden x --layers");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, GraphTask task, Philox random) =>
        new LstmModel(task.InputWidth, task.OutputWidth, run.Get(Settings.Hidden), run.Get(Settings.Layers), random);

    public override string Describe(RunConfiguration run) => $"lstm, {run.Get(Settings.Layers)} x {run.Get(Settings.Hidden)}";
}

/// <summary>What every recipe of a Differentiable Neural Computer can be asked for.</summary>
static class DncSettings
{
    static readonly Setting<bool> links = Setting.Switch("links", "Whether the dnc's heads can follow the order of writing.");
    static readonly Setting<bool> freeGates = Setting.Switch("free-gates", "Whether the dnc can free what it has read.");

    public static (Setting, object?)[] Of(int hidden, int slots, int width, int heads) =>
        [Settings.Hidden.Is(hidden), Settings.Slots.Is(slots), Settings.Width.Is(width), Settings.ReadHeads.Is(heads), links.Is(true), freeGates.Is(true)];

    public static DncSizes Sizes(RunConfiguration run) =>
        new(run.Get(Settings.Hidden), run.Get(Settings.Slots), run.Get(Settings.Width), run.Get(Settings.ReadHeads), run.Get(links), run.Get(freeGates));

    /// <summary>Elements of the largest of its tensors, or more.</summary>
    public static double Largest(RunConfiguration run)
    {
        double hidden = run.Get(Settings.Hidden), slots = run.Get(Settings.Slots), width = run.Get(Settings.Width), reads = width * run.Get(Settings.ReadHeads);
        return Math.Max(4 * hidden * (hidden + reads), Math.Max(hidden * (reads + 3 * width + 5.0 * run.Get(Settings.ReadHeads) + 3), slots * Math.Max(slots, width)));
    }

    public static string Describe(RunConfiguration run) => $"dnc, controller {run.Get(Settings.Hidden)}, memory {run.Get(Settings.Slots)} x {run.Get(Settings.Width)}, "
        + $"{run.Get(Settings.ReadHeads)} read heads{(run.Get(links) ? "" : ", no links")}{(run.Get(freeGates) ? "" : ", no free gates")}";
}
