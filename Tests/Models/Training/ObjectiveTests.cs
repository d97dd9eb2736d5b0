using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Optimizers;
using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

/// <summary>The trainer trains any module for anything: here points of the plane, to be told on which side of a line they lie.</summary>
[NonParallelizable]
public class ObjectiveTests
{
    sealed class Plane : NeuralMemory.Module
    {
        public Plane() => (Weight, Bias) = (Parameter("weight", [1, 2], Initializers.FanInUniform, new(1)), Parameter("bias", [1], Initializers.Zeros, new(1)));

        public Tensor Weight { get; }
        public Tensor Bias { get; }
    }

    /// <summary>Right of the line x = 0.3.</summary>
    sealed class Side(Plane model) : Objective(model)
    {
        public const int Points = 4;
        float[] shown = [], wanted = [];
        Tensor logits;

        public override IReadOnlyList<string> Metrics { get; } = ["right", "shown"];
        public override string ValidationMetric => "accuracy";
        public override bool GreaterIsBetter => true;
        public override long TimeSteps => wanted.Length;
        public List<bool> Tested { get; } = [];

        public override Tensor Loss(Philox random, int batch)
        {
            if (wanted.Length != batch * Points) (shown, wanted) = (new float[batch * Points * 2], new float[batch * Points]);
            for (int i = 0; i < shown.Length; i++) shown[i] = 2 * random.NextSingle() - 1;
            for (int i = 0; i < wanted.Length; i++) wanted[i] = shown[2 * i] > .3f ? 1 : 0;
            logits = Tensor.From(shown, [batch, Points, 2]).Linear(model.Weight, model.Bias);       // [batch, points, 1]
            return logits.BinaryCrossEntropyWithLogits(Tensor.From(wanted, [batch, Points, 1]));
        }

        public override void Measure(double loss, Span<double> sums)
        {
            Span<float> said = stackalloc float[wanted.Length];
            logits.CopyTo(said);
            for (int i = 0; i < said.Length; i++) sums[0] += said[i] > 0 == wanted[i] > .5f ? 1.0 / Points : 0;
            sums[1] += wanted.Length / Points;
        }

        public override double Validate(Validation validation, ulong seed) => Testing(() =>
        {
            using Tape.Scope step = Tape.Step();
            Loss(new(seed, RandomStreams.Validation), validation.Sequences);
            Tested.Add(Model.IsTraining || Tape.IsRecording);
            double[] sums = new double[2];
            Measure(0, sums);
            return sums[0] / validation.Sequences;
        });

        public override IReadOnlyList<Picture> Pictures() => [new("logits", new float[1, wanted.Length])];
    }

    static (Plane Model, Side Side, Trainer Trainer) Run(string folder, Func<TrainerOptions, TrainerOptions>? change = null)
    {
        Plane model = new();
        Side side = new(model);
        TrainerOptions options = new() { Batch = 3, Sequences = 900, LogInterval = 60, Folder = folder, CheckpointPeriod = null, SamplePeriod = TimeSpan.Zero, Validation = new(Sequences: 50) };
        return (model, side, new(side, new Adam(model.Parameters, .05), change?.Invoke(options) ?? options));
    }

    static float[] Numbers(Plane model) => [.. model.Parameters.SelectMany(p => p.ToArray())];

