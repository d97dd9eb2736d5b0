using System.Text.Encodings.Web;

namespace NeuralMemory.Checkpoints;

/// <summary>
/// What reader and writer of the safetensors format share. A file is
/// <code>
/// 8 bytes    N, the header's length, little-endian
/// N bytes    JSON, padded with spaces: { "__metadata__": { "key": "text", ... },
///                                        "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, ... }
/// the rest   the data; offsets count from here, and the tensors cover all of it without hole or overlap
/// </code>
/// </summary>
/// <remarks>Source: https://github.com/huggingface/safetensors, "Format".</remarks>
static class Safetensors
{
    /// <summary>Bytes before the header: its length.</summary>
    public const int PrefixLength = 8;

    /// <summary>The longest header, as in the format's reference implementation; parsing takes memory in proportion to it.</summary>
    public const int MaxHeaderLength = 100_000_000;

    /// <summary>The header's one key that is no tensor.</summary>
    public const string MetadataKey = "__metadata__";

    /// <summary>Bytes of one element.</summary>
    public static int Size(SafetensorsType type) => type switch
    {
        SafetensorsType.F64 or SafetensorsType.I64 or SafetensorsType.U64 => 8,
        SafetensorsType.F32 or SafetensorsType.I32 or SafetensorsType.U32 => 4,
        SafetensorsType.F16 or SafetensorsType.BF16 or SafetensorsType.I16 or SafetensorsType.U16 => 2,
        SafetensorsType.I8 or SafetensorsType.U8 or SafetensorsType.BOOL => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an element type of the safetensors format."),
    };

    /// <summary>The types' names, each at its value.</summary>
    public static readonly string[] TypeNames = Enum.GetNames<SafetensorsType>();

    /// <summary>The type called <paramref name="name"/>, exactly; Enum.TryParse would take "3", "78" and "F64, F32" too.</summary>
    public static bool TryParse(string name, out SafetensorsType type)
    {
        int index = Array.IndexOf(TypeNames, name);
        type = (SafetensorsType)index;
        return index >= 0;
    }

    /// <summary>
    /// Bytes of a tensor of <paramref name="shape"/>, or false where a dimension is negative or the product exceeds 63 bits. A dimension of
    /// 0 makes a tensor empty but does not excuse the others: [0, 2^62, 2^62] would only overflow later, in somebody's strides.
    /// </summary>
    public static bool TryByteCount(SafetensorsType type, ReadOnlySpan<long> shape, out long bytes)
    {
        bytes = 0;
        long product = Size(type);
        bool empty = false;
        foreach (long dimension in shape)
        {
            empty |= dimension == 0;
            if (dimension < 0 || dimension > long.MaxValue / product) return false;
            product *= Math.Max(dimension, 1);
        }
        bytes = empty ? 0 : product;
        return true;
    }

    /// <summary>A name as a message shows it: quoted, control characters escaped, and short, whatever a hostile file puts there.</summary>
    public static string Quote(string text)
    {
        const int longest = 80;
        string shown = JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text.Length <= longest ? text : text[..longest]);
        return text.Length <= longest ? $"\"{shown}\"" : $"\"{shown}...\" ({text.Length} characters)";
    }

    /// <summary>A shape as a message shows it: <c>[2, 3]</c>.</summary>
    public static string Describe(ReadOnlySpan<long> shape)
    {
        const int longest = 16;
        string shown = string.Join(", ", shape[..Math.Min(shape.Length, longest)].ToArray());
        return shape.Length <= longest ? $"[{shown}]" : $"[{shown}, ...] ({shape.Length} dimensions)";
    }

    /// <summary>Elements are copied as they lie in memory, which must be little-endian as the file is.</summary>
    public static void RequireLittleEndian()
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("Safetensors files need a little-endian processor.");
    }
}
