using System.Buffers;
using System.Text;
using System.Text.Json;
using NeuralMemory.Checkpoints;

namespace NeuralMemory.Training;

/// <summary>
/// What a run leaves on disk: <c>checkpoint.safetensors</c> (see <see cref="Checkpoint"/>), <c>metrics.jsonl</c>, a <see cref="TrainingMetrics"/> a line,
/// <c>config.json</c>, what it takes to make model, task and optimiser again, and, of a run that is validated, <c>best.safetensors</c>, the parameters whose
/// validation cost was the least.
/// </summary>
/// <param name="path">The folder; it need not exist.</param>
public sealed class RunFolder(string path)
{
    /// <summary>The folder's path.</summary>
    public string Path { get; } = path;

    /// <summary>The path of <c>checkpoint.safetensors</c>.</summary>
    public string CheckpointPath { get; } = System.IO.Path.Combine(path, "checkpoint.safetensors");

    /// <summary>The path of <c>metrics.jsonl</c>.</summary>
    public string MetricsPath { get; } = System.IO.Path.Combine(path, "metrics.jsonl");

    /// <summary>The path of <c>config.json</c>.</summary>
    public string ConfigurationPath { get; } = System.IO.Path.Combine(path, "config.json");

    /// <summary>The path of <c>best.safetensors</c>.</summary>
    public string BestPath { get; } = System.IO.Path.Combine(path, "best.safetensors");

    /// <summary>Gives a model the parameters that did best in validation; of a run that was not validated, the model keeps those that it has.</summary>
    /// <exception cref="CheckpointException">They cannot be read, or do not fit. The model is as it was.</exception>
    public void LoadBest(Module model)
    {
        if (File.Exists(BestPath)) model.Load(BestPath);
    }

    /// <summary>Whether there is a run in it: a new one would overwrite something.</summary>
    public bool HoldsRun => Files.Any(File.Exists);

    string[] Files => [CheckpointPath, MetricsPath, ConfigurationPath, BestPath];

    /// <summary>The lines of <c>metrics.jsonl</c>; none where there is no such file. A last line that a killed run left unfinished does not count.</summary>
    /// <exception cref="CheckpointException">A line cannot be read; the message names it.</exception>
    public IReadOnlyList<TrainingMetrics> ReadMetrics() => ReadMetrics(long.MaxValue).Lines;