    [Test]
    public void It_learns_measures_and_keeps_the_parameters_of_the_greatest_accuracy()
    {
        using Scratch scratch = new();
        (Plane model, Side side, Trainer trainer) = Run(scratch["run"]);
        double best = double.NegativeInfinity;
        float[] kept = [];
        List<TrainingMetrics> logged = [];
        trainer.Logged += metrics =>
        {
            logged.Add(metrics);
            if (!(metrics["accuracy"] >= best)) return;                    // of equal ones the last
            (best, kept) = (metrics["accuracy"]!.Value, Numbers(model));
        };
        TrainingResult result = trainer.Run();
        Assert.That((result.Sequences, result.Steps, result.TimeSteps), Is.EqualTo((900L, 300L, 3600L)));
        Assert.That(logged[^1]["right"], Is.GreaterThan(.9).And.LessThanOrEqualTo(1));
        Assert.That(logged.Select(m => m["shown"]), Is.All.EqualTo(1.0), "a mean over the sequences");
        Assert.That((logged[0]["wrong_bits"], double.IsNaN(logged[0].BitsPerSequence), logged[0].ValidationBits), Is.EqualTo(((double?)null, true, (double?)null)));
        Assert.That(trainer.State.BestValidation, Is.EqualTo(-best));
        Assert.That(side.Tested, Has.Count.EqualTo(15).And.All.False);
        new RunFolder(scratch["run"]).LoadBest(model);
        Assert.That(Numbers(model), Is.EqualTo(kept));

        IReadOnlyList<TrainingMetrics> read = new RunFolder(scratch["run"]).ReadMetrics();
        Assert.That(read.Select(m => $"{m with { Elapsed = default }}"), Is.EqualTo(logged.Select(m => $"{m with { Elapsed = default }}")));
        Assert.That(JsonDocument.Parse(File.ReadLines(new RunFolder(scratch["run"]).MetricsPath).First()).RootElement.EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])
            ["sequences", "steps", "loss", "right", "shown", "accuracy", "learning_rate", "sequences_per_second", "time_steps_per_second", "elapsed_seconds"]));
    }

    [Test]
    public void Each_gradient_can_be_clipped_by_itself()
    {
        Plane model = new();
        float[][] before = [.. model.Parameters.Select(p => p.ToArray())];
        new Trainer(new Side(model), new Sgd(model.Parameters, 1), new() { Batch = 3, Sequences = 3, ClipEachNorm = 1e-3 }).Run();
        foreach ((Tensor parameter, float[] was) in model.Parameters.Zip(before))
            Assert.That(Math.Sqrt(parameter.ToArray().Zip(was).Sum(x => Math.Pow(x.First - x.Second, 2))), Is.EqualTo(1e-3).Within(1e-6), "together they would be sqrt(2) too long");
    }

    [Test]
    public void A_validation_that_is_only_looked_at_leaves_the_last_parameters()
    {
        using Scratch scratch = new();
        (Plane model, _, Trainer trainer) = Run(scratch["run"], options => options with { Validation = new(Sequences: 50, KeepsBest: false) });
        trainer.Run();
        float[] last = Numbers(model);
        new RunFolder(scratch["run"]).LoadBest(model);
        Assert.That(Numbers(model), Is.EqualTo(last));
        Assert.That(File.Exists(new RunFolder(scratch["run"]).BestPath), Is.False);
        Assert.That(new RunFolder(scratch["run"]).ReadMetrics()[^1]["accuracy"], Is.Not.Null);
    }

    [Test]
    public void Resumed_within_an_interval_it_ends_with_the_same_bits_and_lines()
    {
        using Scratch scratch = new();
        (Plane whole, _, Trainer undisturbed) = Run(scratch["whole"]);
        undisturbed.Run();
        (_, _, Trainer first) = Run(scratch["part"]);
        first.Sampled += sample => { if (sample.Sequences == 510) first.Stop(); };
        first.Run();
        (Plane resumed, _, Trainer second) = Run(scratch["part"]);
        second.Resume();
        second.Run();
        Assert.That(Numbers(resumed), Is.EqualTo(Numbers(whole)));
        Assert.That(TinyRun.Metrics(scratch["part"]), Is.EqualTo(TinyRun.Metrics(scratch["whole"])));
    }

    [Test]
    public void A_checkpoint_for_another_objective_is_refused()
    {
        using Scratch scratch = new();
        new TinyRun(new() { Sequences = 5, Folder = scratch["run"] }).Trainer.Run();
        (_, _, Trainer trainer) = Run(scratch["run"]);
        Assert.That(trainer.Resume, Throws.TypeOf<CheckpointException>().With.Message.EqualTo($"{new RunFolder(scratch["run"]).CheckpointPath}: metadata \"window_right\" is missing."));
    }

    [Test]
    public void Early_stopping_watches_an_accuracy_that_no_longer_rises()
    {
        using Scratch scratch = new();
        (_, _, Trainer trainer) = Run(scratch["run"], options => options with { Sequences = 100_000, EarlyStopping = new(3, StoppingMetric.Validation, MinimumImprovement: 2) });
        TrainingResult result = trainer.Run();
        Assert.That((result.Reason, result.Sequences), Is.EqualTo((StopReason.StoppedEarly, 240L)), "one interval to be the best, three without improvement");
    }

    [Test]
    public void A_sample_shows_pictures_and_has_no_episode_of_bits()
    {
        using Scratch scratch = new();
        (_, Side side, Trainer trainer) = Run(scratch["run"], options => options with { Sequences = 3 });
        int seen = 0;
        trainer.Sampled += sample =>
        {
            seen++;
            Assert.That(sample.Objective, Is.SameAs(side));
            Assert.That(sample.Objective.Pictures().Single().Values.GetLength(1), Is.EqualTo(12));
            Assert.That(() => sample.Episode, Throws.InvalidOperationException.With.Message.Contains("Side has no episodes"));
        };
        trainer.Run();
        Assert.That(seen, Is.EqualTo(1));
    }
}
