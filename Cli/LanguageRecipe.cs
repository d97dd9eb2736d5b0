using System.Text;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>Characters of a text, told from those before.</summary>
abstract class LanguageRecipe(string model, double rate, params (Setting, object?)[] own) : Recipe("lm", model)
{
    const int ValidationWindows = 240, Batch = 12, Steps = 2000;

    static readonly Setting<string> text = Setting.Path("text", "A UTF-8 text to learn; its last tenth is only tested on.", "FILE");
    static readonly Setting<string> characters = Setting.Derived("characters");
    protected static readonly Setting<int> window = Setting.Count("window", "Characters of a sequence; a gpt can look back upon no more.", most: 1 << 20);

    public static new IReadOnlyList<Recipe> All { get; } = [new GptRecipe(), new LstmLanguageRecipe()];

    public override IReadOnlyList<(Setting, object?)> Defaults { get; } =
        [.. Common(Steps * Batch, Batch, rate, logEvery: 100 * Batch), Settings.EarlyStopping.Open, text.Open, window.Is(64), .. own, characters.Open];

    public abstract LanguageModel CreateModel(RunConfiguration run, int symbols, Philox random);

    /// <summary>The characters that the run's model knows.</summary>
    public static Vocabulary Vocabulary(RunConfiguration run) => run.Has(characters) ? new(run.Get(characters).EnumerateRunes())
        : throw new UsageException($"the run's configuration lacks \"{characters.Key}\", without which its numbers mean no characters.");

    /// <summary>The model of a run, with random weights, for whoever does not need the text.</summary>
    public LanguageModel CreateModel(RunConfiguration run) => CreateModel(run, Vocabulary(run).Count, new(run.Seed, RandomStreams.Initialization));

    public override void Check(RunConfiguration run)
    {
        if (!run.Has(text)) throw new UsageException("--text: a UTF-8 text file to learn is missing.");
    }

    /// <summary>The vocabulary is what the text has. A run that goes on keeps the one that it began with.</summary>
    public override RunConfiguration Prepare(RunConfiguration run) =>
        run.With(characters, TextCorpus.Read(run.Get(text), window: run.Get(window)).Vocabulary.ToString());

    public override Objective Create(RunConfiguration run)
    {
        Vocabulary vocabulary = Vocabulary(run);
        Philox random = new(run.Seed, RandomStreams.Initialization);
        return new LanguageObjective(CreateModel(run, vocabulary.Count, random), TextCorpus.Read(run.Get(text), vocabulary, run.Get(window)), run.Get(window)) { Generators = [("model", random)] };
    }

    public override TrainerOptions Complete(RunConfiguration run, TrainerOptions options) => options with
    {
        ClipNorm = 1,
        Schedule = Schedule(run),
        Validation = new(Sequences: ValidationWindows, Batch: 40),
        EarlyStopping = options.EarlyStopping is { } stopping ? stopping with { Metric = StoppingMetric.Validation } : null,
    };

    protected abstract LearningRateSchedule Schedule(RunConfiguration run);

    public override Report Test(RunConfiguration run, Objective objective, CancellationToken cancelled) => Cost(run, (LanguageObjective)objective, cancelled);

    public override string Hint(Objective objective, string folder) => $"neuralmemory generate {folder} --prompt \"{Prompt((LanguageObjective)objective)}\" --max-tokens 200";

    /// <summary>A few characters that are in the text.</summary>
    static string Prompt(LanguageObjective objective)
    {
        int[] tokens = new int[Math.Min(objective.Window, 12)];
        objective.Corpus.Copy(0, tokens);
        string start = string.Concat(tokens.Select(token => objective.Corpus.Vocabulary[token]));
        string line = new([.. start.TakeWhile(c => !char.IsControl(c) && c is not ('"' or '\\' or '$' or '`' or '!'))]);
        return line == "" ? " " : line;
    }

    public override Report Evaluate(RunConfiguration run, Objective objective, EvaluationOptions options, CancellationToken cancelled)
    {
        if (options.Lengths is not []) throw new UsageException($"--length is no option of the task {Task}: the text is read in windows of {run.Get(window)} characters.");
        if (options.Sequences is not null) throw new UsageException($"--batches is no option of the task {Task}: all of the text is tested on.");
        LanguageObjective shown = (LanguageObjective)objective;
        if (options.Data is { } path)
            shown = new((LanguageModel)objective.Model, TextCorpus.Read(path, shown.Corpus.Vocabulary, run.Get(window), validationShare: 1), run.Get(window));
        return Cost(run, shown, cancelled);
    }

    /// <summary>Whether the model sees only what is before a position. Else it is tested a second time, as it reads when it writes a text.</summary>
    protected virtual bool IsCausal(RunConfiguration run) => true;

