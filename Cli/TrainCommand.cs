using System.CommandLine;
using System.Text;
using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory train TASK</c>: trains a model, keeps it in a folder and says what it is worth.</summary>
static class TrainCommand
{
    const int TestSequences = 100;

    static readonly Argument<string?> task = new("task")
    {
        Description = $"What to learn: {string.Join(", ", SequenceTasks.Names)}.",
        Arity = ArgumentArity.ZeroOrOne,
        CustomParser = result => Options.Choose(
            result, $"No task is called '{result.Tokens[0].Value}'. The tasks are {string.Join(", ", SequenceTasks.Names)}.", SequenceTasks.Names),
    };

    static readonly Option<string?> model = Options.Choice("--model", "The network; ntm, a Neural Turing Machine, by default.", RunConfiguration.Models);
    static readonly Option<ulong?> seed = Options.Seed("Decides first weights and sequences; 1 by default.");
    static readonly Option<long?> sequences = Options.Count("--sequences", "Sequences to train on.", most: long.MaxValue / 2);
    static readonly Option<long?> batch = Options.Count("--batch", "Sequences of an update.", most: 1_000_000);
    static readonly Option<double?> learningRate = Options.Rate("--learning-rate", "Step size of the first half; then it falls to 0 in a straight line.");
    static readonly Option<string?> output = Options.Folder("--out", "Where the run is kept; runs/TASK-MODEL-SEED by default.");
    static readonly Option<string?> resume = Options.Folder("--resume", "Goes on with the run of this folder.");
    static readonly Option<long?> threads = Options.Count("--threads", "Threads to use, as many as there are cores by default. They do not change the result.", most: 1024);
    static readonly Option<bool> json = new("--json") { Description = "Makes the last line of standard output a JSON object." };
    static readonly Option<long?> checkpointEvery = Options.Count("--checkpoint-every", "Sequences between checkpoints, beside one every 10 seconds.", most: long.MaxValue);
    static readonly Option<long?> logEvery = Options.Count("--log-every", "Sequences between lines of metrics.jsonl; 250 by default.", most: long.MaxValue);
    static readonly Option<long?> earlyStopping = Options.Count("--early-stopping", "Ends training after so many lines without a lower cost.");

    static readonly Option<long?> hidden = Options.Count("--hidden", "Units of the controller, or of a layer of the lstm.");
    static readonly Option<long?> layers = Options.Count("--layers", "Layers of the lstm.");
    static readonly Option<long?> slots = Options.Count("--slots", "Rows of the memory.");
    static readonly Option<long?> width = Options.Count("--width", "Columns of the memory.");
    static readonly Option<long?> readHeads = Options.Count("--read-heads", "Heads that read.");
    static readonly Option<long?> writeHeads = Options.Count("--write-heads", "Heads that write.", least: 0);
    static readonly Option<long?> shifts = Options.Count("--shifts", "Positions that a head can shift by in one step, an odd number.");
    static readonly Option<string?> controller = Options.Choice("--controller", "What steers the heads.", RunConfiguration.Controllers);
    static readonly Option<string?> memoryStart = Options.Choice("--memory-start", "What the memory holds at first.", RunConfiguration.MemoryStarts);

    static readonly Option[] ntmOnly = [slots, width, readHeads, writeHeads, shifts, controller, memoryStart];

    public static Command Create(Session session)
    {
        Command command = new("train", "Trains a model on a task.")
        {
            task, model, seed, sequences, batch, learningRate, output, resume, threads, json, checkpointEvery, logEvery, earlyStopping,
            hidden, layers, slots, width, readHeads, writeHeads, shifts, controller, memoryStart,
        };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        (RunConfiguration configuration, string folder) = parsed.GetValue(resume) is { } there ? Resumed(parsed, there) : Begun(parsed);
        if (parsed.GetValue(threads) is { } count) ThreadTeam.Threads = (int)count;

        SequenceTask sequenceTask = configuration.CreateTask();
        SequenceModel network = configuration.CreateModel(sequenceTask);
        Optimizer optimizer = configuration.CreateOptimizer(network);
        TrainerOptions options = configuration.TrainerOptions(folder) with { CheckpointInterval = parsed.GetValue(checkpointEvery), SamplePeriod = LiveView.Period };
        Trainer trainer = new(network, sequenceTask, optimizer, options);
        if (parsed.GetValue(resume) is not null) trainer.Resume();

        IView view = session.IsTerminal ? new LiveView(session, configuration, network) : new PlainView(session, configuration, network);
        TrainingResult result = view.Run(trainer, () => trainer.Run(session.Interrupted));
        if (result.Interrupted) return Interrupted();

        new RunFolder(folder).LoadBest(network);
        session.Output.WriteLine();
        List<EvaluationResult> tests;
        try
        {
            tests = [.. Recipe.Of(configuration.Task).Lengths.Select(length => Assessment.Run(configuration, network, sequenceTask, length, TestSequences, session.Interrupted))];
        }
        catch (OperationCanceledException)
        {
            return Interrupted();
        }
        Assessment.Show(session, configuration, tests);
        session.Output.WriteLine($"Saved in {folder}. Try it: neuralmemory eval {Quote(folder)} --length {sequenceTask.MaxLength}");
        if (parsed.GetValue(json)) session.Output.WriteLine(Json(configuration, network, result, tests, folder));
        return ExitCode.Done;

        int Interrupted()
        {
            session.Output.WriteLine($"Interrupted after {trainer.State.Sequences} sequences. Go on: neuralmemory train --resume {Quote(folder)}");
            return ExitCode.Interrupted;
        }
    }

