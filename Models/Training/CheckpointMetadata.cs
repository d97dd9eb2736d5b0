using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using NeuralMemory.Checkpoints;

namespace NeuralMemory.Training;

/// <summary>The texts of a checkpoint's <c>__metadata__</c>, read as what they should be.</summary>
readonly struct CheckpointMetadata(SafetensorsFile file)
{
    public string Text(string key) => file.Metadata.TryGetValue(key, out string? text) ? text
        : throw new CheckpointException($"{file.Source}: metadata \"{key}\" is missing.");

    public long Count(string key, long most = long.MaxValue) =>
        long.TryParse(Text(key), NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= most ? value
        : throw Error(key, $"a whole number from 0 to {most}");

    public ulong Unsigned(string key) =>
        ulong.TryParse(Text(key), NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value
        : throw Error(key, $"a whole number from 0 to {ulong.MaxValue}");

    public double Number(string key, bool orInfinite = false) =>
        double.TryParse(Text(key), NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            && (double.IsFinite(value) || (orInfinite && value == double.PositiveInfinity)) ? value
        : throw Error(key, orInfinite ? "a number" : "a finite number");

    public CheckpointException Error(string key, string expected)
    {
        string text = Text(key);
        // Control characters escaped: a message is one line, whatever a file holds.
        JsonEncodedText shown = JsonEncodedText.Encode(text.Length <= 80 ? text : text[..77] + "...", JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
        return new($"{file.Source}: metadata \"{key}\" is \"{shown}\", but {expected} was expected.");
    }
}
