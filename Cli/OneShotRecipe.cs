using System.Globalization;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>One-shot classification: prototypes that the program makes, or Omniglot's characters, one in six of which is never trained on.</summary>
abstract class OneShotRecipe(string model, double rate, params (Setting, object?)[] own) : Recipe("oneshot", model)
{
    const int TestEpisodes = 500, ValidationEpisodes = 64, SideBySide = 16, HeldOut = 6;
    const double MostNorm = 10;

    static readonly Setting<int> classes = Setting.Count("classes", "Classes of an episode.", least: 2, most: 100);
    static readonly Setting<int> length = Setting.Count("length", "Samples of an episode, a multiple of the classes.", most: 10_000);
    static readonly Setting<int> bits = Setting.Count("bits", "Bits of a prototype.", most: 100_000);
    static readonly Setting<double> flips = Setting.Number("flips", "The probability that a bit of a sample is not its prototype's.", end: .5, orLeast: true);
    static readonly Setting<string> characters = Setting.Derived("characters-trained-on");

    public static new IReadOnlyList<Recipe> All { get; } = [new OneShotMannRecipe(), new OneShotLstmRecipe(), new OneShotNtmRecipe()];

    public override IReadOnlyList<(Setting, object?)> Defaults { get; } =
        [.. Common(24_000, 16, rate, logEvery: 1600), Settings.Data.Open, classes.Is(5), length.Is(50), bits.Is(32), flips.Is(.08), characters.Open, .. own];

    public override void Check(RunConfiguration run)
    {
        if (run.Get(length) % run.Get(classes) != 0 || run.Get(length) < run.Get(classes))
            throw new UsageException($"--length: {run.Get(length)} is no multiple of the {run.Get(classes)} classes.");
    }

    /// <summary>The characters trained on are kept with the run, so that whatever it is tested on later, it has not seen.</summary>
    public override RunConfiguration Prepare(RunConfiguration run)
    {
        if (!run.Has(Settings.Data)) return run;
        Omniglot omniglot = Omniglot.Read(run.Get(Settings.Data));
        int[] all = InRandomOrder(omniglot);
        return run.With(characters, string.Join('\n', all[(all.Length / HeldOut)..].Select(c => omniglot.Names[c])));
    }

    protected abstract SequenceModel CreateModel(RunConfiguration run, int inputs, int outputs, Philox random);

    public override Objective Create(RunConfiguration run)
    {
        (OneShotTask training, OneShotTask testing) = Load(run);
        return new OneShotObjective(CreateModel(run, training.InputWidth, training.Classes, new(run.Seed, RandomStreams.Initialization)), training, testing);
    }

    static (OneShotTask Training, OneShotTask Testing) Load(RunConfiguration run)
    {
        if (!run.Has(Settings.Data))
        {
            PrototypeTask task = new(run.Get(bits), run.Get(classes), run.Get(length), run.Get(flips));
            return (task, task);
        }
        string data = run.Get(Settings.Data);
        Omniglot omniglot = Omniglot.Read(data);
        HashSet<string> trained = TrainedOn(run);
        int[] all = InRandomOrder(omniglot), seen = [.. all.Where(c => trained.Contains(omniglot.Names[c]))];
        if (seen.Length < trained.Count) throw new UsageException($"--data: {data} holds {seen.Length} of the {trained.Count} characters that the run was begun with.");
        return (Drawings(run, data, omniglot, seen, disturbed: true), Drawings(run, data, omniglot, [.. all.Except(seen)], disturbed: false));
    }

    /// <summary>What data hold that the run was not trained on.</summary>
    static OmniglotTask Unseen(RunConfiguration run, string data)
    {
        Omniglot omniglot = Omniglot.Read(data);
        HashSet<string> trained = TrainedOn(run);
        return Drawings(run, data, omniglot, [.. InRandomOrder(omniglot).Where(c => !trained.Contains(omniglot.Names[c]))], disturbed: false);
    }

    static HashSet<string> TrainedOn(RunConfiguration run) => run.Has(characters) ? [.. run.Get(characters).Split('\n')] : [];

