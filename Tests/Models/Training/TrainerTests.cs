using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

[NonParallelizable]
public class TrainerTests
{
    Scratch scratch = null!;

    [SetUp]
    public void Make() => scratch = new();

    [TearDown]
    public void Delete() => scratch.Dispose();

    string Folder => scratch["run"];

    TrainerOptions Options => new()
    {
        Batch = 2,
        Sequences = 100,
        LogInterval = 20,
        ClipValue = 10,
        ClipNorm = 5,
        Folder = Folder,
        CheckpointPeriod = null,
        SamplePeriod = TimeSpan.Zero,
        Configuration = """{"model": "tiny"}""",
    };

    [Test]
    public void The_loss_falls()
    {
        List<TrainingMetrics> metrics = [];
        TinyRun run = new(Options with { Sequences = 2000, LogInterval = 200, Folder = null });
        run.Trainer.Logged += metrics.Add;
        TrainingResult result = run.Trainer.Run();
        Assert.That(metrics.Select(m => m.Sequences), Is.EqualTo(Enumerable.Range(1, 10).Select(i => 200 * i)));
        Assert.That(metrics[0].Loss, Is.GreaterThan(0.69), "chance");
        Assert.That(metrics[^1].Loss, Is.LessThan(metrics[0].Loss));
        foreach (TrainingMetrics m in metrics)
        {
            Assert.That(m.Steps, Is.EqualTo(m.Sequences / 2));
            Assert.That(m.BitsPerSequence, Is.InRange(5, 18), "3.5 vectors of 3 bits on average, none of which can be known");
            Assert.That(m.WrongBits, Is.InRange(3, 8));
            Assert.That(m.SequencesPerSecond, Is.GreaterThan(0));
            Assert.That(m.TimeStepsPerSecond / m.SequencesPerSecond, Is.InRange(4, 14), "2 L + 2 steps");
        }
        Assert.That((result.Reason, result.Sequences, result.Steps, result.Metrics), Is.EqualTo((StopReason.Completed, 2000L, 1000L, metrics[^1])));
        Assert.That(result.TimeSteps, Is.InRange(4 * 2000, 14 * 2000));
    }

    [Test]
    public void Loss_bits_and_wrong_bits_are_those_of_the_episodes()
    {
        List<(double Bits, double Wrong)> seen = [];
        TinyRun run = new(Options with { Sequences = 20, Folder = null });
        TrainingMetrics? logged = null;
        run.Trainer.Logged += m => logged = m;
        run.Trainer.Sampled += sample =>
        {
            double[] bits = new double[2], wrong = new double[2];
            sample.Episode.CrossEntropyBits(sample.Logits, bits);
            sample.Episode.ErrorBits(sample.Logits, wrong);
            seen.Add((bits.Average(), wrong.Average()));
        };
        run.Trainer.Run();
        Assert.That(seen, Has.Count.EqualTo(10));
        Assert.That(logged!.BitsPerSequence, Is.EqualTo(seen.Average(s => s.Bits)).Within(1e-5));
        Assert.That(logged.WrongBits, Is.EqualTo(seen.Average(s => s.Wrong)).Within(1e-12));
        Assert.That(logged.Loss, Is.EqualTo(seen.Average(s => s.Bits * Math.Log(2))).Within(1e-5));
    }

    [Test]
    public void The_parameters_that_did_best_in_validation_are_kept()
    {
        double best = double.PositiveInfinity;
        float[][] expected = [];
        TinyRun run = new(Options with { Sequences = 400, LogInterval = 10, Folder = Folder, Validation = new(4, 10, 5) });
        run.Trainer.Logged += metrics =>
        {
            if (metrics.ValidationBits > best) return;
            best = metrics.ValidationBits!.Value;
            expected = [.. run.Model.Parameters.Select(p => p.ToArray())];
        };
        run.Trainer.Run();
        Assert.That(run.Trainer.State.BestValidation, Is.EqualTo(best));
        new RunFolder(Folder).LoadBest(run.Model);
        Assert.That(run.Model.Parameters.Select(p => p.ToArray()), Is.EqualTo(expected));
    }

