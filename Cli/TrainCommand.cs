using System.CommandLine;
using System.Text;
using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Optimizers;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory train TASK</c>: trains a model, keeps it in a folder and says what it is worth.</summary>
static class TrainCommand
{
    static readonly Argument<string?> task = new("task")
    {
        Description = $"What to learn: {string.Join(", ", Recipe.Tasks)}.",
        Arity = ArgumentArity.ZeroOrOne,
        CustomParser = result => Options.Choose(
            result, $"No task is called '{result.Tokens[0].Value}'. The tasks are {string.Join(", ", Recipe.Tasks)}.", Recipe.Tasks),
    };

    static readonly Option<string?> model = new("--model") { Description = "The network; the first that the task has by default.", HelpName = string.Join('|', Recipe.Models) };
    static readonly Option<string?> output = Options.Folder("--out", "Where the run is kept; runs/TASK-MODEL-SEED by default.");
    static readonly Option<string?> resume = Options.Folder("--resume", "Goes on with the run of this folder.");
    static readonly Option<long?> threads = Options.Count("--threads", "Threads to use, as many as there are cores by default. They do not change the result.", most: 1024);
    static readonly Option<string?> device = ChosenDevice.Option();
    static readonly Option<long?> runs = Options.Count("--runs", "With --story-task all: how often each task is trained, from --seed on; the best by its training error counts. 1 by default.", most: 1000);
    static readonly Option<bool> json = new("--json") { Description = "Makes the last line of standard output a JSON object." };
    static readonly Option<long?> checkpointEvery = Options.Count("--checkpoint-every", "Sequences between checkpoints, beside one every 10 seconds.", most: long.MaxValue);

    public static Command Create(Session session)
    {
        Command command = new("train", "Trains a model on a task.") { task, model, output, resume, device, threads, json, runs, checkpointEvery };
        foreach (Setting setting in Recipe.AllSettings)
            if (setting.Option is { } option) command.Add(option);
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        (RunConfiguration configuration, string folder) = parsed.GetValue(resume) is { } there ? Resumed(parsed, there) : Begun(parsed);
        if (parsed.GetValue(threads) is { } count) ThreadTeam.Threads = (int)count;

        using ChosenDevice chosen = ChosenDevice.Enter(parsed.GetValue(device), session);
        if (BabiRecipe.IsAll(configuration)) return TrainAll(parsed, session, configuration, folder);
        if (parsed.GetValue(runs) is not null) throw new UsageException("--runs goes with babi's --story-task all.");
        Recipe recipe = configuration.Recipe;
        Objective objective = recipe.Create(configuration);
        Optimizer optimizer = recipe.CreateOptimizer(configuration, objective.Model);
        TrainerOptions options = configuration.TrainerOptions(folder) with { CheckpointInterval = parsed.GetValue(checkpointEvery), SamplePeriod = LiveView.Period };
        Trainer trainer = new(objective, optimizer, options);
        if (parsed.GetValue(resume) is not null) trainer.Resume();

        IView view = session.IsTerminal ? new LiveView(session, configuration, objective.Model) : new PlainView(session, configuration, objective.Model);
        TrainingResult result = view.Run(trainer, () => trainer.Run(session.Interrupted));
        if (result.Interrupted) return Interrupted();

        new RunFolder(folder).LoadBest(objective.Model);
        session.Output.WriteLine();
        Report report;
        try
        {
            report = recipe.Test(configuration, objective, session.Interrupted);
        }
        catch (OperationCanceledException)
        {
            return Interrupted();
        }
        report.Show(session);
        session.Output.WriteLine($"Saved in {folder}. Try it: {recipe.Hint(objective, Quote(folder))}");
        if (parsed.GetValue(json)) session.Output.WriteLine(Json(configuration, objective.Model, result, report, folder));
        return ExitCode.Done;

        int Interrupted()
        {
            session.Output.WriteLine($"Interrupted after {trainer.State.Sequences} sequences. Go on: neuralmemory train --resume {Quote(folder)}");
            return ExitCode.Interrupted;
        }
    }