    /// <summary>The same order whatever the run's seed, so that runs can be compared.</summary>
    static int[] InRandomOrder(Omniglot omniglot)
    {
        int[] all = [.. Enumerable.Range(0, omniglot.Names.Count)];
        new Philox(1).Shuffle(all.AsSpan());
        return all;
    }

    static OmniglotTask Drawings(RunConfiguration run, string data, Omniglot omniglot, int[] chosen, bool disturbed)
    {
        if (4 * chosen.Length < run.Get(classes))
            throw new UsageException($"--data: {data} holds {chosen.Length} characters that are {(disturbed ? "" : "not ")}trained on, too few for {run.Get(classes)} classes.");
        int shown = run.Get(length) / run.Get(classes), least = chosen.Min(c => omniglot.Drawings[c].Length);
        if (shown > least) throw new UsageException($"--length: {run.Get(length)} samples are {shown} drawings of a class, but {data} holds a character with {least}.");
        return new(omniglot, chosen, disturbed, run.Get(classes), run.Get(length));
    }

    public override Optimizer CreateOptimizer(RunConfiguration run, Module model) => new Adam(model.Parameters, run.LearningRate);

    public override TrainerOptions Complete(RunConfiguration run, TrainerOptions options) => options with
    {
        ClipNorm = MostNorm,
        Schedule = new LinearDecaySchedule(run.LearningRate, run.Updates / 2, run.Updates),
        // The characters not trained on are those that the run is reported on: its parameters are not chosen by them. Prototypes are made anew.
        Validation = new(Sequences: ValidationEpisodes, Batch: SideBySide, KeepsBest: !run.Has(Settings.Data)),
    };

    public override Report Test(RunConfiguration run, Objective objective, CancellationToken cancelled) => Accuracies(run, (OneShotObjective)objective, TestEpisodes, cancelled);

    public override string Hint(Objective objective, string folder) => $"neuralmemory eval {folder}";

    public override Report Evaluate(RunConfiguration run, Objective objective, EvaluationOptions options, CancellationToken cancelled)
    {
        if (options.Lengths is not []) throw new UsageException($"--length is no option of eval for the task {Task}: episodes are as long as those trained on, {run.Get(length)}.");
        OneShotObjective tested = (OneShotObjective)objective;
        if (options.Data is { } data)
        {
            OmniglotTask unseen = Unseen(run, data);
            if (unseen.InputWidth != tested.Task.InputWidth) throw new UsageException($"--data: samples of {unseen.SampleWidth} numbers for a model of {tested.Task.SampleWidth}.");
            tested = new((SequenceModel)objective.Model, unseen);
        }
        return Accuracies(run, tested, options.Sequences ?? TestEpisodes, cancelled);
    }

    static Report Accuracies(RunConfiguration run, OneShotObjective objective, int episodes, CancellationToken cancelled)
    {
        double[] accuracy = objective.Test(episodes, SideBySide, new(run.Seed, RandomStreams.Evaluation), cancelled);
        string samples = objective.Unseen is OmniglotTask unseen ? $"{unseen.Characters} characters not trained on" : objective.Task.Name;
        return new($"Accuracy by presentation of a class, {episodes} fresh episodes of {objective.Task.Length}: {samples}, {run.Model}, seed {run.Seed}",
            [.. Enumerable.Range(1, accuracy.Length - 1).Select(k => $"{k}"), "all"],
            [[.. accuracy[1..].Append(accuracy[0]).Select(a => a.ToString("0.000", CultureInfo.InvariantCulture))]], json =>
        {
            json.WriteString("samples", objective.Task.Name);
            if (objective.Unseen is OmniglotTask omniglot) json.WriteNumber("characters", omniglot.Characters);
            json.WriteNumber("accuracy", accuracy[0]);
            json.WriteStartObject("accuracy_by_presentation");
            for (int k = 1; k < accuracy.Length; k++) json.WriteNumber($"{k}", accuracy[k]);
            json.WriteEndObject();
        });
    }
}

