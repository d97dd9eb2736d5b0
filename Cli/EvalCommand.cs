using System.CommandLine;
using System.Text;
using System.Text.Json;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory eval DIR</c>: tests a run's model on what it has not seen.</summary>
static class EvalCommand
{
    const int BatchSequences = 10;

    static readonly Argument<string?> path = Options.Path("path", "The folder of a run, or a checkpoint.");
    static readonly Option<long?> length = Options.Count("--length", "The sequences' length, in the task's unit; the longest trained on by default.");
    static readonly Option<long?> batches = Options.Count("--batches", "How many, in tens; as many as train tests on by default.", most: 1_000_000);
    static readonly Option<string?> data = Options.Folder("--data", "Data to test on instead of those trained on, of a task that reads some.");
    static readonly Option<long?> threads = Options.Count("--threads", "Threads to use.", most: 1024);
    static readonly Option<bool> json = new("--json") { Description = "Writes one JSON object and nothing else." };
    static readonly Option<string?> device = ChosenDevice.Option();

    public static Command Create(Session session)
    {
        Command command = new("eval", "Tests the model of a run on fresh sequences.") { path, length, batches, data, device, threads, json };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        string given = parsed.GetValue(path)!;
        Checkpoint checkpoint = Checkpoint.Read(Directory.Exists(given) ? new RunFolder(given).CheckpointPath : given);
        RunConfiguration run = RunConfiguration.Read(checkpoint);
        if (parsed.GetValue(threads) is { } count) ThreadTeam.Threads = (int)count;
        using ChosenDevice chosen = ChosenDevice.Enter(parsed.GetValue(device), session);
        Objective objective = run.Recipe.Create(run);
        checkpoint.Restore(objective.Model);
        if (Directory.Exists(given)) new RunFolder(given).LoadBest(objective.Model);

        EvaluationOptions options = new((int?)parsed.GetValue(length), (int?)parsed.GetValue(batches) * BatchSequences, parsed.GetValue(data));
        Report report = run.Recipe.Evaluate(run, objective, options, session.Interrupted);
        if (parsed.GetValue(json)) session.Output.WriteLine(Json(run, checkpoint, report));
        else report.Show(session);
        return ExitCode.Done;
    }

    static string Json(RunConfiguration run, Checkpoint checkpoint, Report report)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            writer.WriteStartObject();
            writer.WriteString("task", run.Task);
            writer.WriteString("model", run.Model);
            writer.WriteString("device", Backend.Current.Name);
            writer.WriteNumber("seed", run.Seed);
            writer.WriteNumber("trained_sequences", checkpoint.State.Sequences);
            report.Json(writer);
            writer.WriteString("checkpoint", checkpoint.Path);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
