using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static NeuralMemory.Checkpoints.Safetensors;

namespace NeuralMemory.Checkpoints;

/// <summary>One tensor of a <see cref="SafetensorsFile"/>.</summary>
public sealed class SafetensorsEntry
{
    readonly string source;

    internal SafetensorsEntry(string source, SafetensorsDeclaration tensor, ReadOnlyMemory<byte> bytes)
    {
        this.source = source;
        (Name, Type, Shape, Bytes) = (tensor.Name, tensor.Type, tensor.Shape, bytes);
        Count = bytes.Length / Size(Type);
    }

    /// <summary>The tensor's name; any text, "" included.</summary>
    public string Name { get; }

    /// <summary>What its elements are.</summary>
    public SafetensorsType Type { get; }

    /// <summary>Its dimensions, the last one contiguous; none for a scalar.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Its elements: the product of <see cref="Shape"/>, 1 for a scalar.</summary>
    public int Count { get; }

    /// <summary>Its elements as they are in the file, row by row, little-endian, at any alignment.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Copies all elements, whatever their type, rounded to the nearest float.</summary>
    /// <param name="destination">As many as <see cref="Count"/>.</param>
    /// <exception cref="CheckpointException">A finite F64 is beyond the range of float, or a BOOL is neither 0 nor 1.</exception>
    public void CopyTo(Span<float> destination) => Copy(destination);

    /// <summary>Copies all elements, whatever their type; integers beyond 2^53 are rounded to the nearest double.</summary>
    /// <inheritdoc cref="CopyTo(Span{float})" path="/param"/>
    /// <exception cref="CheckpointException">A BOOL is neither 0 nor 1.</exception>
    public void CopyTo(Span<double> destination) => Copy(destination);

    /// <summary>Copies all elements, exactly.</summary>
    /// <inheritdoc cref="CopyTo(Span{float})" path="/param"/>
    /// <exception cref="CheckpointException">The type is a float's, an element is beyond int, or a BOOL is neither 0 nor 1.</exception>
    public void CopyTo(Span<int> destination) => Copy(destination);

    /// <summary>Copies all elements, exactly.</summary>
    /// <inheritdoc cref="CopyTo(Span{float})" path="/param"/>
    /// <exception cref="CheckpointException">The type is a float's, an element is beyond long, or a BOOL is neither 0 nor 1.</exception>
    public void CopyTo(Span<long> destination) => Copy(destination);

    /// <summary>Name, type and shape: <c>"layer.weight" F32 [2, 3]</c>.</summary>
    public override string ToString() => $"{Quote(Name)} {Type} {Describe(Shape.AsSpan())}";

    void Copy<T>(Span<T> destination) where T : unmanaged, INumber<T>
    {
        if (destination.Length != Count)
            throw new ArgumentException($"{source}: tensor {this} has {Count} elements, but the destination has {destination.Length}.");
        switch (Type)
        {
            case SafetensorsType.F64: CopyFloats<double, T>(destination); break;
            case SafetensorsType.F32: CopyFloats<float, T>(destination); break;
            case SafetensorsType.F16: CopyFloats<Half, T>(destination); break;
            case SafetensorsType.BF16: CopyBFloats(destination); break;
            case SafetensorsType.I64: CopyNumbers<long, T>(destination); break;
            case SafetensorsType.I32: CopyNumbers<int, T>(destination); break;
            case SafetensorsType.I16: CopyNumbers<short, T>(destination); break;
            case SafetensorsType.I8: CopyNumbers<sbyte, T>(destination); break;
            case SafetensorsType.U64: CopyNumbers<ulong, T>(destination); break;
            case SafetensorsType.U32: CopyNumbers<uint, T>(destination); break;
            case SafetensorsType.U16: CopyNumbers<ushort, T>(destination); break;
            case SafetensorsType.U8: CopyNumbers<byte, T>(destination); break;
            case SafetensorsType.BOOL: CopyBooleans(destination); break;
        }
    }

    void CopyFloats<TFrom, T>(Span<T> destination)
        where TFrom : unmanaged, INumber<TFrom> where T : unmanaged, INumber<T>
    {
        RefuseIntegers<T>();
        CopyNumbers<TFrom, T>(destination);
    }

    void CopyNumbers<TFrom, T>(Span<T> destination)
        where TFrom : unmanaged, INumber<TFrom> where T : unmanaged, INumber<T>
    {
        ReadOnlySpan<byte> bytes = Bytes.Span;
        if (typeof(TFrom) == typeof(T))
        {
            bytes.CopyTo(MemoryMarshal.AsBytes(destination));
            return;
        }
        int i = 0;
        try
        {
            for (; i < destination.Length; i++)
            {
                TFrom value = Element<TFrom>(bytes, i);
                T converted = T.CreateChecked(value);
                // What is checked is integers; a double too large for a float silently becomes infinite.
                if (T.IsInfinity(converted) && !TFrom.IsInfinity(value)) throw new OverflowException();
                destination[i] = converted;
            }
        }
        catch (OverflowException e)
        {
            throw Error($"element {i} is {Element<TFrom>(Bytes.Span, i)}, beyond the range of {typeof(T).Name}.", e);
        }
    }

    void CopyBFloats<T>(Span<T> destination) where T : unmanaged, INumber<T>
    {
        RefuseIntegers<T>();
        ReadOnlySpan<byte> bytes = Bytes.Span;
        for (int i = 0; i < destination.Length; i++)
            destination[i] = T.CreateChecked(BitConverter.UInt32BitsToSingle((uint)Element<ushort>(bytes, i) << 16));
    }

    void CopyBooleans<T>(Span<T> destination) where T : unmanaged, INumber<T>
    {
        ReadOnlySpan<byte> bytes = Bytes.Span;
        for (int i = 0; i < destination.Length; i++)
            destination[i] = bytes[i] <= 1 ? T.CreateChecked(bytes[i]) : throw Error($"element {i} is {bytes[i]}; a BOOL is 0 or 1.");
    }

    void RefuseIntegers<T>()
    {
        if (typeof(T) == typeof(int) || typeof(T) == typeof(long)) throw Error($"expected integers or BOOL, found {Type}.");
    }

    // Tensors of one-byte types shift what follows them, so elements may lie at any address.
    static T Element<T>(ReadOnlySpan<byte> bytes, int index) where T : unmanaged =>
        MemoryMarshal.Read<T>(bytes[(index * Unsafe.SizeOf<T>())..]);

    CheckpointException Error(string what, Exception? cause = null) => new($"{source}: tensor {this}: {what}", cause);
}
