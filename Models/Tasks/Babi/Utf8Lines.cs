using System.Buffers;
using System.Text.Unicode;

namespace NeuralMemory.Tasks;

/// <summary>Text files that must be UTF-8.</summary>
static class Utf8Lines
{
    /// <summary>The lines of a file, without their ends; a byte order mark and a last empty line are left out.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">It is empty, or not UTF-8.</exception>
    public static string[] Read(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: there is no such file.", path);
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(path), text = bytes.StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
        if (text.IsEmpty) throw new InvalidDataException($"{path}: the file is empty.");
        char[] characters = new char[text.Length];
        if (Utf8.ToUtf16(text, characters, out int read, out int written, replaceInvalidSequences: false) != OperationStatus.Done)
        {
            int at = read + bytes.Length - text.Length;
            throw new InvalidDataException($"{path}: the byte 0x{bytes[at]:x2} at offset {at} is not UTF-8; text was expected.");
        }
        string[] lines = new string(characters, 0, written).Split('\n');
        if (lines[^1].Length == 0) lines = lines[..^1];
        return [.. lines.Select(line => line.TrimEnd('\r'))];
    }
}
