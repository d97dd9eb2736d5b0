using System.Buffers;
using System.Text;

namespace NeuralMemory.Tasks;

/// <summary>A text file that cannot be used; the message names the file, the place, and what was expected.</summary>
/// <param name="message">What is wrong.</param>
/// <param name="inner">What caused it.</param>
public sealed class TextFileException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>Reads UTF-8 text a piece at a time: the text is never in memory as a whole.</summary>
public static class TextFile
{
    const int PieceSize = 1 << 16;

    /// <summary>The characters of a file, one after the other; a byte order mark at its beginning is left out.</summary>
    /// <exception cref="TextFileException">The file is missing, cannot be read, or is not UTF-8; the message names the offset.</exception>
    public static IEnumerable<Rune> Characters(string path)
    {
        using FileStream stream = Open(path);
        byte[] bytes = new byte[PieceSize];
        long offset = 0;                                                                    // of bytes[0] in the file
        int count = 0;
        bool ended = false;
        while (!ended)
        {
            int read = Read(path, stream, bytes.AsSpan(count));
            ended = read == 0;
            count += read;
            int at = offset == 0 && bytes.AsSpan(0, count).StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0;
            while (at < count)
            {
                OperationStatus status = Rune.DecodeFromUtf8(bytes.AsSpan(at, count - at), out Rune character, out int length);
                if (status == OperationStatus.NeedMoreData && !ended) break;
                if (status != OperationStatus.Done) throw new TextFileException($"{path}: byte {offset + at} (0x{bytes[at]:X2}) is not part of UTF-8 text.");
                at += length;
                yield return character;
            }
            bytes.AsSpan(at, count - at).CopyTo(bytes);
            (offset, count) = (offset + at, count - at);
        }
    }

    static FileStream Open(string path)
    {
        try
        {
            return new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TextFileException($"{path}: there is no such file; a text was expected.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new TextFileException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    static int Read(string path, FileStream stream, Span<byte> into)
    {
        try
        {
            return stream.Read(into);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TextFileException($"{path}: cannot be read: {e.Message}", e);
        }
    }
}
