using System.Globalization;
using System.Text.Json;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>The tasks of bits, on a Neural Turing Machine, on LSTMs, on a Transformer or on a Differentiable Neural Computer.</summary>
/// <param name="task">The task.</param>
/// <param name="model">The model.</param>
/// <param name="sequences">Sequences to train on.</param>
/// <param name="batch">Sequences of an update.</param>
/// <param name="rate">The learning rate.</param>
/// <param name="validationLength">The length of the sequences that choose which parameters are kept. Where it is greater than those trained on, they are judged by how they generalise.</param>
/// <param name="lengths">The lengths that the model is tested on, in the task's unit; the first of them are trained on.</param>
/// <param name="own">The model's own settings.</param>
abstract class SequenceRecipe(string task, string model, long sequences, int batch, double rate, int validationLength, int[] lengths, params (Setting, object?)[] own) : Recipe(task, model)
{
    // RMSprop with the momentum and the clipping of section 4.6; alpha and epsilon are ours.
    const double Alpha = 0.95, Momentum = 0.9, Epsilon = 1e-6, ClipValue = 10;
    const int TestSequences = 100, MostSideBySide = 10, MostLengths = 2000;
    const int ValidationSequences = 20, MostValidated = 4000, LongestValidation = 1 << 16;

    static readonly Setting<int> validatedLength = Setting.Count("validation-length", "The length of the sequences by which the best parameters are chosen.", most: LongestValidation);

    /// <summary>Memory and controller have the copy task's sizes throughout.</summary>
    public static new IReadOnlyList<Recipe> All { get; } =
    [
        //                                ntm rate  controller    heads  lstm  rate  valid. lengths
        .. Each("copy",          20_000,    1e-4,  "lstm",           1,   256,  3e-5,  120,  [10, 20, 40, 80, 120]),
        new DncRecipe("copy", 20_000, 1e-4, hidden: 100, slots: 32, width: 20, heads: 1, validationLength: 20, [10, 20, 30]),
        .. Each("repeat-copy",   60_000,    1e-4,  "lstm",           1,   512,  3e-5,   20,  [5, 10, 15, 20]),       // vectors
        .. Each("recall",        60_000,    1e-4,  "feed-forward",   4,   256,  1e-4,   10,  [2, 6, 10, 15, 20]),    // items
        .. Each("ngrams",        20_000,    3e-5,  "lstm",           1,   128,  1e-4,  200,  [100, 200, 400]),       // bits
        .. Each("priority-sort", 20_000,    3e-5,  "lstm",           5,   128,  3e-5,   20,  [10, 20, 30]),          // vectors shown
    ];

    static Recipe[] Each(string task, long sequences, double ntmRate, string controller, int heads, int lstmHidden, double lstmRate, int validationLength, int[] lengths) =>
    [
        new NtmRecipe(task, sequences, ntmRate, controller, heads, validationLength, lengths),
        new LstmRecipe(task, sequences, lstmRate, lstmHidden, validationLength, lengths),
        new SequenceTransformerRecipe(task, lengths),
    ];

    public override IReadOnlyList<(Setting, object?)> Defaults { get; } =
        [.. Common(sequences, batch, rate, logEvery: 250 * batch), validatedLength.Is(validationLength), Settings.EarlyStopping.Open, .. own];

    public override void Check(RunConfiguration run)
    {
        int shortest = SequenceTasks.Create(Task).ShortestLength;
        if (run.Get(validatedLength) < shortest) throw new UsageException($"--validation-length: {run.Get(validatedLength)} is too short for {Task}; at least {shortest} was expected.");
    }

    protected abstract SequenceModel CreateModel(RunConfiguration run, SequenceTask task, Philox random);

    public override Objective Create(RunConfiguration run)
    {
        SequenceTask sequenceTask = SequenceTasks.Create(Task);
        return new SequenceObjective(CreateModel(run, sequenceTask, new(run.Seed, RandomStreams.Initialization)), sequenceTask);
    }

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => new RmsProp(model.Parameters, run.LearningRate, Alpha, Epsilon, momentum: Momentum);

    /// <summary>Constant for the first half, then falling to 0.</summary>
    protected virtual LearningRateSchedule Schedule(RunConfiguration run) => new LinearDecaySchedule(run.LearningRate, run.Updates / 2, run.Updates);

    public override TrainerOptions Complete(RunConfiguration run, TrainerOptions options) => options with
    {
        ClipValue = ClipValue,
        Schedule = Schedule(run),
        // Longer ones run fewer side by side, for the memory's sake.
        Validation = new(run.Get(validatedLength), ValidationSequences, Math.Clamp(MostValidated / run.Get(validatedLength), 1, ValidationSequences)),
        EarlyStopping = options.EarlyStopping is { } stopping ? stopping with { Metric = StoppingMetric.BitsPerSequence } : null,
    };

    public override double Cost(TrainingMetrics metrics) => metrics.BitsPerSequence;

