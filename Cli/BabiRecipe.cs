using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>Questions about stories, answered by an end-to-end memory network as Sukhbaatar et al. 2015 trained it (arXiv:1503.08895, section 4.2).</summary>
sealed class BabiRecipe() : Recipe("babi", "memn2n")
{
    const int QuestionsMade = 1000, Epoch = 28 * QuestionsInBatch, QuestionsInBatch = 32, LinearEpochs = 20, Epochs = 100, EpochsToHalve = 25;
    const double MostNorm = 40;

    /// <summary>Which task; 0 for all of them, which <see cref="BabiTable"/> splits into runs.</summary>
    public static Setting<int> Number { get; } = Setting.CountOrAll("story-task", "Which of the 20 bAbI tasks; without --data 1, 2, 12 or 20. all for a table of them: see --runs.", most: BabiTask.Count);

    static readonly Setting<int> width = Setting.Count("embedding-width", "Numbers that a sentence becomes.", most: 4096);
    static readonly Setting<int> hops = Setting.Count("hops", "How often the memory is read.", most: 100);
    static readonly Setting<int> capacity = Setting.Count("capacity", "The most sentences that are kept, the newest.", most: 100_000);
    static readonly Setting<string> tying = Setting.Choice("tying", "Which weights the hops share.", "adjacent", "layer-wise");
    static readonly Setting<bool> position = Setting.Switch("position-encoding", "Whether the order of a sentence's words counts.");
    static readonly Setting<double> scale = Setting.Number("position-scale", "What the weights of positions are multiplied by; 1 is the formula as the paper prints it.");
    static readonly Setting<bool> time = Setting.Switch("time-encoding", "Whether the age of a sentence counts.");
    static readonly Setting<bool> nulls = Setting.Switch("null-memories", "Whether places that no sentence fills can be looked at: they hold zeros.");
    static readonly Setting<double> noise = Setting.Number("time-noise", "The probability of an empty memory before each sentence in training.", end: 1, orLeast: true);
    static readonly Setting<int> linear = Setting.Count("linear-start", "Questions trained on before the hops get their softmax.", least: 0);
    static readonly Setting<string> words = Setting.Derived("words");

    public static new IReadOnlyList<Recipe> All { get; } = [new BabiRecipe()];

    public override IReadOnlyList<(Setting, object?)> Defaults { get; } =
    [
        .. Common((LinearEpochs + Epochs) * Epoch, QuestionsInBatch, learningRate: .005, logEvery: Epoch), Settings.Data.Open, Number.Is(1), width.Is(20), hops.Is(3), capacity.Is(50),
        tying.Is("adjacent"), position.Is(true), scale.Is(2), time.Is(true), nulls.Is(true), noise.Is(.1), linear.Is(LinearEpochs * Epoch), words.Open,
    ];

    public override void Check(RunConfiguration run)
    {
        if (!run.Has(Settings.Data) && !IsAll(run) && !BabiGenerator.Tasks.Contains(run.Get(Number)))
            throw new UsageException($"--story-task: {run.Get(Number)} needs files, so --data; without it one of {string.Join(", ", BabiGenerator.Tasks)} was expected.");
        AtMost((double)run.Get(width) * run.Get(capacity), "--embedding-width x --capacity");
    }

    /// <summary>Whether a configuration stands for runs of all tasks.</summary>
    public static bool IsAll(RunConfiguration run) => run.Recipe is BabiRecipe && run.Get(Number) == 0;

    /// <summary>The words are those of the data. A run that goes on keeps those that it began with.</summary>
    public override RunConfiguration Prepare(RunConfiguration run) => IsAll(run) ? run : run.With(words, string.Join(' ', Load(run, null).Words.Words));

    /// <summary>The words that a run's model knows.</summary>
    public static WordList Words(RunConfiguration run) => new(run.Get(words).Split(' '));

    static BabiTask Load(RunConfiguration run, WordList? words) =>
        run.Has(Settings.Data) ? BabiTask.Read(run.Get(Settings.Data), run.Get(Number), words) : BabiTask.Generate(run.Get(Number), QuestionsMade, run.Seed);

