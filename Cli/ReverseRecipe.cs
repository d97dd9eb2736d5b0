using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>Reversing sequences of symbols with an encoder and a decoder: without attention, with it, and with nothing else.</summary>
abstract class ReverseRecipe(string model, long sequences, int batch, double rate, params (Setting, object?)[] own) : Recipe("reverse", model)
{
    const int TestSequences = 1000, TestBatch = 100;
    const double ClipNorm = 5;                                      // section 3.4 of Sutskever et al. 2014

    static readonly Setting<int> alphabet = Setting.Count("alphabet", "Different symbols.", most: 1 << 20);
    static readonly Setting<int> maxLength = Setting.Count("max-length", "The longest sequence in training.", most: 1 << 20);

    public static new IReadOnlyList<Recipe> All { get; } = [new BahdanauRecipe(), new Seq2SeqRecipe(), new TransformerRecipe()];

    public override IReadOnlyList<(Setting, object?)> Defaults { get; } =
        [.. Common(sequences, batch, rate, logEvery: 100 * batch), Settings.EarlyStopping.Open, alphabet.Is(10), maxLength.Is(15), .. own];

    protected abstract EncoderDecoder CreateModel(RunConfiguration run, int symbols, Philox random);

    protected virtual double LabelSmoothing(RunConfiguration run) => 0;

    protected virtual LearningRateSchedule Schedule(RunConfiguration run) => new LinearDecaySchedule(run.LearningRate, run.Updates / 2, run.Updates);

    public override Objective Create(RunConfiguration run)
    {
        ReverseTask task = new(run.Get(alphabet), 1, run.Get(maxLength));
        Philox random = new(run.Seed, RandomStreams.Initialization);
        return new ReverseObjective(CreateModel(run, task.Symbols, random), task, LabelSmoothing(run)) { Generators = [("model", random)] };
    }

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => new Adam(model.Parameters, run.LearningRate);

    public override TrainerOptions Complete(RunConfiguration run, TrainerOptions options) => options with
    {
        ClipNorm = ClipNorm,
        Schedule = Schedule(run),
        Validation = new(run.Get(maxLength), Sequences: 200, Batch: 100),
        EarlyStopping = options.EarlyStopping is { } stopping ? stopping with { Metric = StoppingMetric.Validation } : null,
    };

    /// <summary>Thirds of the longest length trained on, and one more: 5, 10, 15, and 20, which no model has seen.</summary>
    public override Report Test(RunConfiguration run, Objective objective, CancellationToken cancelled)
    {
        int longest = run.Get(maxLength);
        List<ReverseResult> tests = [.. new[] { (longest + 2) / 3, (2 * longest + 2) / 3, longest, (4 * longest + 2) / 3 }.Distinct().Select(length => Test(run, objective, length, TestSequences, cancelled))];
        return Report(run, tests, json =>
        {
            json.WriteNumber("accuracy", tests.First(test => test.Length == longest).Accuracy);
            json.WriteStartObject("accuracies");
            foreach (ReverseResult test in tests) json.WriteNumber($"{test.Length}", test.Accuracy);
            json.WriteEndObject();
            json.WriteStartObject("diagonal");
            foreach (ReverseResult test in tests)
                if (test.Diagonal is { } diagonal) json.WriteNumber($"{test.Length}", diagonal);
            json.WriteEndObject();
        });
    }

    public override string Hint(Objective objective, string folder) => $"neuralmemory eval {folder} --length {((ReverseObjective)objective).Task.MaxLength + 1}";

    public override Report Evaluate(RunConfiguration run, Objective objective, EvaluationOptions options, CancellationToken cancelled)
    {
        if (options.Data is not null) throw new UsageException($"--data: the task {Task} makes its own sequences.");
        IReadOnlyList<int> asked = options.Lengths is [] ? [run.Get(maxLength)] : options.Lengths;
        List<ReverseResult> tests = [.. asked.Select(length => Test(run, objective, length, options.Sequences ?? TestSequences, cancelled))];
        return Report(run, tests, json => Cli.Report.Each(json, tests, test =>
        {
            json.WriteNumber("length", test.Length);
            json.WriteNumber("sequences", test.Sequences);
            json.WriteNumber("accuracy", test.Accuracy);
            json.WriteNumber("symbol_accuracy", test.SymbolAccuracy);
            if (test.Diagonal is { } diagonal) json.WriteNumber("diagonal", diagonal);
        }));
    }

    static ReverseResult Test(RunConfiguration run, Objective objective, int length, int sequences, CancellationToken cancelled)
    {
        try
        {
            return ((ReverseObjective)objective).Test(length, sequences, run.Seed, TestBatch, cancellationToken: cancelled);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new UsageException($"--length: {length} is too long: {e.Message}");
        }
    }

    static Report Report(RunConfiguration run, List<ReverseResult> tests, Action<System.Text.Json.Utf8JsonWriter> json) => new(
        $"{tests[0].Sequences} fresh sequences each, said without help: {run.Task}, {run.Model}, seed {run.Seed}",
        ["length", "sequences right", "symbols right", "attention on the diagonal"],
        [.. tests.Select(test => (string[])[$"{test.Length}", $"{test.Accuracy:0.0%}", $"{test.SymbolAccuracy:0.0%}", test.Diagonal is { } diagonal ? $"{diagonal:0.0%}" : "-"])],
        json)
    {
        ByLength = new("sequences right", share => $"{share:0.0%}", [.. tests.Select(test => (test.Length, test.Accuracy))]),
    };
}

