using System.Collections.ObjectModel;
using System.Diagnostics.CodeAnalysis;
using static NeuralMemory.Checkpoints.Safetensors;

namespace NeuralMemory.Checkpoints;

/// <summary>
/// A safetensors file: named tensors and textual metadata. The whole file is checked when it is read, so that what a program holds of this
/// type is sound, however the file came about.
/// </summary>
public sealed class SafetensorsFile
{
    readonly Dictionary<string, SafetensorsEntry> byName;

    SafetensorsFile(string source, SafetensorsEntry[] entries, Dictionary<string, string> metadata)
    {
        (Source, Metadata, Entries) = (source, metadata.AsReadOnly(), entries.AsReadOnly());
        byName = new(entries.Length);
        foreach (SafetensorsEntry entry in entries) byName.Add(entry.Name, entry);
    }

    /// <summary>The file's path, or what else <see cref="Parse"/> was told; error messages begin with it.</summary>
    public string Source { get; }

    /// <summary>The texts under <c>__metadata__</c>; empty where there is none.</summary>
    public ReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors, in the order in which their data lie in the file.</summary>
    public ReadOnlyCollection<SafetensorsEntry> Entries { get; }

    /// <summary>The tensor called <paramref name="name"/>.</summary>
    /// <exception cref="CheckpointException">There is none; the message says what there is.</exception>
    public SafetensorsEntry this[string name] => TryGet(name, out SafetensorsEntry? entry) ? entry : throw Missing(name);

    /// <summary>The tensor called <paramref name="name"/>, if there is one.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out SafetensorsEntry? entry) => byName.TryGetValue(name, out entry);

    /// <summary>Reads and checks a file. An <see cref="AtomicFile"/> may replace it meanwhile; what was opened is what is read.</summary>
    /// <exception cref="CheckpointException">The file is missing, unreadable or malformed; the message says where and how.</exception>
    public static SafetensorsFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        RequireLittleEndian();
        try
        {
            // Unbuffered, since everything is read in large pieces and once. Windows replaces an open file only where Delete is shared.
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            long fileLength = stream.Length;
            Span<byte> prefix = stackalloc byte[PrefixLength];
            if (fileLength >= prefix.Length) stream.ReadExactly(prefix);
            byte[] header = new byte[SafetensorsHeader.ReadLength(prefix, fileLength, path)];
            stream.ReadExactly(header);

            long dataLength = fileLength - PrefixLength - header.Length;
            var (tensors, metadata) = SafetensorsHeader.Parse(header, dataLength, path);
            // Tensor by tensor, for an array ends at 2 GB and a file need not. They follow each other without a hole: nothing to seek.
            SafetensorsEntry[] entries = Array.ConvertAll(tensors, tensor =>
            {
                byte[] data = GC.AllocateUninitializedArray<byte>((int)(tensor.End - tensor.Begin));
                stream.ReadExactly(data);
                return new SafetensorsEntry(path, tensor, data);
            });
            return new(path, entries, metadata);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: there is no such file.", e);
        }
        catch (Exception e) when (e is (IOException and not CheckpointException) or UnauthorizedAccessException)
        {
            string reason = Directory.Exists(path) ? "it is a folder."
                : e is EndOfStreamException ? "it became shorter meanwhile."
                : e.Message;
            throw new CheckpointException($"{path}: cannot be read: {reason}", e);
        }
    }

    /// <summary>Checks a file that is in memory already. The entries refer to <paramref name="bytes"/>, which must not change.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="source">What error messages call it.</param>
    /// <exception cref="CheckpointException">The bytes are malformed; the message says where and how.</exception>
    public static SafetensorsFile Parse(ReadOnlyMemory<byte> bytes, string source)
    {
        RequireLittleEndian();
        int headerLength = SafetensorsHeader.ReadLength(bytes.Span, bytes.Length, source);
        ReadOnlyMemory<byte> data = bytes[(PrefixLength + headerLength)..];
        var (tensors, metadata) = SafetensorsHeader.Parse(bytes.Span.Slice(PrefixLength, headerLength), data.Length, source);
        return new(source, Array.ConvertAll(tensors, Entry), metadata);

        SafetensorsEntry Entry(SafetensorsDeclaration tensor) => new(source, tensor, data[(int)tensor.Begin..(int)tensor.End]);
    }

    CheckpointException Missing(string name)
    {
        const int most = 20;
        string there = string.Join(", ", Entries.Take(most).Select(entry => Quote(entry.Name)));
        string more = Entries.Count > most ? $" and {Entries.Count - most} more" : "";
        return new($"{Source}: no tensor {Quote(name)}; there {(Entries.Count == 0 ? "are none" : $"is {there}{more}")}.");
    }
}