    /// <summary>The model of a run, with random weights.</summary>
    public static MemN2N CreateModel(RunConfiguration run) => new(Words(run).Count, new()
    {
        Width = run.Get(width),
        Hops = run.Get(hops),
        Capacity = run.Get(capacity),
        Tying = run.Get(tying) == "adjacent" ? MemoryTying.Adjacent : MemoryTying.LayerWise,
        PositionEncoding = run.Get(position),
        PositionScale = run.Get(scale),
        TimeEncoding = run.Get(time),
        NullMemories = run.Get(nulls),
        TimeNoise = run.Get(noise),
    }, new(run.Seed, RandomStreams.Initialization), new(run.Seed, RandomStreams.Noise));

    public override Objective Create(RunConfiguration run) =>
        new BabiObjective(CreateModel(run), Load(run, Words(run)), run.Seed, run.Get(linear) / run.Batch);

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => new Sgd(model.Parameters, run.LearningRate);

    public override TrainerOptions Complete(RunConfiguration run, TrainerOptions options) => options with
    {
        ClipEachNorm = MostNorm,                                    // footnote of section 5: of each matrix by itself
        Schedule = new HalvedSchedule(run.LearningRate, run.Get(linear) / run.Batch, Math.Max(1, EpochsToHalve * Epoch / run.Batch)),
        Validation = new(KeepsBest: false),
    };

    /// <summary>The whole rate while the network is linear; then halved every 25 epochs (section 4.2).</summary>
    sealed record HalvedSchedule(double Whole, int Linear, int Halves) : LearningRateSchedule
    {
        protected override double Rate(long t) => t < Linear ? Whole : Whole * Math.Pow(.5, (t - Linear) / Halves);
    }

    public override string Describe(RunConfiguration run) => $"memn2n, {run.Get(hops)} hops, width {run.Get(width)}, {run.Get(tying)}, story task {run.Get(Number)}"
        + (run.Get(position) ? "" : ", no position encoding") + (run.Get(time) ? "" : ", no time encoding") + (run.Get(nulls) ? "" : ", no null memories");

    public override Report Test(RunConfiguration run, Objective objective, CancellationToken cancelled) => Answers(run, (BabiObjective)objective, cancelled);

    public override string Hint(Objective objective, string folder) => $"neuralmemory ask {folder} --story FILE --question TEXT";

    public override Report Evaluate(RunConfiguration run, Objective objective, EvaluationOptions options, CancellationToken cancelled)
    {
        if (options.Lengths is not []) throw new UsageException($"--length is no option of the task {Task}: it is tested on all questions there are.");
        if (options.Sequences is not null) throw new UsageException($"--batches is no option of the task {Task}: it is tested on all questions there are.");
        return options.Data is { } folder
            ? Answers(run, new((MemN2N)objective.Model, BabiTask.Read(folder, run.Get(Number), Words(run)), run.Seed, 0), cancelled, folder)
            : Answers(run, (BabiObjective)objective, cancelled);
    }

    /// <param name="run">The run.</param>
    /// <param name="objective">What is tested.</param>
    /// <param name="cancelled">Ends it.</param>
    /// <param name="folder">Where the questions are from, if not those of the run. Which of them it was trained on is not known.</param>
    static Report Answers(RunConfiguration run, BabiObjective objective, CancellationToken cancelled, string? folder = null)
    {
        (double accuracy, double loss) = objective.Test(cancelled);
        (double Accuracy, double Loss)? training = folder is null ? objective.TestTraining(cancelled) : null;
        string questions = $"{objective.Task.Testing.Count:n0} questions {(folder is null ? "that were not trained on" : $"of {folder}")}";
        return new($"{questions}: bAbI task {run.Get(Number)}{(folder is null && !run.Has(Settings.Data) ? ", made by the program" : "")}, {run.Model}, seed {run.Seed}",
            ["answered rightly", "error", "nats a question", .. training is null ? (string[])[] : ["of those trained on", "nats"]],
            [[$"{accuracy:0.000}", $"{1 - accuracy:0.000}", $"{loss:0.0000}", .. training is { } own ? (string[])[$"{own.Accuracy:0.000}", $"{own.Loss:0.0000}"] : []]], json =>
        {
            json.WriteNumber("story_task", run.Get(Number));
            json.WriteNumber("questions", objective.Task.Testing.Count);
            json.WriteNumber("accuracy", accuracy);
            json.WriteNumber("error", 1 - accuracy);
            json.WriteNumber("loss", loss);
            if (training is not { } own) return;
            json.WriteNumber("training_accuracy", own.Accuracy);
            json.WriteNumber("training_loss", own.Loss);
        });
    }
}