    Report Cost(RunConfiguration run, LanguageObjective objective, CancellationToken cancelled)
    {
        double nats = objective.Test(cancelled);
        double? past = IsCausal(run) ? null : objective.Test(cancelled, reading: true);
        TextCorpus corpus = objective.Corpus;
        // A text that eval is given is tested on as a whole, and may be that trained on.
        return new($"{objective.TestCharacters:n0} characters{(corpus.ValidationStart > 0 ? " that were not trained on" : "")}: {corpus.Path}, {run.Model}, seed {run.Seed}", ["nats a character", "bits a character", "perplexity", "knowing nothing, nats", .. past is null ? (string[])[] : ["told from the past, nats"]],
            [[$"{nats:0.0000}", $"{nats / Math.Log(2):0.0000}", $"{Math.Exp(nats):0.00}", $"{Math.Log(corpus.Vocabulary.Count):0.0000}", .. past is null ? (string[])[] : [$"{past:0.0000}"]]], json =>
            {
                json.WriteNumber("validation_loss", nats);
                json.WriteNumber("bits_per_character", nats / Math.Log(2));
                json.WriteNumber("characters", objective.TestCharacters);
                if (past is not null) json.WriteNumber("past_loss", past.Value);
            });
    }
}

/// <summary>GPT-2's architecture, at the size of nanoGPT's setting for CPUs.</summary>
sealed class GptRecipe() : LanguageRecipe("gpt", 1e-3, Settings.Width.Is(128), Settings.Heads.Is(4), Settings.Layers.Is(4), Settings.Dropout.Is(0), causal.Is(true))
{
    static readonly Setting<bool> causal = Setting.Switch("causal", "Whether no position of a gpt sees what follows it; without, it copies what it should tell.");

    const double WeightDecay = 0.1, Beta1 = 0.9, Beta2 = 0.99;
    const int WarmUp = 100;

    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        double width = run.Get(Settings.Width);
        if (width % run.Get(Settings.Heads) > 0) throw new UsageException($"--heads: {run.Get(Settings.Heads)} do not divide the width {width}.");
        AtMost(4 * width * width, "--width");
        AtMost(width * run.Get(window), "--width x --window");
        AtMost(12 * width * width * run.Get(Settings.Layers), "--layers");
    }

    public override LanguageModel CreateModel(RunConfiguration run, int symbols, Philox random) =>
        new Gpt(new(symbols, run.Get(window), run.Get(Settings.Width), run.Get(Settings.Heads), run.Get(Settings.Layers), run.Get(Settings.Dropout), run.Get(causal)), random);

    protected override bool IsCausal(RunConfiguration run) => run.Get(causal);

    /// <summary>Weights decay; biases, gains and offsets of normalizations do not.</summary>
    public override Optimizer CreateOptimizer(RunConfiguration run, Module model)
    {
        AdamW adam = new(model.Parameters, run.LearningRate, Beta1, Beta2, weightDecay: WeightDecay);
        adam.Group([.. model.Parameters.Where(parameter => parameter.Rank < 2)]).WeightDecay = 0;
        return adam;
    }

    protected override LearningRateSchedule Schedule(RunConfiguration run) => new CosineSchedule(run.LearningRate, Math.Max(1, run.Updates - WarmUp), run.LearningRate / 10).WithWarmUp(WarmUp);

    public override string Describe(RunConfiguration run) => $"gpt, {run.Get(Settings.Layers)} blocks, width {run.Get(Settings.Width)}, {run.Get(Settings.Heads)} heads, context {run.Get(window)}{(run.Get(causal) ? "" : ", no mask")}";
}

/// <summary>LSTMs over characters.</summary>
sealed class LstmLanguageRecipe() : LanguageRecipe("lstm", 3e-3, Settings.Embedding.Is(64), Settings.Hidden.Is(256), Settings.Layers.Is(1))
{
    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        double hidden = run.Get(Settings.Hidden);
        AtMost(4 * hidden * hidden, "--hidden");
        AtMost(4 * hidden * run.Get(Settings.Embedding), "--hidden x --embedding");
        AtMost(8 * hidden * hidden * run.Get(Settings.Layers), "--layers");
    }

    public override LanguageModel CreateModel(RunConfiguration run, int symbols, Philox random) =>
        new LstmLanguageModel(symbols, run.Get(Settings.Embedding), run.Get(Settings.Hidden), run.Get(Settings.Layers), random);

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => new Adam(model.Parameters, run.LearningRate);

    protected override LearningRateSchedule Schedule(RunConfiguration run) => new CosineSchedule(run.LearningRate, Math.Max(1, run.Updates), run.LearningRate / 10);

    public override string Describe(RunConfiguration run) => $"lstm, {run.Get(Settings.Layers)} x {run.Get(Settings.Hidden)}, embedding {run.Get(Settings.Embedding)}";
}
