using System.Buffers;
using System.Runtime.InteropServices;
using NeuralMemory.Checkpoints;

namespace NeuralMemory.Training;

/// <summary>Tensors into safetensors files and out of them again, bit for bit.</summary>
static class TensorFile
{
    const int Chunk = 1 << 16;

    /// <summary>Adds a tensor, whose elements are read when the file is written.</summary>
    public static void Add(SafetensorsWriter writer, string name, Tensor tensor) =>
        writer.Add(name, Type(tensor), Sizes(tensor), stream => Write(stream, name, tensor));

    /// <exception cref="NonFiniteException">An element is NaN or infinite: such a file would be refused when it is read.</exception>
    static unsafe void Write(Stream stream, string name, Tensor tensor)
    {
        Tensor source = tensor.IsContiguous ? tensor : tensor.Keep();
        nint address = source.Address;
        long bytes = (long)source.Count * source.DType.Size();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            for (long done = 0; done < bytes; done += Chunk)
            {
                Span<byte> part = buffer.AsSpan(0, (int)Math.Min(Chunk, bytes - done));
                fixed (byte* p = part) source.Backend.CopyToHost(address + (nint)done, p, part.Length);
                if (NonFinite(part, source.DType) is >= 0 and int at)
                    throw new NonFiniteException("Checkpoint",
                        $"Checkpoint: \"{name}\", {source.Shape}, is not finite at {Index((int)(done / source.DType.Size()) + at, source.Shape)}; nothing was saved.");
                stream.Write(part);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            GC.KeepAlive(source);
        }
    }

    /// <summary>
    /// Pairs tensors with the entries that are to be read into them, and checks every entry: name, type, shape, and that all numbers are finite. Nothing
    /// is changed.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="tensors">By the names that they have in the file.</param>
    /// <param name="owner">Whose they are, for messages.</param>
    /// <param name="others">Whether an entry belongs to somebody else; every other entry must have a tensor.</param>
    /// <exception cref="CheckpointException">An entry is missing, superfluous, of another type or shape, or holds NaN or infinity.</exception>
    public static List<(SafetensorsEntry Entry, Tensor Tensor)> Match(
        SafetensorsFile file, IEnumerable<(string Name, Tensor Tensor)> tensors, string owner, Func<string, bool>? others = null)
    {
        List<(SafetensorsEntry, Tensor)> pairs = [];
        HashSet<string> names = [];
        foreach ((string name, Tensor tensor) in tensors)
        {
            names.Add(name);
            string expected = $"{Type(tensor)} {tensor.Shape}";
            if (!file.TryGet(name, out SafetensorsEntry? entry))
                throw new CheckpointException($"{file.Source}: tensor \"{name}\" is missing; the {owner} needs it, {expected}.");
            if (entry.Type != Type(tensor) || !entry.Shape.AsSpan().SequenceEqual(Sizes(tensor)))
                throw new CheckpointException($"{file.Source}: tensor {entry}: the {owner} needs {expected}.");
            if (NonFinite(entry.Bytes.Span, tensor.DType) is >= 0 and int at)
                throw new CheckpointException($"{file.Source}: tensor {entry}: element {Index(at, tensor.Shape)} is NaN or infinite; a finite number was expected.");
            pairs.Add((entry, tensor));
        }
        foreach (SafetensorsEntry entry in file.Entries)
            if (!names.Contains(entry.Name) && others?.Invoke(entry.Name) != true)
                throw new CheckpointException($"{file.Source}: tensor {entry} is superfluous: the {owner} has none of that name.");
        return pairs;
    }

    /// <summary>Reads every entry into its tensor; nothing can go wrong any more.</summary>
    public static void Load(List<(SafetensorsEntry Entry, Tensor Tensor)> pairs)
    {
        foreach ((SafetensorsEntry entry, Tensor tensor) in pairs)
        {
            ReadOnlySpan<byte> bytes = entry.Bytes.Span;
            if (tensor.DType == DType.Float32) tensor.CopyFrom(MemoryMarshal.Cast<byte, float>(bytes));
            else if (tensor.DType == DType.Float64) tensor.CopyFrom(MemoryMarshal.Cast<byte, double>(bytes));
            else tensor.CopyFrom(MemoryMarshal.Cast<byte, int>(bytes));
        }
    }

    static SafetensorsType Type(Tensor tensor) => tensor.DType switch
    {
        DType.Float32 => SafetensorsType.F32,
        DType.Float64 => SafetensorsType.F64,
        _ => SafetensorsType.I32,
    };

    static long[] Sizes(Tensor tensor) => Array.ConvertAll(tensor.Shape.Sizes.ToArray(), size => (long)size);

    /// <summary>The first element that is NaN or infinite, or -1.</summary>
    static int NonFinite(ReadOnlySpan<byte> bytes, DType type)
    {
        if (type == DType.Float32)
        {
            ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(bytes);
            for (int i = 0; i < values.Length; i++)
                if (!float.IsFinite(values[i])) return i;
        }
        else if (type == DType.Float64)
        {
            ReadOnlySpan<double> values = MemoryMarshal.Cast<byte, double>(bytes);
            for (int i = 0; i < values.Length; i++)
                if (!double.IsFinite(values[i])) return i;
        }
        return -1;
    }

    static string Index(int at, Shape shape)
    {
        int[] index = new int[shape.Rank];
        for (int d = shape.Rank - 1; d >= 0; at /= shape[d], d--) index[d] = at % shape[d];
        return $"[{string.Join(", ", index)}]";
    }
}
