using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NeuralMemory;

/// <summary>The sizes of a tensor's dimensions, slowest first; also its strides, in elements. A value without allocation, at most <see cref="MaxRank"/> long.</summary>
/// <example><c>Shape shape = [batch, slots, width];</c></example>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The most dimensions a tensor can have.</summary>
    public const int MaxRank = 8;

    [InlineArray(MaxRank)]
    struct Values
    {
        int first;
    }

    readonly Values values;

    /// <summary>Creates a shape of the given sizes.</summary>
    /// <exception cref="ShapeException">More than <see cref="MaxRank"/> dimensions.</exception>
    public Shape(ReadOnlySpan<int> sizes)
    {
        if (sizes.Length > MaxRank) throw new ShapeException("Shape", $"{sizes.Length} dimensions; at most {MaxRank} are supported.");
        Rank = sizes.Length;
        sizes.CopyTo(values);
    }

    /// <summary>Creates a shape from a collection expression.</summary>
    public static Shape Create(ReadOnlySpan<int> sizes) => new(sizes);

    /// <summary>The number of dimensions; 0 for a single number.</summary>
    public int Rank { get; }

    /// <summary>The sizes as a span over this very value.</summary>
    [UnscopedRef]
    public ReadOnlySpan<int> Sizes => MemoryMarshal.CreateReadOnlySpan(in values[0], Rank);

    /// <summary>Enumerates the sizes.</summary>
    [UnscopedRef]
    public ReadOnlySpan<int>.Enumerator GetEnumerator() => Sizes.GetEnumerator();

    /// <summary>The size of one dimension; <c>^1</c> is the last.</summary>
    public int this[Index dimension] => Sizes[dimension];

    /// <summary>The size of one dimension, 0 to <see cref="Rank"/> - 1.</summary>
    public int this[int dimension] => Sizes[dimension];

    /// <summary>The number of elements: the product of all sizes.</summary>
    /// <exception cref="ShapeException">More than 2^31 - 1 of them.</exception>
    public int Count
    {
        get
        {
            long count = 1;
            foreach (int size in Sizes)
            {
                count *= size;
                if (count > int.MaxValue) throw new ShapeException("Shape", $"{this} has more than {int.MaxValue} elements.");
            }
            return (int)count;
        }
    }

    /// <summary>The dimension meant by <paramref name="dimension"/>, which counts from the end when negative.</summary>
    /// <exception cref="ShapeException">There is no such dimension.</exception>
    public int Dimension(int dimension, string operation = "Shape")
    {
        int d = dimension < 0 ? dimension + Rank : dimension;
        return (uint)d < (uint)Rank ? d : throw new ShapeException(operation, $"dimension {dimension} of {this}: a tensor of rank {Rank} has dimensions {-Rank} to {Rank - 1}.");
    }

    /// <summary>This shape with one dimension's size replaced.</summary>
    public Shape With(int dimension, int size)
    {
        Span<int> sizes = stackalloc int[Rank];
        Sizes.CopyTo(sizes);
        sizes[dimension] = size;
        return new(sizes);
    }

    /// <summary>This shape without one dimension.</summary>
    public Shape Without(int dimension) => Splice(dimension, 1, []);

    /// <summary>This shape with a dimension of the given size put in at <paramref name="dimension"/>.</summary>
    public Shape Insert(int dimension, int size) => Splice(dimension, 0, [size]);

    /// <summary>This shape followed by <paramref name="other"/>'s dimensions.</summary>
    public Shape Concat(Shape other) => Splice(Rank, 0, other.Sizes);

    /// <summary>The sizes of some dimensions, in their order there.</summary>
    internal Shape Pick(ReadOnlySpan<int> dimensions)
    {
        Span<int> picked = stackalloc int[MaxRank];
        for (int i = 0; i < dimensions.Length; i++) picked[i] = this[dimensions[i]];
        return new(picked[..dimensions.Length]);
    }

    Shape Splice(int at, int removed, ReadOnlySpan<int> inserted)
    {
        if (Rank - removed + inserted.Length > MaxRank) throw new ShapeException("Shape", $"{this}: more than {MaxRank} dimensions.");
        Span<int> sizes = stackalloc int[Rank - removed + inserted.Length];
        Sizes[..at].CopyTo(sizes);
        inserted.CopyTo(sizes[at..]);
        Sizes[(at + removed)..].CopyTo(sizes[(at + inserted.Length)..]);
        return new(sizes);
    }

    /// <summary>The strides of a tensor of this shape whose elements lie without gaps, the last dimension fastest.</summary>
    public Shape ContiguousStrides()
    {
        Span<int> strides = stackalloc int[Rank];
        int stride = 1;
        for (int d = Rank - 1; d >= 0; d--)
        {
            strides[d] = stride;
            stride *= Math.Max(this[d], 1);
        }
        return new(strides);
    }

    /// <summary>The shape both broadcast to: aligned at the last dimension, sizes equal or one of them 1.</summary>
    /// <exception cref="ShapeException">Two sizes differ and neither is 1.</exception>
    public static Shape Broadcast(Shape a, Shape b, string operation)
    {
        int rank = Math.Max(a.Rank, b.Rank);
        Span<int> sizes = stackalloc int[rank];
        for (int d = 1; d <= rank; d++)
        {
            int sizeA = d <= a.Rank ? a[^d] : 1, sizeB = d <= b.Rank ? b[^d] : 1;
            if (sizeA != sizeB && sizeA != 1 && sizeB != 1)
                throw new ShapeException(operation, $"{a} and {b} do not broadcast: dimension {-d} is {sizeA} in one and {sizeB} in the other, and neither is 1.");
            sizes[^d] = sizeA == 1 ? sizeB : sizeA;
        }
        return new(sizes);
    }

    /// <summary>Whether both have the same sizes.</summary>
    public bool Equals(Shape other) => Sizes.SequenceEqual(other.Sizes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        foreach (int size in Sizes) hash.Add(size);
        return hash.ToHashCode();
    }

    /// <summary>Whether both have the same sizes.</summary>
    public static bool operator ==(Shape a, Shape b) => a.Equals(b);

    /// <summary>Whether some size differs.</summary>
    public static bool operator !=(Shape a, Shape b) => !a.Equals(b);

    /// <summary>The sizes in brackets: <c>[3, 4]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", Sizes.ToArray())}]";
}

/// <summary>Tensors whose shapes, types or arguments an operation cannot take. The message names the operation, the shapes and what disagrees.</summary>
/// <param name="operation">The operation's name, as the caller wrote it.</param>
/// <param name="detail">What was given and what was expected.</param>
public sealed class ShapeException(string operation, string detail) : ArgumentException($"{operation}: {detail}")
{
    /// <summary>The operation that refused.</summary>
    public string Operation { get; } = operation;
}
