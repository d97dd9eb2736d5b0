using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using static NeuralMemory.Checkpoints.Safetensors;

namespace NeuralMemory.Checkpoints;

/// <summary>What a header says of one tensor; it lies at bytes <paramref name="Begin"/> to <paramref name="End"/> of the data.</summary>
readonly record struct SafetensorsDeclaration(string Name, SafetensorsType Type, ImmutableArray<long> Shape, long Begin, long End);

/// <summary>
/// Reads a header and checks all that it says. Nothing is taken on trust: a number of the file is compared with the file's length before
/// it is used, so that memory stays in proportion to the bytes that are there.
/// </summary>
ref struct SafetensorsHeader
{
    readonly string source;
    readonly long dataLength;
    readonly List<SafetensorsDeclaration> tensors = [];
    readonly HashSet<string> names = [];
    readonly List<long> numbers = [];
    Dictionary<string, string>? metadata;
    // What is being read, for messages, which are composed only when something is wrong: a header may declare a million tensors.
    (string? Kind, string? Key) subject;
    Utf8JsonReader json;

    SafetensorsHeader(ReadOnlySpan<byte> header, long dataLength, string source)
    {
        (this.source, this.dataLength) = (source, dataLength);
        json = new Utf8JsonReader(header);
    }

    /// <summary>The header's length, checked against the file's, from the file's first bytes.</summary>
    public static int ReadLength(ReadOnlySpan<byte> prefix, long fileLength, string source)
    {
        if (fileLength < PrefixLength)
            throw new CheckpointException($"{source}: {fileLength} bytes long, but the length of a header alone takes 8.");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        long rest = fileLength - PrefixLength;
        string header = $"{source}: byte 0: a header of {length} bytes is announced";
        if (length > (ulong)rest) throw new CheckpointException($"{header}, but {rest} follow; is the file cut short?");
        if (length > MaxHeaderLength) throw new CheckpointException($"{header}; the most allowed is {MaxHeaderLength}.");
        return (int)length;
    }

    /// <summary>Reads a header that <paramref name="dataLength"/> bytes of data follow.</summary>
    /// <returns>The tensors in the order of their data, and the metadata.</returns>
    public static (SafetensorsDeclaration[] Tensors, Dictionary<string, string> Metadata) Parse(
        ReadOnlySpan<byte> header, long dataLength, string source)
    {
        if (header.IsEmpty) throw new CheckpointException($"{source}: byte 0: an empty header is announced, expected at least {{}}.");
        if (header[0] != '{') throw new CheckpointException($"{source}: byte 8: a header begins with '{{', found 0x{header[0]:X2}.");
        // The JSON reader would let invalid text pass in strings and only complain when one is fetched.
        if (!Utf8.IsValid(header))
            throw new CheckpointException($"{source}: byte {PrefixLength + FirstInvalid(header)}: the header is not valid UTF-8.");

        SafetensorsHeader parser = new(header, dataLength, source);
        try
        {
            parser.ReadRoot();
        }
        catch (JsonException e)
        {
            // Not with the exception's own message, which quotes a malformed literal at any length.
            int begin = (int)parser.json.BytesConsumed;
            string found = Quote(Encoding.UTF8.GetString(header[begin..Math.Min(begin + 20, header.Length)]));
            throw new CheckpointException($"{source}: byte {PrefixLength + begin}: the header is not valid JSON from here: {found}", e);
        }
        return (parser.InOrderOfData(), parser.metadata ?? []);
    }

    static int FirstInvalid(ReadOnlySpan<byte> text)
    {
        int offset = 0;
        while (Rune.DecodeFromUtf8(text[offset..], out _, out int length) == OperationStatus.Done) offset += length;
        return offset;
    }

    void ReadRoot()
    {
        json.Read();
        while (NextKey() is { } key)
        {
            if (key == MetadataKey)
            {
                if (metadata is not null) throw Error($"{MetadataKey} appears twice.");
                ReadMetadata(metadata = []);
            }
            else
            {
                subject = ("tensor", key);
                if (!names.Add(key)) throw Error("appears twice.");
                tensors.Add(ReadTensor(key));
            }
            subject = default;
        }
        // Whatever is left may only be white space; the reader throws at anything else.
        json.Read();
    }

    void ReadMetadata(Dictionary<string, string> pairs)
    {
        subject = (MetadataKey, null);
        Expect(JsonTokenType.StartObject, "must be an object of strings");
        while (NextKey() is { } key)
        {
            subject = (MetadataKey, key);
            Expect(JsonTokenType.String, "must be a string");
            if (!pairs.TryAdd(key, Text())) throw Error("appears twice.");
        }
    }

    SafetensorsDeclaration ReadTensor(string name)
    {
        SafetensorsType? type = null;
        long[]? shape = null, offsets = null;
        Expect(JsonTokenType.StartObject, "must be an object");
        while (NextKey() is { } field)
        {
            bool twice;
            switch (field)
            {
                case "dtype": (twice, type) = (type is not null, ReadType()); break;
                case "shape": (twice, shape) = (shape is not null, ReadNumbers(field)); break;
                case "data_offsets": (twice, offsets) = (offsets is not null, ReadNumbers(field)); break;
                default: throw Error($"field {Quote(field)} is none of dtype, shape and data_offsets.");
            }
            if (twice) throw Error($"{field} appears twice.");
        }
        if (type is null) throw Error("has no dtype.");
        if (shape is null) throw Error("has no shape.");
        if (offsets is null) throw Error("has no data_offsets.");
        if (offsets is not [long begin, long end]) throw Error($"data_offsets must be two numbers, begin and end, found {offsets.Length}.");

        if (begin > end) throw Error($"data_offsets [{begin}, {end}] end before they begin.");
        if (end > dataLength)
            throw Error($"data_offsets [{begin}, {end}] reach beyond the {dataLength} bytes of data; is the file cut short?");
        if (!TryByteCount(type.Value, shape, out long bytes))
            throw Error($"{type} {Describe(shape)} takes more than {long.MaxValue} bytes.");
        if (bytes != end - begin)
            throw Error($"{type} {Describe(shape)} takes {bytes} bytes, but data_offsets [{begin}, {end}] hold {end - begin}.");
        if (bytes > Array.MaxLength) throw Error($"takes {bytes} bytes; the most supported for one tensor is {Array.MaxLength}.");
        return new(name, type.Value, ImmutableCollectionsMarshal.AsImmutableArray(shape), begin, end);
    }

    SafetensorsType ReadType()
    {
        Expect(JsonTokenType.String, "dtype must be a string");
        string name = Text();
        return TryParse(name, out SafetensorsType type)
            ? type
            : throw Error($"dtype {Quote(name)} is none of {string.Join(", ", TypeNames)}.");
    }

    long[] ReadNumbers(string field)
    {
        Expect(JsonTokenType.StartArray, field == "shape" ? "shape must be an array" : "data_offsets must be an array");
        numbers.Clear();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            if (json.TokenType != JsonTokenType.Number || !json.TryGetInt64(out long number) || number < 0)
                throw Error($"{field}[{numbers.Count}] must be a whole number from 0 to {long.MaxValue}, found {Found()}.");
            numbers.Add(number);
        }
        return [.. numbers];
    }

    /// <summary>The tensors by their place in the data, once they are known to cover it without hole or overlap.</summary>
    readonly SafetensorsDeclaration[] InOrderOfData()
    {
        SafetensorsDeclaration[] ordered = [.. tensors.OrderBy(tensor => tensor.Begin).ThenBy(tensor => tensor.End)];
        long covered = 0;
        string last = "";
        foreach (SafetensorsDeclaration tensor in ordered)
        {
            if (tensor.Begin != covered)
            {
                string begin = $"{source}: tensor {Quote(tensor.Name)} begins at byte {tensor.Begin} of the data";
                throw new CheckpointException(tensor.Begin < covered
                    ? $"{begin}, but tensor {Quote(last)} before it ends at byte {covered}: they overlap."
                    : $"{begin}, but bytes {covered} to {tensor.Begin} before it belong to no tensor.");
            }
            (covered, last) = (tensor.End, tensor.Name);
        }
        return covered == dataLength
            ? ordered
            : throw new CheckpointException($"{source}: the tensors end at byte {covered} of {dataLength}; the rest belongs to none.");
    }

    // The next key of an object, or null at its end.
    string? NextKey()
    {
        json.Read();
        return json.TokenType == JsonTokenType.EndObject ? null : Text();
    }

    void Expect(JsonTokenType type, string rule)
    {
        json.Read();
        if (json.TokenType != type) throw Error($"{rule}, found {Found()}.");
    }

    string Text()
    {
        try { return json.GetString()!; }
        // The text is valid UTF-8, so this is an escape such as \ud800 without its other half.
        catch (InvalidOperationException e) { throw Error("half a surrogate pair in a string.", e); }
    }

    readonly string Found() => json.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => Encoding.UTF8.GetString(json.ValueSpan[..Math.Min(json.ValueSpan.Length, 40)]),
        _ => json.TokenType.ToString().ToLowerInvariant(),
    };

    readonly CheckpointException Error(string what, Exception? cause = null)
    {
        string key = subject.Key is null ? "" : $" {Quote(subject.Key)}";
        string where = subject.Kind is null ? "" : $"{subject.Kind}{key}: ";
        return new($"{source}: byte {PrefixLength + json.TokenStartIndex}: {where}{what}", cause);
    }
}