    public override string CostUnit => "bits";

    public override string Describe(TrainingMetrics metrics) => $"cost {Progress.Bits(metrics.BitsPerSequence),7} bits, {metrics.WrongBits,6:0.0} wrong";

    /// <summary><c>train</c> and <c>eval</c> see the same sequences.</summary>
    public override Report Test(RunConfiguration run, Objective objective, CancellationToken cancelled)
    {
        List<EvaluationResult> tests = [.. lengths.Select(length => Evaluate(run, objective, length, TestSequences, cancelled))];
        return Report(run, tests, json =>
        {
            json.WriteStartObject("bits");
            foreach (EvaluationResult test in tests) json.WriteNumber($"{test.Length}", test.MedianBits);
            json.WriteEndObject();
        });
    }

    public override string Hint(Objective objective, string folder) => $"neuralmemory eval {folder} --length {((SequenceObjective)objective).Task.MaxLength}";

    public override Report Evaluate(RunConfiguration run, Objective objective, EvaluationOptions options, CancellationToken cancelled)
    {
        if (options.Data is not null) throw new UsageException($"--data: the task {Task} makes its own sequences.");
        IReadOnlyList<int> asked = options.Lengths is [] ? [((SequenceObjective)objective).Task.MaxLength] : options.Lengths;
        List<EvaluationResult> results = [.. asked.Select(length => Evaluate(run, objective, length, options.Sequences ?? TestSequences, cancelled))];
        return Report(run, results, json => Cli.Report.Each(json, results, result =>
        {
            json.WriteNumber("length", result.Length);
            json.WriteNumber("sequences", result.Sequences);
            json.WriteNumber("asked_bits", result.OutputBits);
            json.WriteNumber("bits", result.MedianBits);
            json.WriteNumber("mean_bits", result.MeanBits);
            json.WriteNumber("wrong_bits", result.MedianWrongBits);
            json.WriteNumber("mean_wrong_bits", result.MeanWrongBits);
        }));
    }

    static EvaluationResult Evaluate(RunConfiguration run, Objective objective, int length, int sequences, CancellationToken cancelled)
    {
        SequenceTask task = ((SequenceObjective)objective).Task;
        if (length < task.ShortestLength) throw new UsageException($"--length: {length} is too short for {task.Name}; at least {task.ShortestLength} was expected.");
        // Longer ones run fewer side by side, for the memory's sake.
        int batch = Math.Clamp(MostLengths / length, 1, MostSideBySide);
        try
        {
            return Evaluation.Run((SequenceModel)objective.Model, task, length, sequences, run.Seed, batch, cancellationToken: cancelled);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new UsageException($"--length: {length} is too long: {e.Message}");
        }
    }

    static Report Report(RunConfiguration run, List<EvaluationResult> tests, Action<Utf8JsonWriter> json) => new(
        $"Bits per sequence, {tests[0].Sequences} fresh sequences each: {run.Task}, {run.Model}, seed {run.Seed}",
        ["length", "asked for", "cost, median", "cost, mean", "wrong, median", "wrong, mean"],
        [.. tests.Select(test => (string[])[$"{test.Length}", test.OutputBits.ToString("0.#", CultureInfo.InvariantCulture), .. new[] { test.MedianBits, test.MeanBits, test.MedianWrongBits, test.MeanWrongBits }.Select(Progress.Bits)])],
        json)
    {
        ByLength = new("cost of a sequence in bits, the median", Progress.Bits, [.. tests.Select(test => (test.Length, test.MedianBits))]),
    };
}

/// <summary>Stacked LSTMs, the paper's baseline.</summary>
sealed class LstmRecipe(string task, long sequences, double rate, int hidden, int validationLength, int[] lengths)
    : SequenceRecipe(task, "lstm", sequences, batch: 1, rate, validationLength, lengths, Settings.Hidden.Is(hidden), Settings.Layers.Is(3))
{
    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        double hidden = run.Get(Settings.Hidden);
        AtMost(4 * hidden * hidden, "--hidden");
        AtMost(8 * hidden * hidden * run.Get(Settings.Layers), "--layers");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, SequenceTask task, Philox random) =>
        new LstmModel(task.InputWidth, task.OutputWidth, run.Get(Settings.Hidden), run.Get(Settings.Layers), random);

    public override string Describe(RunConfiguration run) => $"lstm, {run.Get(Settings.Layers)} x {run.Get(Settings.Hidden)}";
}

