using System.Numerics;

namespace NeuralMemory;

/// <summary>Checks of index tensors, made before anything is written.</summary>
static unsafe class Indices
{
    /// <summary>On a GPU their values are not looked at, which would copy them to the host: kernels read and write nothing where one is out of range, and give NaN, which <c>Tape.DetectNonFinite</c> finds.</summary>
    /// <exception cref="ShapeException">They are not integers, or one of them is not within 0 to <paramref name="end"/> - 1.</exception>
    /// <param name="operation">The operation's name.</param>
    /// <param name="indices">Any shape and strides.</param>
    /// <param name="end">How many there are to choose from.</param>
    /// <param name="dimension">Of what the indices count in, for the message.</param>
    /// <param name="shape">What the indices count in.</param>
    public static void Check(string operation, Tensor indices, int end, int dimension, Shape shape)
    {
        Require.Indices(operation, indices);
        if (GpuBackend.Current is not null) return;
        StridedLoop loop = new(indices.Shape, indices.Strides);
        int stride = loop.InnerStride(0);
        for (int start = 0, length; start < loop.Count; start += length)
        {
            length = loop.Locate(start, out long offset, out _, out _, out _);
            int* p = indices.Pointer<int>() + offset;
            if (stride == 1 && AreBelow(p, length, (uint)end)) continue;
            for (int i = 0; i < length; i++)
                if ((uint)p[(long)i * stride] >= (uint)end) throw OutOfRange(operation, indices.Shape, start + i, p[(long)i * stride], end, dimension, shape);
        }
    }

    /// <summary>Negative ones are above all others when their sign is taken for a digit.</summary>
    static bool AreBelow(int* indices, int count, uint end)
    {
        int i = 0;
        Vector<uint> highest = Vector<uint>.Zero;
        for (; i <= count - Vector<uint>.Count; i += Vector<uint>.Count) highest = Vector.Max(highest, Vector.Load((uint*)indices + i));
        bool below = Vector.LessThanAll(highest, new Vector<uint>(end)) || i == 0;
        for (; i < count; i++) below &= (uint)indices[i] < end;
        return below;
    }

    static ShapeException OutOfRange(string operation, Shape indices, int position, int index, int end, int dimension, Shape shape)
    {
        string range = end == 0 ? "it is empty" : $"0 to {end - 1} was expected";
        return new(operation, $"index {index} at {Position(indices, position)} of the indices {indices}, into dimension {dimension} of {shape}: {range}.");
    }

    /// <summary>The coordinates, in brackets, of element number <paramref name="position"/>, for messages.</summary>
    public static Shape Position(Shape shape, int position)
    {
        Span<int> at = stackalloc int[shape.Rank];
        for (int d = shape.Rank - 1; d >= 0; position /= shape[d], d--) at[d] = position % shape[d];
        return new(at);
    }
}