    [Test]
    public void The_folder_holds_checkpoint_metrics_and_configuration()
    {
        TinyRun run = new(Options with { Sequences = 50 });
        run.Trainer.Run();
        RunFolder folder = new(Folder);
        Assert.That(Directory.GetFiles(Folder).Select(Path.GetFileName).Order(), Is.EqualTo(new[] { "checkpoint.safetensors", "config.json", "metrics.jsonl" }));
        Assert.That(File.ReadAllText(folder.ConfigurationPath), Is.EqualTo("""{"model": "tiny"}""" + "\n"));
        Assert.That(folder.ReadMetrics().Select(m => m.Sequences), Is.EqualTo(new[] { 20, 40, 50 }), "the last interval is shorter");
        JsonElement line = JsonDocument.Parse(File.ReadLines(folder.MetricsPath).First()).RootElement;
        Assert.That(line.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[]
        {
            "sequences", "steps", "loss", "bits_per_sequence", "wrong_bits", "learning_rate", "sequences_per_second", "time_steps_per_second", "elapsed_seconds",
        }));
        Checkpoint checkpoint = Checkpoint.Read(folder.CheckpointPath);
        Assert.That((checkpoint.State.Sequences, checkpoint.State.Steps, checkpoint.Optimizer), Is.EqualTo((50L, 25L, "RmsProp")));
        Assert.That(checkpoint.Configuration, Is.EqualTo("""{"model": "tiny"}"""));
    }

    /// <summary>Everything that a checkpoint has to carry: momentum, a schedule, an interval that has begun, early stopping, validation, a model that draws numbers.</summary>
    TrainerOptions Everything(Philox noise, string folder, int? checkpointInterval = null) => Options with
    {
        Sequences = 150,
        LogInterval = 16,
        Folder = folder,
        Schedule = new CosineSchedule(0.02, 70),
        CheckpointInterval = checkpointInterval,
        EarlyStopping = new(50, StoppingMetric.ValidationBits, 0.01),
        Validation = new(3, 4),
        Generators = [("noise", noise)],
    };

    TinyRun NewRun(string folder, int? checkpointInterval = null)
    {
        Philox noise = new(7, 9);
        return new(Everything(noise, folder, checkpointInterval), prepare: model => model.Noise = noise);
    }

    [Test]
    public void Resumed_after_any_number_of_updates_it_ends_with_the_same_bits()
    {
        TinyRun whole = NewRun(Folder);
        whole.Trainer.Run();
        string[] metrics = TinyRun.Metrics(Folder);
        Assert.That(metrics, Has.Length.EqualTo(10));
        foreach (int k in (int[])[0, 1, 2, 7, 8, 9, 33, 74, 75])
        {
            string folder = scratch[$"after {k}"];
            TinyRun first = NewRun(folder);
            first.Trainer.Sampled += sample => { if (sample.Sequences >= 2 * k) first.Trainer.Stop(); };
            using CancellationTokenSource cancelled = new();
            if (k == 0) cancelled.Cancel();
            TrainingResult part = first.Trainer.Run(cancelled.Token);
            if (k is > 0 and < 75) Assert.That(part.Sequences, Is.GreaterThanOrEqualTo(2 * k).And.LessThan(150));

            TinyRun second = NewRun(folder);
            second.Trainer.Resume();
            Assert.That(second.Trainer.Run().Reason, Is.EqualTo(StopReason.Completed));
            Assert.That(second.Bits, Is.EqualTo(whole.Bits), $"resumed after {k}");
            Assert.That(TinyRun.Metrics(folder), Is.EqualTo(metrics), $"resumed after {k}");
        }
    }

    /// <summary>A process that dies leaves the last checkpoint and more lines of metrics, one of them torn, and a file that it had begun.</summary>
    [TestCase(2)]
    [TestCase(14)]
    [TestCase(32)]
    [TestCase(50)]
    [TestCase(1000)]
    public void Abandoned_at_any_moment_it_ends_with_the_same_bits(int checkpointInterval)
    {
        TinyRun whole = NewRun(Folder);
        whole.Trainer.Run();
        foreach (int dies in (int[])[1, 8, 30, 31, 64, 73])
        {
            string folder = scratch[$"dies at {dies}"];
            TinyRun dying = NewRun(folder, checkpointInterval);
            int forwards = 0;
            dying.Model.OnForward = _ => { if (++forwards == dies) throw new OperationCanceledException("killed"); };
            Assert.That(() => dying.Trainer.Run(), Throws.TypeOf<OperationCanceledException>());
            File.AppendAllText(Path.Combine(folder, "metrics.jsonl"), """{"sequences":16""");
            File.WriteAllText(Path.Combine(folder, "checkpoint.safetensors.x1y2z3.abc.tmp"), "half");

            TinyRun second = NewRun(folder, checkpointInterval);
            second.Trainer.Resume();
            second.Trainer.Run();
            Assert.That(second.Bits, Is.EqualTo(whole.Bits), $"died at {dies}");
            Assert.That(TinyRun.Metrics(folder), Is.EqualTo(TinyRun.Metrics(Folder)), $"died at {dies}");
            Assert.That(File.ReadAllBytes(Path.Combine(folder, "best.safetensors")), Is.EqualTo(File.ReadAllBytes(Path.Combine(Folder, "best.safetensors"))), $"died at {dies}");
            Assert.That(Directory.GetFiles(folder).Select(Path.GetFileName), Is.EquivalentTo(new[] { "best.safetensors", "checkpoint.safetensors", "config.json", "metrics.jsonl" }));
        }
    }

    [Test]
    public void A_run_that_died_before_its_first_update_resumes()
    {
        TinyRun whole = NewRun(scratch["whole"]);
        whole.Trainer.Run();
        Directory.CreateDirectory(Folder);
        File.WriteAllText(Path.Combine(Folder, "checkpoint.safetensors.x1y2z3.abc.tmp"), "the first checkpoint of a run killed even earlier");
        TinyRun dying = NewRun(Folder);
        dying.Trainer.CheckpointSaved += _ => throw new OperationCanceledException("killed after the first checkpoint");
        Assert.That(() => dying.Trainer.Run(), Throws.TypeOf<OperationCanceledException>());
        Assert.That(Directory.GetFiles(Folder), Has.Length.EqualTo(1));
        TinyRun second = NewRun(Folder);
        second.Trainer.Resume();
        second.Trainer.Run();
        Assert.That(second.Bits, Is.EqualTo(whole.Bits));
        Assert.That(File.Exists(Path.Combine(Folder, "config.json")));
    }

    [Test]
    public void What_is_trained_does_not_depend_on_checkpoints_or_live_views()
    {
        TinyRun quiet = NewRun(scratch["quiet"]), busy = NewRun(scratch["busy"], checkpointInterval: 2);
        quiet.Trainer.Run();
        busy.Trainer.Sampled += sample => busy.Model.Forward(sample.Episode.Inputs);
        busy.Trainer.Run();
        Assert.That(busy.Bits, Is.EqualTo(quiet.Bits));
    }

    [Test]
    public void A_finished_run_resumes_to_nothing_and_can_be_made_longer()
    {
        TinyRun whole = new(Options with { Folder = scratch["whole"] });
        whole.Trainer.Run();
        TinyRun first = new(Options with { Sequences = 60 });
        first.Trainer.Run();
        string[] before = TinyRun.Metrics(Folder);

        TinyRun again = new(Options with { Sequences = 60 });
        again.Trainer.Resume();
        Assert.That(again.Trainer.Run().Reason, Is.EqualTo(StopReason.Completed));
        Assert.That(TinyRun.Metrics(Folder), Is.EqualTo(before));

        TinyRun longer = new(Options with { Configuration = """{"longer": true}""" });
        longer.Trainer.Resume();
        longer.Trainer.Run();
        Assert.That(longer.Bits, Is.EqualTo(whole.Bits));
        Assert.That(TinyRun.Metrics(Folder), Is.EqualTo(TinyRun.Metrics(scratch["whole"])));
        Assert.That(File.ReadAllText(Path.Combine(Folder, "config.json")), Does.Contain("longer"));
        Assert.That(Checkpoint.Read(Path.Combine(Folder, "checkpoint.safetensors")).Configuration, Does.Contain("longer"));
    }

    /// <summary>Momentum goes on moving a parameter that has once had a gradient, in a resumed run as well.</summary>
    [Test]
    public void Parameters_that_a_step_does_not_reach_go_on_as_well()
    {
        TinyRun Make(string folder)
        {
            bool first = true;
            Tiny? model = null;
            TinyRun run = new(Options with { Sequences = 20, Folder = folder }, prepare: m => model = m);
            // After the first update, only the outer weights are trained.
            run.Model.OnForward = _ => { if (!first) foreach (Tensor p in model!.Parameters.SkipLast(1)) p.RequireGradient(false); first = false; };
            return run;
        }
        TinyRun whole = Make(scratch["whole"]);
        whole.Trainer.Run();

        TinyRun part = Make(Folder);
        part.Trainer.Sampled += _ => part.Trainer.Stop();
        part.Trainer.Run();
        TinyRun rest = Make(Folder);
        rest.Trainer.Resume();
        foreach (Tensor p in rest.Model.Parameters.SkipLast(1)) p.RequireGradient(false);
        rest.Trainer.Run();
        Assert.That(rest.Bits, Is.EqualTo(whole.Bits));
    }

    [Test]
    public void Run_goes_on_after_an_interruption_in_the_same_process()
    {
        TinyRun whole = NewRun(scratch["whole"]), part = NewRun(Folder);
        whole.Trainer.Run();
        using CancellationTokenSource source = new();
        part.Trainer.Logged += m => { if (m.Sequences == 32) source.Cancel(); };
        TrainingResult result = part.Trainer.Run(source.Token);
        Assert.That((result.Interrupted, result.Sequences), Is.EqualTo((true, 32L)));
        Assert.That(part.Trainer.Run().Reason, Is.EqualTo(StopReason.Completed));
        Assert.That(part.Bits, Is.EqualTo(whole.Bits));
        Assert.That(TinyRun.Metrics(Folder), Is.EqualTo(TinyRun.Metrics(scratch["whole"])));
    }

    [Test]
    public void Cancelling_finishes_the_update_and_writes_a_checkpoint()
    {
        using CancellationTokenSource source = new();
        TinyRun run = new(Options);
        int forwards = 0;
        run.Model.OnForward = _ => { if (++forwards == 7) source.Cancel(); };
        TrainingResult result = run.Trainer.Run(source.Token);
        Assert.That((result.Reason, result.Interrupted, result.Steps), Is.EqualTo((StopReason.Interrupted, true, 7L)));
        Checkpoint checkpoint = Checkpoint.Read(Path.Combine(Folder, "checkpoint.safetensors"));
        Assert.That(checkpoint.State.Steps, Is.EqualTo(7));
        Tiny restored = new(seed: 2);
        checkpoint.Restore(restored);
        Assert.That(restored.Bits, Is.EqualTo(run.Model.Bits));
    }

    [Test]
    public void A_handler_stops_training()
    {
        List<string> saved = [];
        TinyRun run = new(Options);
        run.Trainer.Logged += m => { if (m.Sequences == 40) run.Trainer.Stop(); };
        run.Trainer.CheckpointSaved += saved.Add;
        TrainingResult result = run.Trainer.Run();
        Assert.That((result.Reason, result.Sequences, result.Interrupted), Is.EqualTo((StopReason.Stopped, 40L, false)));
        Assert.That(saved, Has.Count.EqualTo(2).And.All.EqualTo(Path.Combine(Folder, "checkpoint.safetensors")), "at first and at last");
    }

    [Test]
    public void Checkpoints_come_by_count_and_by_time()
    {
        List<long> at = [];
        TinyRun run = new(Options with { Batch = 3, CheckpointInterval = 30 });
        run.Trainer.CheckpointSaved += _ => at.Add(run.Trainer.State.Sequences);
        run.Trainer.Run();
        Assert.That(at, Is.EqualTo(new[] { 0, 30, 60, 90, 102 }), "the last batch goes past the end");

        int saved = 0;
        TinyRun timed = new(Options with { Folder = scratch["timed"], CheckpointPeriod = TimeSpan.FromTicks(1) });
        timed.Trainer.CheckpointSaved += _ => saved++;
        timed.Trainer.Run();
        Assert.That(saved, Is.EqualTo(1 + 50), "at first and after each update");
    }

    [Test]
    public void Early_stopping_ends_training_that_no_longer_improves()
    {
        TrainerOptions options = Options with { Sequences = 10_000, EarlyStopping = new(3, StoppingMetric.Loss, MinimumImprovement: 10) };
        TinyRun run = new(options);
        TrainingResult result = run.Trainer.Run();
        Assert.That((result.Reason, result.Sequences), Is.EqualTo((StopReason.StoppedEarly, 80L)), "one interval to be the best, three without improvement");
        Assert.That(run.Trainer.State.Best, Is.EqualTo(new RunFolder(Folder).ReadMetrics()[0].Loss));

        TinyRun again = new(options);
        again.Trainer.Resume();
        Assert.That((again.Trainer.Run().Reason, again.Trainer.State.Sequences), Is.EqualTo((StopReason.StoppedEarly, 80L)), "it stays stopped");

        TinyRun further = new(options with { Sequences = 200, EarlyStopping = null });
        further.Trainer.Resume();
        Assert.That(further.Trainer.Run().Reason, Is.EqualTo(StopReason.Completed), "unless it is told otherwise");

        TinyRun off = new(options with { Sequences = 200, EarlyStopping = null, Folder = scratch["off"] });
        Assert.That(off.Trainer.Run().Reason, Is.EqualTo(StopReason.Completed));
    }

    [Test]
    public void Early_stopping_counts_on_across_a_resume()
    {
        TrainerOptions options = Options with { Sequences = 10_000, EarlyStopping = new(3, StoppingMetric.WrongBits, MinimumImprovement: 10) };
        TinyRun first = new(options);
        first.Trainer.Logged += m => { if (m.Sequences == 40) first.Trainer.Stop(); };
        first.Trainer.Run();
        TinyRun second = new(options);
        second.Trainer.Resume();
        Assert.That((second.Trainer.Run().Reason, second.Trainer.State.Sequences), Is.EqualTo((StopReason.StoppedEarly, 80L)));
    }

    [Test]
    public void The_schedule_sets_the_learning_rate_of_every_update()
    {
        TinyRun run = new(Options with { Folder = null, Schedule = new StepSchedule(0.5, 10, 0.1), LogInterval = 2 });
        List<double> rates = [];
        run.Trainer.Logged += m => rates.Add(m.LearningRate);
        run.Trainer.Run();
        Assert.That(rates, Is.EqualTo(Enumerable.Range(0, 50).Select(i => 0.5 * Math.Pow(0.1, i / 10))).Within(1e-12));
    }

    [Test]
    public void A_new_run_does_not_overwrite_another()
    {
        new TinyRun(Options with { Sequences = 20 }).Trainer.Run();
        (string, string)[] before = Contents();
        Assert.That(() => new TinyRun(Options, seed: 2).Trainer.Run(), Throws.TypeOf<CheckpointException>().With.Message.EqualTo(
            $"{Folder}: there is a run in this folder already (checkpoint.safetensors). Resume it, or choose another folder."));
        Assert.That(Contents(), Is.EqualTo(before));

        File.Delete(Path.Combine(Folder, "checkpoint.safetensors"));
        File.Delete(Path.Combine(Folder, "config.json"));
        Assert.That(() => new TinyRun(Options).Trainer.Run(), Throws.TypeOf<CheckpointException>().With.Message.Contains("(metrics.jsonl)"));

        (string, string)[] Contents() => [.. Directory.GetFiles(Folder).Order().Select(file => (file, Convert.ToHexString(File.ReadAllBytes(file))))];
    }

    [Test]
    public void Only_one_run_at_a_time_trains_in_a_folder()
    {
        TinyRun alone = NewRun(scratch["alone"]), first = NewRun(Folder);
        alone.Trainer.Run();
        List<Exception?> refused = [];
        first.Trainer.Sampled += sample =>
        {
            if (sample.Sequences != 100) return;
            TinyRun another = NewRun(Folder);
            another.Trainer.Resume();
            refused.Add(Assert.Catch(() => another.Trainer.Run()));
            refused.Add(Assert.Catch(() => NewRun(Folder).Trainer.Run()));
        };
        first.Trainer.Run();
        Assert.That(refused, Has.Count.EqualTo(2).And.All.TypeOf<CheckpointException>().And.All.Property("Message").StartsWith($"{Folder}: this folder cannot be locked, and only one run at a time trains in it: "));
        Assert.That(first.Bits, Is.EqualTo(alone.Bits));
        Assert.That(TinyRun.Metrics(Folder), Is.EqualTo(TinyRun.Metrics(scratch["alone"])));
    }

    [Test]
    public void A_folder_that_cannot_be_written_is_refused_before_training()
    {
        File.WriteAllText(scratch["file"], "");
        bool trained = false;
        foreach (string folder in (string[])[scratch["file"], scratch["file/run"], "/proc/neuralmemory/run"])
        {
            if (folder.StartsWith("/proc") && !OperatingSystem.IsLinux()) continue;
            TinyRun run = new(Options with { Folder = folder });
            run.Model.OnForward = _ => trained = true;
            Assert.That(() => run.Trainer.Run(), Throws.TypeOf<CheckpointException>().With.Message.StartsWith($"{folder}: this folder cannot be made: "));
        }
        Assert.That(trained, Is.False);
        Assert.That(scratch.Names, Is.EqualTo(new[] { "file" }));
    }

    [Test]
    public void Nothing_to_resume()
    {
        Assert.That(() => new TinyRun(Options).Trainer.Resume(), Throws.TypeOf<CheckpointException>().With.Message.EqualTo(
            $"{Path.Combine(Folder, "checkpoint.safetensors")}: there is no such file."));
        Assert.That(() => new TinyRun(Options with { Folder = null }).Trainer.Resume(), Throws.TypeOf<InvalidOperationException>());
        Assert.That(scratch.Names, Is.Empty);
    }

    [Test]
    public void Metrics_that_cannot_be_read_are_named_by_line()
    {
        new TinyRun(Options).Trainer.Run();
        string path = Path.Combine(Folder, "metrics.jsonl");
        string[] lines = File.ReadAllLines(path);
        foreach ((string line, string expected) in ((string, string)[])
            [("{\"sequences\":40", "line 2, byte 15: not valid JSON"), ("[]", "line 2: a JSON object"), ("{}", "line 2: \"sequences\""), (lines[1].Replace("\"loss\":", "\"loss\":\"x\",\"y\":"), "line 2: \"loss\"")])
        {
            File.WriteAllLines(path, [lines[0], line, .. lines[2..]]);
            byte[] before = File.ReadAllBytes(path);
            Assert.That(() => new TinyRun(Options).Trainer.Resume(), Throws.TypeOf<CheckpointException>().With.Message.StartsWith($"{path}: {expected}"));
            Assert.That(File.ReadAllBytes(path), Is.EqualTo(before));
        }
    }

    [Test]
    public void A_loss_that_is_not_finite_names_the_operation_and_leaves_the_checkpoint()
    {
        TinyRun run = new(Options with { CheckpointInterval = 10 });
        int forwards = 0;
        run.Model.OnForward = input => { if (++forwards >= 9) run.Model.Parameters[0].Fill(float.NaN); };
        NonFiniteException thrown = Assert.Throws<NonFiniteException>(() => run.Trainer.Run())!;
        Assert.That(thrown.Operation, Is.EqualTo("Linear"));
        Assert.That(thrown.Message, Does.StartWith("Training stopped in update 9, after 16 sequences: Linear: output 0, [").And.Contain("is NaN at [0, 0, 0]"));
        Assert.That(thrown.Message, Does.EndWith($" The last checkpoint, {Path.Combine(Folder, "checkpoint.safetensors")}, is as it was."));
        TinyRun resumed = new(Options);
        resumed.Trainer.Resume();
        Assert.That((resumed.Trainer.State.Steps, resumed.Trainer.Run().Reason), Is.EqualTo((5L, StopReason.Completed)));
    }

    /// <summary>The loss is finite, its gradient is not: the parameters are left alone.</summary>
    [TestCase(null, null, double.NaN)]
    [TestCase(null, null, double.PositiveInfinity)]
    [TestCase(null, 5.0, double.NegativeInfinity)]
    [TestCase(10.0, null, double.NaN)]
    [TestCase(10.0, 5.0, double.NaN)]
    public void A_gradient_that_is_not_finite_is_caught_before_it_reaches_the_parameters(double? clipValue, double? clipNorm, double gradient)
    {
        TinyRun run = new(Options with { ClipValue = clipValue, ClipNorm = clipNorm });
        byte[] before = [];
        int forwards = 0;
        run.Model.OnForward = _ => { if (++forwards == 4) before = run.Bits; };
        run.Model.OnHidden = hidden => forwards >= 4 ? WrongGradient.Apply(hidden, gradient) : hidden;
        NonFiniteException thrown = Assert.Throws<NonFiniteException>(() => run.Trainer.Run())!;
        Assert.That(thrown.Message, Does.StartWith("Training stopped in update 4, after 6 sequences: WrongGradient: the gradient of input 0, ["));
        Assert.That(thrown.Operation, Is.EqualTo("WrongGradient"));
        Assert.That(run.Bits, Is.EqualTo(before));
        Assert.That(run.Trainer.State.Steps, Is.EqualTo(3));
    }

    [Test]
    public void Clipping_by_value_makes_an_infinite_gradient_harmless()
    {
        TinyRun run = new(Options with { Folder = null, ClipValue = 10 });
        run.Model.OnHidden = hidden => WrongGradient.Apply(hidden, double.PositiveInfinity);
        // Infinite gradients of the hidden layer: those of the bias are infinite, those of weights with inputs of 0 would be NaN.
        run.Model.Parameters[0].RequireGradient(false);
        run.Model.OnForward = _ => run.Model.Parameters[1].Fill(0);
        Assert.That(run.Trainer.Run().Reason, Is.EqualTo(StopReason.Completed));
    }

    [Test]
    public void Parameters_that_overflowed_do_not_replace_a_good_checkpoint()
    {
        TinyRun run = new(Options with { CheckpointInterval = 10 });
        run.Trainer.Sampled += sample => { if (sample.Sequences == 20) run.Model.Parameters[1].CopyFrom<float>([0, 0, float.PositiveInfinity, 0, 0]); };
        Assert.That(() => run.Trainer.Run(), Throws.TypeOf<NonFiniteException>().With.Message.EqualTo(
            "Checkpoint: \"model.inner.bias\", [5], is not finite at [2]; nothing was saved."));
        Assert.That(Checkpoint.Read(Path.Combine(Folder, "checkpoint.safetensors")).State.Sequences, Is.EqualTo(10));
        Assert.That(Directory.GetFiles(Folder), Has.Length.EqualTo(3));
    }

    [Test]
    public void An_update_allocates_nothing_once_warm()
    {
        TinyRun run = new(new() { Sequences = 3000, LogInterval = 1000, ClipValue = 10, ClipNorm = 5, ClipEachNorm = 5, CheckpointPeriod = TimeSpan.FromHours(1), Folder = Folder, Schedule = new CosineSchedule(0.01, 3000) });
        List<(long OnThisThread, long Anywhere, long Native)> taken = new(10);
        long here = 0, anywhere = 0, native = 0, updates = 0;
        // Nine stretches within the second log interval, which begins with update 1001.
        run.Model.OnForward = _ =>
        {
            if (++updates is < 1010 or > 1500 || updates % 49 > 0) return;
            if (here > 0) taken.Add((GC.GetAllocatedBytesForCurrentThread() - here, GC.GetTotalAllocatedBytes(true) - anywhere, Storage.TotalBytes - native));
            (here, anywhere, native) = (GC.GetAllocatedBytesForCurrentThread(), GC.GetTotalAllocatedBytes(true), Storage.TotalBytes);
        };
        run.Trainer.Run();
        Assert.That(taken, Has.Count.EqualTo(9));
        Assert.That(taken.Max(t => t.OnThisThread), Is.Zero, "managed bytes taken by the trainer");
        Assert.That(taken.Min(t => t.Anywhere), Is.Zero, "managed bytes taken by any thread; the test host's may take some now and then");
        Assert.That(taken.Max(t => t.Native), Is.LessThanOrEqualTo(0), "native bytes");
    }

    [Test]
    public void Options_out_of_range()
    {
        foreach (TrainerOptions options in (TrainerOptions[])
            [
                Options with { Batch = 0 }, Options with { Sequences = -1 }, Options with { LogInterval = 0 }, Options with { CheckpointInterval = 0 },
                Options with { CheckpointPeriod = TimeSpan.Zero }, Options with { ClipNorm = -1 }, Options with { ClipEachNorm = -1 }, Options with { ClipValue = double.NaN },
                Options with { Folder = "" }, Options with { Configuration = "{" }, Options with { Configuration = "[]" }, Options with { EarlyStopping = new(0) },
                Options with { EarlyStopping = new(1, MinimumImprovement: -1) }, Options with { EarlyStopping = new(1, StoppingMetric.ValidationBits) },
                Options with { Validation = new(Sequences: 0) }, Options with { Generators = [("a", new(1)), ("a", new(2))] },
            ])
            Assert.That(() => new TinyRun(options), Throws.InstanceOf<ArgumentException>(), options.ToString());
        Tiny model = new();
        Assert.That(() => new Trainer(model, new CopyTask(), new Sgd(model.Parameters, 0.1), new()),
            Throws.ArgumentException.With.Message.StartsWith("The model has 5 inputs and 3 outputs, but the task copy has 10 and 8."));
    }
}
