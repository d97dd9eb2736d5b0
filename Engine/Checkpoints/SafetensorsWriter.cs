using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using static NeuralMemory.Checkpoints.Safetensors;

namespace NeuralMemory.Checkpoints;

/// <summary>Collects named tensors and texts, and writes them as a safetensors file.</summary>
/// <remarks>
/// Nothing is copied: a tensor's elements are asked for when the file is written, and must not change until then. The same tensors in the
/// same order give the same bytes. Tensors of wide elements come before those of narrow ones, otherwise in the order of adding: so each
/// lies at a multiple of its element's size, and readers that map the file can use it in place.
/// </remarks>
public sealed class SafetensorsWriter
{
    readonly record struct Item(string Name, SafetensorsType Type, long[] Shape, long ByteCount, Action<Stream> Write);

    readonly List<Item> items = [];
    readonly HashSet<string> names = [];
    // Sorted, for a hash table's order is nobody's promise.
    readonly SortedDictionary<string, string> metadata = new(StringComparer.Ordinal);

    /// <summary>Sets a text of the file's <c>__metadata__</c>.</summary>
    /// <exception cref="ArgumentException">Key or value contains half a surrogate pair.</exception>
    public void SetMetadata(string key, string value)
    {
        RequireText(key, nameof(key));
        RequireText(value, nameof(value));
        metadata[key] = value;
    }

    /// <summary>Adds a tensor of type F32.</summary>
    /// <param name="name">The tensor's name; any text but <c>__metadata__</c>.</param>
    /// <param name="shape">Its dimensions, the last one contiguous; none for a scalar.</param>
    /// <param name="values">Its elements, row by row.</param>
    /// <inheritdoc cref="Add(string, SafetensorsType, ReadOnlySpan{long}, Action{Stream})" path="/exception"/>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<float> values) => Add(name, SafetensorsType.F32, shape, values);

    /// <summary>Adds a tensor of type F64.</summary>
    /// <inheritdoc cref="Add(string, ReadOnlySpan{long}, ReadOnlyMemory{float})" path="/param|/exception"/>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<double> values) => Add(name, SafetensorsType.F64, shape, values);

    /// <summary>Adds a tensor of type I32.</summary>
    /// <inheritdoc cref="Add(string, ReadOnlySpan{long}, ReadOnlyMemory{float})" path="/param|/exception"/>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<int> values) => Add(name, SafetensorsType.I32, shape, values);

    /// <summary>Adds a tensor of type I64.</summary>
    /// <inheritdoc cref="Add(string, ReadOnlySpan{long}, ReadOnlyMemory{float})" path="/param|/exception"/>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<long> values) => Add(name, SafetensorsType.I64, shape, values);

    /// <summary>Adds a tensor of any type.</summary>
    /// <param name="name">The tensor's name; any text but <c>__metadata__</c>.</param>
    /// <param name="type">What its elements are.</param>
    /// <param name="shape">Its dimensions, the last one contiguous; none for a scalar.</param>
    /// <param name="bytes">Its elements, row by row, little-endian.</param>
    /// <inheritdoc cref="Add(string, SafetensorsType, ReadOnlySpan{long}, Action{Stream})" path="/exception"/>
    public void Add(string name, SafetensorsType type, ReadOnlySpan<long> shape, ReadOnlyMemory<byte> bytes) =>
        Add<byte>(name, type, shape, bytes);

    /// <summary>Adds a tensor of a file that was read.</summary>
    /// <inheritdoc cref="Add(string, SafetensorsType, ReadOnlySpan{long}, Action{Stream})" path="/exception"/>
    public void Add(SafetensorsEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        Add(entry.Name, entry.Type, entry.Shape.AsSpan(), entry.Bytes);
    }