/// <summary>Santoro et al. 2016.</summary>
sealed class OneShotMannRecipe() : OneShotRecipe("mann", 1e-3, Settings.Hidden.Is(Mann.PaperSizes.Hidden), Settings.Slots.Is(Mann.PaperSizes.Slots), Settings.Width.Is(Mann.PaperSizes.Width),
    Settings.ReadHeads.Is(Mann.PaperSizes.Heads), decay.Is(Mann.PaperSizes.Decay), keyStrength.Is(Mann.PaperSizes.KeyStrength), writesKey.Is(Mann.PaperSizes.WritesKey))
{
    static readonly Setting<double> decay = Setting.Number("usage-decay", "What is left of a slot's usage after a step.", end: 1, orLeast: true);
    static readonly Setting<double> keyStrength = Setting.Number("key-strength", "What the similarity of key and slot is multiplied by; 1 for none.");
    static readonly Setting<bool> writesKey = Setting.Switch("write-key", "Whether a head writes its key, as in the paper, and not a vector of its own.");

    static MannSizes Sizes(RunConfiguration run) => new(run.Get(Settings.Hidden), run.Get(Settings.Slots), run.Get(Settings.Width), run.Get(Settings.ReadHeads), run.Get(decay), run.Get(keyStrength), run.Get(writesKey));

    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        MannSizes s = Sizes(run);
        if (s.Heads > s.Slots) throw new UsageException($"--read-heads: {s.Heads} are more than the {s.Slots} slots.");
        AtMost(4.0 * s.Hidden * (s.Hidden + (double)s.Heads * s.Width), "--hidden x --read-heads x --width");
        AtMost((double)s.Slots * s.Width, "--slots x --width");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, int inputs, int outputs, Philox random) => new Mann(inputs, outputs, Sizes(run), random);

    public override string Describe(RunConfiguration run) =>
        $"mann, controller lstm {run.Get(Settings.Hidden)}, memory {run.Get(Settings.Slots)} x {run.Get(Settings.Width)}, {run.Get(Settings.ReadHeads)} heads, key strength {run.Get(keyStrength)}";
}

/// <summary>The baseline: an LSTM of as many units as the memory-augmented network's controller.</summary>
sealed class OneShotLstmRecipe() : OneShotRecipe("lstm", 1e-3, Settings.Hidden.Is(Mann.PaperSizes.Hidden), Settings.Layers.Is(1))
{
    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        double hidden = run.Get(Settings.Hidden);
        AtMost(8 * hidden * hidden * run.Get(Settings.Layers), "--hidden x --layers");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, int inputs, int outputs, Philox random) =>
        new LstmModel(inputs, outputs, run.Get(Settings.Hidden), run.Get(Settings.Layers), random);

    public override string Describe(RunConfiguration run) => $"lstm, {run.Get(Settings.Layers)} x {run.Get(Settings.Hidden)}";
}

/// <summary>A Neural Turing Machine of the memory-augmented network's sizes: it addresses by place as well, and has no usage.</summary>
sealed class OneShotNtmRecipe() : OneShotRecipe("ntm", 1e-3, Settings.Hidden.Is(Mann.PaperSizes.Hidden), Settings.Slots.Is(Mann.PaperSizes.Slots), Settings.Width.Is(Mann.PaperSizes.Width),
    Settings.ReadHeads.Is(1))
{
    static NtmSizes Sizes(RunConfiguration run) => new(run.Get(Settings.Hidden), run.Get(Settings.Slots), run.Get(Settings.Width), run.Get(Settings.ReadHeads), run.Get(Settings.ReadHeads),
        Math.Min(3, (run.Get(Settings.Slots) - 1) / 2 * 2 + 1), NtmController.Lstm);

    public override void Check(RunConfiguration run)
    {
        base.Check(run);
        NtmSizes s = Sizes(run);
        AtMost(4.0 * s.Hidden * (s.Hidden + (double)s.ReadHeads * s.Width), "--hidden x --read-heads x --width");
        AtMost((double)s.Slots * s.Width, "--slots x --width");
    }

    protected override SequenceModel CreateModel(RunConfiguration run, int inputs, int outputs, Philox random) => new Ntm(inputs, outputs, Sizes(run), random);

    public override string Describe(RunConfiguration run) =>
        $"ntm, controller lstm {run.Get(Settings.Hidden)}, memory {run.Get(Settings.Slots)} x {run.Get(Settings.Width)}, {run.Get(Settings.ReadHeads)} heads to read and to write";
}
