using System.CommandLine;
using System.Text;
using System.Text.Json;
using NeuralMemory.Models;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory eval DIR</c>: tests a run's model on fresh sequences of a length.</summary>
static class EvalCommand
{
    const int BatchSequences = 10, DefaultBatches = 10;

    static readonly Argument<string?> path = Options.Path("path", "The folder of a run, or a checkpoint.");
    static readonly Option<long?> length = Options.Count("--length", "Their length, in the task's unit; the longest trained on by default.");
    static readonly Option<long?> batches = Options.Count("--batches", $"How many, in tens; {DefaultBatches} by default.", most: 1_000_000);
    static readonly Option<long?> threads = Options.Count("--threads", "Threads to use.", most: 1024);
    static readonly Option<bool> json = new("--json") { Description = "Writes one JSON object and nothing else." };

    public static Command Create(Session session)
    {
        Command command = new("eval", "Tests the model of a run on fresh sequences.") { path, length, batches, threads, json };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        string given = parsed.GetValue(path)!;
        Checkpoint checkpoint = Checkpoint.Read(Directory.Exists(given) ? new RunFolder(given).CheckpointPath : given);
        RunConfiguration run = RunConfiguration.Read(checkpoint);
        if (parsed.GetValue(threads) is { } count) ThreadTeam.Threads = (int)count;
        SequenceTask task = run.CreateTask();
        SequenceModel model = run.CreateModel(task);
        checkpoint.Restore(model);
        if (Directory.Exists(given)) new RunFolder(given).LoadBest(model);

        int sequences = (int)(parsed.GetValue(batches) ?? DefaultBatches) * BatchSequences;
        EvaluationResult result = Assessment.Run(run, model, task, (int)(parsed.GetValue(length) ?? task.MaxLength), sequences, session.Interrupted);
        if (parsed.GetValue(json)) session.Output.WriteLine(Json(run, checkpoint, result));
        else Assessment.Show(session, run, [result]);
        return ExitCode.Done;
    }

    static string Json(RunConfiguration run, Checkpoint checkpoint, EvaluationResult result)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            writer.WriteStartObject();
            writer.WriteString("task", run.Task);
            writer.WriteString("model", run.Model);
            writer.WriteString("device", Backend.Default.Name);
            writer.WriteNumber("seed", run.Seed);
            writer.WriteNumber("trained_sequences", checkpoint.State.Sequences);
            writer.WriteNumber("length", result.Length);
            writer.WriteNumber("sequences", result.Sequences);
            writer.WriteNumber("asked_bits", result.OutputBits);
            writer.WriteNumber("bits", result.MedianBits);
            writer.WriteNumber("mean_bits", result.MeanBits);
            writer.WriteNumber("wrong_bits", result.MedianWrongBits);
            writer.WriteNumber("mean_wrong_bits", result.MeanWrongBits);
            writer.WriteString("checkpoint", checkpoint.Path);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