    /// <summary>Adds a tensor that writes itself: for elements outside managed memory, or to be fetched from a device.</summary>
    /// <param name="name">The tensor's name; any text but <c>__metadata__</c>.</param>
    /// <param name="type">What its elements are.</param>
    /// <param name="shape">Its dimensions, the last one contiguous; none for a scalar.</param>
    /// <param name="write">Writes exactly the bytes that type and shape ask for, row by row, little-endian; not called for none.</param>
    /// <exception cref="ArgumentException">
    /// The name is taken, a dimension is negative, there are more or fewer elements than the shape says, or more than 2 GB.
    /// </exception>
    public void Add(string name, SafetensorsType type, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        RequireText(name, nameof(name));
        if (name == MetadataKey) throw new ArgumentException($"No tensor may be called {name}.", nameof(name));
        string tensor = $"Tensor {Quote(name)}";
        if (!TryByteCount(type, shape, out long bytes) || bytes > Array.MaxLength)
            throw new ArgumentException($"{tensor}: {type} {Describe(shape)} is negative or beyond {Array.MaxLength} bytes.");
        if (!names.Add(name)) throw new ArgumentException($"{tensor} was added before.", nameof(name));
        items.Add(new(name, type, shape.ToArray(), bytes, write));
    }

    /// <summary>Writes the file, replacing one that exists as a whole or not at all; see <see cref="AtomicFile"/>.</summary>
    /// <exception cref="CheckpointException">It cannot be written; the message names it. What was there before is there still.</exception>
    /// <exception cref="InvalidOperationException">A tensor wrote too many or too few bytes, or the header exceeds 100 MB.</exception>
    public void Write(string path) => AtomicFile.Write(path, Write);

    internal void Write(Stream stream)
    {
        RequireLittleEndian();
        Item[] ordered = [.. items.OrderByDescending(item => Size(item.Type))];
        ArrayBufferWriter<byte> header = Header(ordered);

        // With the prefix of 8 bytes, a header padded to a multiple of 8 puts the data on one.
        int padding = -header.WrittenCount & 7;
        header.GetSpan(padding)[..padding].Fill((byte)' ');
        header.Advance(padding);
        if (header.WrittenCount > MaxHeaderLength)
            throw new InvalidOperationException($"A header of {header.WrittenCount} bytes; the most allowed is {MaxHeaderLength}.");
        Span<byte> prefix = stackalloc byte[PrefixLength];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.WrittenCount);
        stream.Write(prefix);
        stream.Write(header.WrittenSpan);

        foreach (Item item in ordered)
        {
            if (item.ByteCount == 0) continue;
            long begin = stream.Position;
            item.Write(stream);
            long written = stream.Position - begin;
            if (written != item.ByteCount)
                throw new InvalidOperationException($"Tensor {Quote(item.Name)}: wrote {written} bytes, but {item.Type} "
                    + $"{Describe(item.Shape)} takes {item.ByteCount}.");
        }
    }

    ArrayBufferWriter<byte> Header(Item[] ordered)
    {
        ArrayBufferWriter<byte> header = new();
        // The default encoder would escape every letter outside ASCII, for the sake of HTML.
        using Utf8JsonWriter json = new(header, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        if (metadata.Count > 0)
        {
            json.WriteStartObject(MetadataKey);
            foreach (var (key, value) in metadata) json.WriteString(key, value);
            json.WriteEndObject();
        }
        long offset = 0;
        foreach (Item item in ordered)
        {
            json.WriteStartObject(item.Name);
            json.WriteString("dtype", item.Type.ToString());
            json.WriteStartArray("shape");
            foreach (long dimension in item.Shape) json.WriteNumberValue(dimension);
            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(offset);
            json.WriteNumberValue(offset += item.ByteCount);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.Flush();
        return header;
    }

    void Add<T>(string name, SafetensorsType type, ReadOnlySpan<long> shape, ReadOnlyMemory<T> values) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(name);
        long given = (long)values.Length * Unsafe.SizeOf<T>();
        if (TryByteCount(type, shape, out long bytes) && bytes != given)
            throw new ArgumentException($"Tensor {Quote(name)}: {type} {Describe(shape)} takes {bytes} bytes, not {given}.");
        Add(name, type, shape, stream => stream.Write(MemoryMarshal.AsBytes(values.Span)));
    }

    // UTF-8, and so JSON, has no code for half a surrogate pair; the name would come back as another one.
    static void RequireText(string text, string parameter)
    {
        ArgumentNullException.ThrowIfNull(text, parameter);
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text, i)) i++;
            else if (char.IsSurrogate(text[i]))
                throw new ArgumentException($"{Quote(text)} has half a surrogate pair at {i}.", parameter);
        }
    }
}