    static int TrainAll(ParseResult parsed, Session session, RunConfiguration configuration, string folder)
    {
        if (new BabiTable(configuration, (int)(parsed.GetValue(runs) ?? 1), folder, parsed.GetValue(checkpointEvery), session).Run() is not { } table)
        {
            session.Output.WriteLine($"Interrupted. The same command goes on{(parsed.GetValue(output) is null ? $" with --out {Quote(folder)}" : "")}.");
            return ExitCode.Interrupted;
        }
        session.Output.WriteLine();
        table.Show(session);
        session.Output.WriteLine($"Saved in {folder}, the table in {Path.Combine(folder, "table.md")}.");
        if (parsed.GetValue(json)) session.Output.WriteLine(Json(configuration, table, folder));
        return ExitCode.Done;
    }

    /// <summary>A new run: the recipe of task and model, changed by what was asked for.</summary>
    static (RunConfiguration, string Folder) Begun(ParseResult parsed)
    {
        string name = parsed.GetValue(task) ?? throw new UsageException($"A task is missing. The tasks are {string.Join(", ", Recipe.Tasks)}.");
        Recipe recipe = Recipe.Of(name, parsed.GetValue(model));
        RunConfiguration configuration = recipe.Prepare(RunConfiguration.Of(recipe).Changed(parsed));
        return (configuration, parsed.GetValue(output) ?? FreeFolder(Path.Combine("runs", $"{name}-{recipe.Model}-{configuration.Seed}")));
    }

    /// <summary>The run of a folder. Options may repeat what it was begun with; only the number of sequences may change.</summary>
    static (RunConfiguration, string Folder) Resumed(ParseResult parsed, string folder)
    {
        if (parsed.GetValue(output) is not null) throw new UsageException("--out and --resume exclude each other: a resumed run stays in its folder.");
        Checkpoint checkpoint = Checkpoint.Read(new RunFolder(folder).CheckpointPath);
        RunConfiguration begun = RunConfiguration.Read(checkpoint), asked = begun.Changed(parsed);
        if ((parsed.GetValue(task) ?? begun.Task) != begun.Task || (parsed.GetValue(model) ?? begun.Model) != begun.Model || !asked.SameButForLength(begun))
            throw new UsageException($"{folder}: this run was begun with other options than those given; --resume needs none. It was begun with {begun.ToJson()}");
        long trained = checkpoint.State.Sequences;
        if (asked.Sequences < Math.Min(begun.Sequences, trained))
            throw new UsageException($"--sequences: {asked.Sequences} are too few for {folder}, which has been trained on {trained} already.");
        return (asked, folder);
    }

    static string FreeFolder(string wanted)
    {
        string folder = wanted;
        for (int number = 2; Path.Exists(folder); number++) folder = $"{wanted}-{number}";
        return folder;
    }

    static string Quote(string path) => path.Contains(' ') ? $"\"{path}\"" : path;

    static string Json(RunConfiguration configuration, Module network, TrainingResult result, Report report, string folder) => Json(configuration, report with
    {
        Json = writer =>
        {
            writer.WriteNumber("sequences", result.Sequences);
            writer.WriteNumber("seconds", Math.Round(result.Elapsed.TotalSeconds, 3));
            writer.WriteNumber("timesteps_per_second", Math.Round(result.TimeStepsPerSecond, 1));
            writer.WriteNumber("parameters", network.ParameterCount);
            report.Json(writer);
        },
    }, folder);

    static string Json(RunConfiguration configuration, Report report, string folder)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            writer.WriteStartObject();
            writer.WriteString("task", configuration.Task);
            writer.WriteString("model", configuration.Model);
            writer.WriteString("device", Backend.Current.Name);
            writer.WriteNumber("seed", configuration.Seed);
            report.Json(writer);
            writer.WriteString("out", folder);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