/// <summary>The Neural Turing Machine.</summary>
sealed class NtmRecipe(string task, long sequences, double rate, string steers, int heads, int validationLength, int[] lengths)
    : SequenceRecipe(task, "ntm", sequences, batch: 1, rate, validationLength, lengths,
        Settings.Hidden.Is(Ntm.PaperSizes.Hidden), Settings.Slots.Is(Ntm.PaperSizes.Slots), Settings.Width.Is(Ntm.PaperSizes.Width),
        Settings.ReadHeads.Is(heads), writeHeads.Is(heads), shifts.Is(Ntm.PaperSizes.Shifts), controller.Is(steers), memoryStart.Is("learned"))
{
    static readonly Setting<int> writeHeads = Setting.Count("write-heads", "Heads that write.", least: 0);
    static readonly Setting<int> shifts = Setting.Count("shifts", "Positions that a head can shift by in one step, an odd number.");
    static readonly Setting<string> controller = Setting.Choice("controller", "What steers the heads.", "lstm", "feed-forward");
    static readonly Setting<string> memoryStart = Setting.Choice("memory-start", "What the memory holds at first.", "learned", "constant", "random");

    static NtmSizes Sizes(RunConfiguration run) => new(
        run.Get(Settings.Hidden), run.Get(Settings.Slots), run.Get(Settings.Width), run.Get(Settings.ReadHeads), run.Get(writeHeads), run.Get(shifts),
        run.Get(controller) == "lstm" ? NtmController.Lstm : NtmController.FeedForward);

    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        NtmSizes sizes = Sizes(run);
        if (sizes.Shifts % 2 == 0) throw new UsageException($"--shifts: {sizes.Shifts} is even; an odd number was expected, as many to the left as to the right.");
        if (sizes.Shifts > sizes.Slots) throw new UsageException($"--shifts: {sizes.Shifts} are more than the {sizes.Slots} slots.");
        AtMost(4.0 * sizes.Hidden * sizes.Hidden, "--hidden");
        AtMost((double)sizes.Slots * sizes.Width, "--slots x --width");
        AtMost((double)sizes.ReadHeads * sizes.Width, "--read-heads x --width");
        AtMost((double)sizes.WriteHeads * sizes.Width, "--write-heads x --width");
        AtMost((3.0 * ((double)sizes.ReadHeads + sizes.WriteHeads) * ((double)sizes.Width + sizes.Shifts) + 4.0 * sizes.ReadHeads * sizes.Width) * sizes.Hidden, "--hidden x the heads");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, SequenceTask task, Philox random) =>
        new Ntm(task.InputWidth, task.OutputWidth, Sizes(run), random, run.Get(memoryStart) switch
        {
            "learned" => MemoryStart.Learned,
            "constant" => MemoryStart.Constant,
            _ => MemoryStart.Random,
        });

    public override string Describe(RunConfiguration run) => $"ntm, controller {run.Get(controller)} {run.Get(Settings.Hidden)}, "
        + $"memory {run.Get(Settings.Slots)} x {run.Get(Settings.Width)}, heads {run.Get(Settings.ReadHeads)} + {run.Get(writeHeads)}";
}

/// <summary>A Transformer that sees every step before. Positions beyond those trained on are new to it: its parameters are chosen by the longest sequences trained on, since at greater lengths the best are those that have learned nothing.</summary>
sealed class SequenceTransformerRecipe(string task, int[] lengths)
    : SequenceRecipe(task, "transformer", sequences: 320_000, batch: 16, rate: 1e-3, SequenceTasks.Create(task).MaxLength, lengths,
        Settings.Width.Is(64), Settings.Heads.Is(4), Settings.FeedForward.Is(256), Settings.Layers.Is(3), Settings.Positions.Is("sinusoidal"), Settings.WarmUp.Is(1000))
{
    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        TransformerSettings.Check(run, 4);
    }

    protected override LearningRateSchedule Schedule(RunConfiguration run) => TransformerSettings.Schedule(run);

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => TransformerSettings.Optimizer(run, model);

    protected override SequenceModel CreateModel(RunConfiguration run, SequenceTask task, Philox random) => new SequenceTransformer(task.InputWidth, task.OutputWidth,
        new(run.Get(Settings.Width), run.Get(Settings.Heads), run.Get(Settings.FeedForward), run.Get(Settings.Layers), run.Get(Settings.Positions) == "sinusoidal"), random);

    public override string Describe(RunConfiguration run) => $"transformer, {run.Get(Settings.Layers)} layers, width {run.Get(Settings.Width)}, {run.Get(Settings.Heads)} heads, "
        + $"feed-forward {run.Get(Settings.FeedForward)}, positions {run.Get(Settings.Positions)}";
}

/// <summary>The Differentiable Neural Computer.</summary>
sealed class DncRecipe(string task, long sequences, double rate, int hidden, int slots, int width, int heads, int validationLength, int[] lengths)
    : SequenceRecipe(task, "dnc", sequences, batch: 1, rate, validationLength, lengths, DncSettings.Of(hidden, slots, width, heads))
{
    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        AtMost(DncSettings.Largest(run), "--hidden, --slots, --width and --read-heads");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, SequenceTask task, Philox random) => new Dnc(task.InputWidth, task.OutputWidth, DncSettings.Sizes(run), random);

    public override string Describe(RunConfiguration run) => DncSettings.Describe(run);
}
