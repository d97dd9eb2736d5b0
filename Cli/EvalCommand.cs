using System.CommandLine;
using System.Text;
using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory eval DIR...</c>: tests the models of runs on what they have not seen.</summary>
static class EvalCommand
{
    const int BatchSequences = 10;

    static readonly Argument<string[]> paths = new("paths") { Description = "Folders of runs, or checkpoints.", Arity = ArgumentArity.OneOrMore };
    static readonly Option<int[]> lengths = Options.Counts("--length", "The sequences' length, in the task's unit, or several; the longest trained on by default.");
    static readonly Option<long?> batches = Options.Count("--batches", "How many, in tens; as many as train tests on by default.", most: 1_000_000);
    static readonly Option<string?> data = Options.Folder("--data", "Data to test on instead of those trained on, of a task that reads some.");
    static readonly Option<string?> output = Options.File("--out", "Draws the results over the lengths, a curve a run, as an SVG picture.");
    static readonly Option<bool> log = new("--log") { Description = "The picture counts powers of ten." };
    static readonly Option<long?> threads = Options.Count("--threads", "Threads to use.", most: 1024);
    static readonly Option<bool> json = new("--json") { Description = "Writes one JSON object a run and nothing else." };
    static readonly Option<string?> device = ChosenDevice.Option();

    public static Command Create(Session session)
    {
        Command command = new("eval", "Tests the models of runs on fresh sequences.") { paths, lengths, batches, data, output, log, device, threads, json };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        if (parsed.GetValue(threads) is { } count) ThreadTeam.Threads = (int)count;
        using ChosenDevice chosen = ChosenDevice.Enter(parsed.GetValue(device), session);
        EvaluationOptions options = new(parsed.GetValue(lengths)!, (int?)parsed.GetValue(batches) * BatchSequences, parsed.GetValue(data));
        List<(string Path, Report Report)> tested = [];
        foreach (string path in parsed.GetValue(paths)!)
        {
            if (string.IsNullOrWhiteSpace(path)) throw new UsageException("paths: a path was expected, not an empty text.");
            Checkpoint checkpoint = Checkpoint.Read(Directory.Exists(path) ? new RunFolder(path).CheckpointPath : path);
            RunConfiguration run = RunConfiguration.Read(checkpoint);
            Objective objective = run.Recipe.Create(run);
            checkpoint.Restore(objective.Model);
            if (Directory.Exists(path)) new RunFolder(path).LoadBest(objective.Model);
            tested.Add((path, run.Recipe.Evaluate(run, objective, options, session.Interrupted)));
            if (parsed.GetValue(json)) session.Output.WriteLine(Json(run, checkpoint, tested[^1].Report));
        }

        bool comparable = tested.All(one => one.Report.ByLength is not null && one.Report.ByLength.Measure == tested[0].Report.ByLength!.Measure);
        if (!parsed.GetValue(json))
        {
            if (comparable && tested.Count > 1) Compare(tested, session);
            else foreach ((_, Report report) in tested) report.Show(session);
        }
        // Last: whatever is wrong with the picture, what was measured is not lost.
        if (parsed.GetValue(output) is { } file) Draw(file, comparable ? tested : throw new UsageException("--out: only runs that are measured alike, and over lengths, fit in one picture."), parsed.GetValue(log));
        return ExitCode.Done;
    }

    /// <summary>A row a run, a column a length.</summary>
    static void Compare(List<(string Path, Report Report)> tested, Session session)
    {
        int[] columns = [.. tested.SelectMany(one => one.Report.ByLength!.Points).Select(point => point.Length).Distinct().Order()];
        Report.Show(session, $"By length: {tested[0].Report.ByLength!.Measure}", ["run", .. columns.Select(length => $"{length}")], tested.Select(one =>
        {
            Dictionary<int, double> values = one.Report.ByLength!.Points.ToDictionary(point => point.Length, point => point.Value);
            return (string[])[one.Path, .. columns.Select(length => values.TryGetValue(length, out double value) ? one.Report.ByLength.Text(value) : "-")];
        }));
    }

    static void Draw(string file, List<(string Path, Report Report)> tested, bool log)
    {
        string measure = tested[0].Report.ByLength!.Measure;
        Curve[] curves = [.. tested.Select(one => new Curve(PlotCommand.Name(one.Path), [.. one.Report.ByLength!.Points.Select(point => ((double)point.Length, point.Value))]))];
        Chart chart = new($"{char.ToUpperInvariant(measure[0])}{measure[1..]}", "length", measure, curves, log);
        if (!chart.HasPoints) throw new UsageException("--log: nothing is above 0.");
        AtomicFile.Write(file, stream => stream.Write(Encoding.UTF8.GetBytes(chart.ToSvg())));
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
