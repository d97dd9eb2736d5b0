using System.CommandLine;
using System.Text;
using NeuralMemory.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory plot DIR...</c>: the curves of some runs, of their <c>metrics.jsonl</c>, as one SVG picture.</summary>
static class PlotCommand
{
    static readonly Argument<string[]> paths = new("paths") { Description = "Folders of runs, a curve each; those whose folders have the same name share a colour.", Arity = ArgumentArity.OneOrMore };
    static readonly Option<string?> metric = new("--metric") { Description = "What to draw, by its name in metrics.jsonl; loss by default.", HelpName = "NAME" };
    static readonly Option<string?> title = new("--title") { Description = "What stands above it; the metric by default.", HelpName = "TEXT" };
    static readonly Option<bool> log = new("--log") { Description = "Counts powers of ten." };
    static readonly Option<string?> output = Options.File("--out", "The picture's file; NAME.svg by default.");

    public static Command Create(Session session)
    {
        Command command = new("plot", "Draws the curves of runs as an SVG picture.") { paths, metric, title, log, output };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        string name = parsed.GetValue(metric) ?? "loss", file = parsed.GetValue(output) ?? $"{name}.svg";
        List<Curve> curves = [.. parsed.GetValue(paths)!.Select(path => Read(path, name))];
        Chart chart = new(parsed.GetValue(title) ?? name.Replace('_', ' '), "sequences", name.Replace('_', ' '), curves, parsed.GetValue(log));
        if (!chart.HasPoints) throw new UsageException(parsed.GetValue(log) ? $"--log: no \"{name}\" of these runs is above 0." : $"--metric: no \"{name}\" of these runs is a finite number.");
        AtomicFile.Write(file, stream => stream.Write(Encoding.UTF8.GetBytes(chart.ToSvg())));
        session.Output.WriteLine($"{file}: {curves.Count} {(curves.Count == 1 ? "curve" : "curves")}.");
        return ExitCode.Done;
    }

    /// <summary>What a run's curve is called: the last part of its path.</summary>
    public static string Name(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(path));

    static Curve Read(string path, string name)
    {
        RunFolder folder = new(path);
        IReadOnlyList<TrainingMetrics> lines = folder.ReadMetrics();
        if (lines.Count == 0) throw new UsageException($"{folder.MetricsPath}: there are no lines; the folder of a run that has logged some was expected.");
        if (name != "loss" && lines.All(line => line[name] is null))
            throw new UsageException($"--metric: {folder.MetricsPath} has no \"{name}\"; it has {string.Join(", ", lines[^1].Values.Select(value => value.Name).Prepend("loss"))}.");
        return new(Name(path), [.. lines.Select(line => ((double)line.Sequences, name == "loss" ? line.Loss : line[name] ?? double.NaN))]);
    }
}