    /// <summary>
    /// Makes the folder if need be, and keeps other runs out of it until the result is disposed. The system holds the lock on <c>run.lock</c> and lets go of it when the process ends, however it
    /// ends: a file that was left behind locks nothing. Who only reads needs no lock.
    /// </summary>
    /// <exception cref="CheckpointException">Another run is there, or the folder cannot be written. Nothing has changed.</exception>
    internal IDisposable Lock()
    {
        FileStream? alone = null;
        Try(Path, "this folder cannot be made", () => Directory.CreateDirectory(Path));
        Try(Path, "this folder cannot be locked, and only one run at a time trains in it",
            () => alone = new(System.IO.Path.Combine(Path, "run.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose));
        return alone!;
    }

    /// <summary>Prepares the folder for a new run.</summary>
    /// <exception cref="CheckpointException">It holds one already. Nothing has changed.</exception>
    internal void Begin()
    {
        if (Files.FirstOrDefault(File.Exists) is { } there)
            throw new CheckpointException($"{Path}: there is a run in this folder already ({System.IO.Path.GetFileName(there)}). Resume it, or choose another folder.");
        DeleteLeftovers();
    }

    /// <summary>Brings the folder to the state in which the checkpoint was written.</summary>
    internal void Continue(long loggedSequences)
    {
        DeleteLeftovers();
        (byte[] bytes, int kept, _) = ReadMetrics(loggedSequences);
        if (kept < bytes.Length) AtomicFile.Write(MetricsPath, stream => stream.Write(bytes.AsSpan(0, kept)));
    }

    /// <summary>Deletes what a killed process was about to write (<see cref="AtomicFile"/>), and nobody reads.</summary>
    void DeleteLeftovers()
    {
        foreach (string file in Files)
            Try(Path, $"what was left of {System.IO.Path.GetFileName(file)} cannot be deleted",
                () => Array.ForEach(Directory.GetFiles(Path, $"{System.IO.Path.GetFileName(file)}.*.tmp"), File.Delete));
    }

    /// <summary>Writes <c>config.json</c>, where it is not the same already.</summary>
    internal void WriteConfiguration(string configuration)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(configuration + "\n");
        bool same = false;
        Try(ConfigurationPath, "cannot be read", () => same = File.Exists(ConfigurationPath) && File.ReadAllBytes(ConfigurationPath).AsSpan().SequenceEqual(bytes));
        if (!same) AtomicFile.Write(ConfigurationPath, stream => stream.Write(bytes));
    }

    /// <summary>Appends a line with one write, so that it survives the process.</summary>
    internal void Append(TrainingMetrics metrics)
    {
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            json.WriteNumber("sequences", metrics.Sequences);
            json.WriteNumber("steps", metrics.Steps);
            json.WriteNumber("loss", metrics.Loss);
            foreach (Metric metric in metrics.Values)
                if (double.IsFinite(metric.Value)) json.WriteNumber(metric.Name, metric.Value);
            json.WriteNumber("learning_rate", metrics.LearningRate);
            json.WriteNumber("sequences_per_second", metrics.SequencesPerSecond);
            json.WriteNumber("time_steps_per_second", metrics.TimeStepsPerSecond);
            json.WriteNumber("elapsed_seconds", metrics.Elapsed.TotalSeconds);
            json.WriteEndObject();
        }
        line.Write("\n"u8);
        Try(MetricsPath, "cannot be written", () =>
        {
            using FileStream stream = new(MetricsPath, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
            stream.Write(line.WrittenSpan);
        });
    }

    /// <summary>The metrics up to and including those of <paramref name="lastSequences"/>, and the bytes that their lines take.</summary>
    internal (byte[] Bytes, int Kept, List<TrainingMetrics> Lines) ReadMetrics(long lastSequences)
    {
        byte[] bytes = [];
        Try(MetricsPath, "cannot be read", () => bytes = File.Exists(MetricsPath) ? File.ReadAllBytes(MetricsPath) : []);
        List<TrainingMetrics> lines = [];
        int kept = 0;
        while (bytes.AsSpan(kept).IndexOf((byte)'\n') is >= 0 and int length)
        {
            TrainingMetrics metrics = Parse(bytes.AsMemory(kept, length), lines.Count + 1);
            if (metrics.Sequences > lastSequences) break;
            lines.Add(metrics);
            kept += length + 1;
        }
        return (bytes, kept, lines);
    }

    /// <summary>What every line has; the other numbers are the task's own.</summary>
    static readonly string[] common = ["sequences", "steps", "loss", "learning_rate", "sequences_per_second", "time_steps_per_second", "elapsed_seconds"];

    TrainingMetrics Parse(ReadOnlyMemory<byte> line, int number)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement json = document.RootElement;
            if (json.ValueKind != JsonValueKind.Object) throw new CheckpointException($"{MetricsPath}: line {number}: a JSON object was expected.");
            return new(
                Count("sequences"), Count("steps"), Number("loss"), [.. json.EnumerateObject().Where(p => !common.Contains(p.Name)).Select(p => new Metric(p.Name, Number(p.Name)))],
                Number("learning_rate"), Number("sequences_per_second"), Number("time_steps_per_second"), TimeSpan.FromSeconds(Math.Clamp(Number("elapsed_seconds"), 0, 1e11)));

            long Count(string key) => json.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long count)
                ? count : throw new CheckpointException($"{MetricsPath}: line {number}: \"{key}\" must be a whole number.");

            double Number(string key) => json.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double real)
                ? real : throw new CheckpointException($"{MetricsPath}: line {number}: \"{key}\" must be a number.");
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"{MetricsPath}: line {number}, byte {e.BytePositionInLine}: not valid JSON.", e);
        }
    }

    /// <summary>What is wrong with a configuration, or null: it must be a JSON object.</summary>
    internal static string? WrongConfiguration(string configuration)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(configuration);
            return document.RootElement.ValueKind == JsonValueKind.Object ? null : "must be a JSON object.";
        }
        catch (JsonException e)
        {
            return $"is not valid JSON: line {e.LineNumber + 1}, byte {e.BytePositionInLine}.";
        }
    }

    static void Try(string path, string failure, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is (IOException and not CheckpointException) or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: {failure}: {e.Message}", e);
        }
    }
}