    /// <summary>A new run: the task's recipe, changed by what was asked for.</summary>
    static (RunConfiguration, string Folder) Begun(ParseResult parsed)
    {
        string name = parsed.GetValue(task) ?? throw new UsageException($"A task is missing. The tasks are {string.Join(", ", SequenceTasks.Names)}.");
        string network = parsed.GetValue(model) ?? RunConfiguration.Ntm;
        RefuseForeign(parsed, network);
        RunConfiguration configuration = Changed(parsed, Recipe.Of(name).Configuration(network));
        return (configuration, parsed.GetValue(output) ?? FreeFolder(Path.Combine("runs", $"{name}-{network}-{configuration.Seed}")));
    }

    /// <summary>The run of a folder. Options may repeat what it was begun with; only the number of sequences may change.</summary>
    static (RunConfiguration, string Folder) Resumed(ParseResult parsed, string folder)
    {
        if (parsed.GetValue(output) is not null) throw new UsageException("--out and --resume exclude each other: a resumed run stays in its folder.");
        Checkpoint checkpoint = Checkpoint.Read(new RunFolder(folder).CheckpointPath);
        RunConfiguration begun = RunConfiguration.Read(checkpoint);
        RefuseForeign(parsed, begun.Model);
        RunConfiguration asked = Changed(parsed, begun) with { Task = parsed.GetValue(task) ?? begun.Task, Model = parsed.GetValue(model) ?? begun.Model };
        if (asked with { Sequences = begun.Sequences } != begun)
            throw new UsageException($"{folder}: this run was begun with other options than those given; --resume needs none. It was begun with {begun.ToJson()}");
        return (asked, folder);
    }

    static RunConfiguration Changed(ParseResult parsed, RunConfiguration before)
    {
        RunConfiguration changed = before with
        {
            Seed = parsed.GetValue(seed) ?? before.Seed,
            Sequences = parsed.GetValue(sequences) ?? before.Sequences,
            Batch = (int?)parsed.GetValue(batch) ?? before.Batch,
            LearningRate = parsed.GetValue(learningRate) ?? before.LearningRate,
            LogEvery = parsed.GetValue(logEvery) ?? before.LogEvery,
            EarlyStopping = (int?)parsed.GetValue(earlyStopping) ?? before.EarlyStopping,
            Hidden = (int?)parsed.GetValue(hidden) ?? before.Hidden,
            Layers = (int?)parsed.GetValue(layers) ?? before.Layers,
            Slots = (int?)parsed.GetValue(slots) ?? before.Slots,
            Width = (int?)parsed.GetValue(width) ?? before.Width,
            ReadHeads = (int?)parsed.GetValue(readHeads) ?? before.ReadHeads,
            WriteHeads = (int?)parsed.GetValue(writeHeads) ?? before.WriteHeads,
            Shifts = (int?)parsed.GetValue(shifts) ?? before.Shifts,
            Controller = parsed.GetValue(controller) ?? before.Controller,
            MemoryStart = parsed.GetValue(memoryStart) ?? before.MemoryStart,
        };
        changed.Check();
        return changed;
    }

    /// <summary>An option of the other model would be ignored, and is a mistake.</summary>
    static void RefuseForeign(ParseResult parsed, string network)
    {
        foreach (Option option in network == RunConfiguration.Lstm ? ntmOnly : [layers])
            if (parsed.GetResult(option) is not null) throw new UsageException($"{option.Name} is no option of the model {network}.");
    }

    static string FreeFolder(string wanted)
    {
        string folder = wanted;
        for (int number = 2; Path.Exists(folder); number++) folder = $"{wanted}-{number}";
        return folder;
    }

    static string Quote(string path) => path.Contains(' ') ? $"\"{path}\"" : path;

    static string Json(RunConfiguration configuration, SequenceModel network, TrainingResult result, List<EvaluationResult> tests, string folder)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            writer.WriteStartObject();
            writer.WriteString("task", configuration.Task);
            writer.WriteString("model", configuration.Model);
            writer.WriteString("device", Backend.Default.Name);
            writer.WriteNumber("seed", configuration.Seed);
            writer.WriteNumber("sequences", result.Sequences);
            writer.WriteNumber("seconds", Math.Round(result.Elapsed.TotalSeconds, 3));
            writer.WriteNumber("timesteps_per_second", Math.Round(result.TimeStepsPerSecond, 1));
            writer.WriteNumber("parameters", network.ParameterCount);
            writer.WriteStartObject("bits");
            foreach (EvaluationResult test in tests) writer.WriteNumber($"{test.Length}", test.MedianBits);
            writer.WriteEndObject();
            writer.WriteString("out", folder);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