/// <summary>Bahdanau, Cho and Bengio 2014.</summary>
sealed class BahdanauRecipe() : ReverseRecipe("bahdanau", 64_000, 32, 1e-3, Settings.Hidden.Is(32), Settings.Embedding.Is(32))
{
    public override void Check(RunConfiguration run) => AtMost(6.0 * run.Get(Settings.Hidden) * run.Get(Settings.Hidden), "--hidden");

    protected override EncoderDecoder CreateModel(RunConfiguration run, int symbols, Philox random) =>
        new AttentionSeq2Seq(symbols, run.Get(Settings.Embedding), run.Get(Settings.Hidden), alignment: run.Get(Settings.Hidden), maxout: run.Get(Settings.Hidden) / 2 + 1, random);

    public override string Describe(RunConfiguration run) => $"bahdanau, {run.Get(Settings.Hidden)} units, embedding {run.Get(Settings.Embedding)}";
}

/// <summary>Sutskever, Vinyals and Le 2014.</summary>
sealed class Seq2SeqRecipe() : ReverseRecipe("seq2seq", 64_000, 32, 2e-3, Settings.Hidden.Is(64), Settings.Embedding.Is(32), Settings.Layers.Is(1), reversesSource.Is(false))
{
    static readonly Setting<bool> reversesSource = Setting.Switch("reverse-source", "Whether the source is read from its end to its start.");

    public override void Check(RunConfiguration run)
    {
        AtMost(4.0 * run.Get(Settings.Hidden) * run.Get(Settings.Hidden), "--hidden");
        AtMost(16.0 * run.Get(Settings.Hidden) * run.Get(Settings.Hidden) * run.Get(Settings.Layers), "--layers");
    }

    protected override EncoderDecoder CreateModel(RunConfiguration run, int symbols, Philox random) =>
        new Seq2Seq(symbols, run.Get(Settings.Embedding), run.Get(Settings.Hidden), run.Get(Settings.Layers), run.Get(reversesSource), random);

    public override string Describe(RunConfiguration run) => $"seq2seq, {run.Get(Settings.Layers)} x {run.Get(Settings.Hidden)}, embedding {run.Get(Settings.Embedding)}"
        + (run.Get(reversesSource) ? ", source reversed" : "");
}

/// <summary>Vaswani et al. 2017.</summary>
sealed class TransformerRecipe() : ReverseRecipe("transformer", 64_000, 32, 1e-3, Settings.Width.Is(64), Settings.Heads.Is(4), Settings.FeedForward.Is(128), Settings.Layers.Is(2),
    Settings.Dropout.Is(0), labelSmoothing.Is(0.1), Settings.Positions.Is("sinusoidal"), Settings.WarmUp.Is(400))
{
    static readonly Setting<double> labelSmoothing = Setting.Number("label-smoothing", "The share of every target that is spread over all symbols.", least: 0, end: 1, orLeast: true);

    static TransformerSizes Sizes(RunConfiguration run, int symbols) => new(symbols, run.Get(Settings.Width), run.Get(Settings.Heads), run.Get(Settings.FeedForward), run.Get(Settings.Layers),
        run.Get(Settings.Dropout), run.Get(Settings.Positions) == "sinusoidal");

    public override void Check(RunConfiguration run) => TransformerSettings.Check(run, 12);

    protected override double LabelSmoothing(RunConfiguration run) => run.Get(labelSmoothing);

    protected override LearningRateSchedule Schedule(RunConfiguration run) => TransformerSettings.Schedule(run);

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => TransformerSettings.Optimizer(run, model);

    protected override EncoderDecoder CreateModel(RunConfiguration run, int symbols, Philox random) => new Transformer(Sizes(run, symbols), random);

    public override string Describe(RunConfiguration run) => $"transformer, {run.Get(Settings.Layers)} + {run.Get(Settings.Layers)} layers, width {run.Get(Settings.Width)}, "
        + $"{run.Get(Settings.Heads)} heads, positions {run.Get(Settings.Positions)}";
}

/// <summary>What the recipes of a Transformer share (Vaswani et al. 2017, section 5.3).</summary>
static class TransformerSettings
{
    /// <summary>Refuses sizes that do not go with each other, of layers with <paramref name="matrices"/> matrices of width x width each beside two of width x feed-forward.</summary>
    public static void Check(RunConfiguration run, int matrices)
    {
        double width = run.Get(Settings.Width);
        if (width % 2 > 0) throw new UsageException($"--width: {width} is odd; an even number was expected, a sine and a cosine for each frequency.");
        if (width % run.Get(Settings.Heads) > 0) throw new UsageException($"--heads: {run.Get(Settings.Heads)} do not divide the width {width}.");
        Recipe.AtMost(3 * width * width, "--width");
        Recipe.AtMost(width * run.Get(Settings.FeedForward), "--width x --feed-forward");
        Recipe.AtMost((matrices * width * width + 4 * width * run.Get(Settings.FeedForward)) * run.Get(Settings.Layers), "--layers");
    }

    // The paper's greatest rate is (width n)^-1/2 for n updates of warm-up; scaled so that it is the one asked for.
    public static LearningRateSchedule Schedule(RunConfiguration run) =>
        new InverseSquareRootSchedule(run.Get(Settings.Width), run.Get(Settings.WarmUp), run.LearningRate * Math.Sqrt((double)run.Get(Settings.Width) * run.Get(Settings.WarmUp)));

    public static Optimizer Optimizer(RunConfiguration run, Module model) => new Adam(model.Parameters, run.LearningRate, beta1: 0.9, beta2: 0.98, epsilon: 1e-9);
}
