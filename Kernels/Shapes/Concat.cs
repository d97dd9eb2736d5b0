namespace NeuralMemory;

/// <summary>y = tensors laid one after the other along a dimension. dL/dx of each is its part of dL/dy.</summary>
public sealed class Concat : Operation<Concat>
{
    int dimension;

    /// <summary>Lays <paramref name="tensors"/> one after the other along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(ReadOnlySpan<Tensor> tensors, int dimension)
    {
        if (tensors.Length == 0) throw new ShapeException("Concat", "no tensors were given; one at least was expected.");
        Tensor first = tensors[0];
        int d = first.Shape.Dimension(dimension, "Concat"), size = 0;
        for (int i = 0; i < tensors.Length; i++)
        {
            Tensor x = tensors[i];
            if (x.Rank != first.Rank || x.Shape.With(d, first.Shape[d]) != first.Shape || x.DType != first.DType)
                throw new ShapeException("Concat", $"tensor {i} is {x.DType} {x.Shape}, tensor 0 {first.DType} {first.Shape}: all but dimension {d} must be the same.");
            size = checked(size + x.Shape[d]);
        }
        Tensor y = Tensor.Empty(first.Shape.With(d, size), first.DType);
        int offset = 0;
        foreach (Tensor x in tensors)
        {
            Transfer.Copy(x, y.Slice(d, offset, offset + x.Shape[d]));
            offset += x.Shape[d];
        }
        Record(y, tensors)?.dimension = d;
        return y;
    }

    /// <summary>dL/dx_i += dL/dy[offset_i .. offset_i + size_i].</summary>
    protected override void Backward()
    {
        Tensor dy = OutputGradient();
        int offset = 0;
        for (int i = 0; i < InputCount; i++)
        {
            int end = offset + Input(i).Shape[dimension];
            if (NeedsGradient(i)) AddToInputGradient(i, dy.Slice(dimension, offset, end));
            offset = end;
        }
    }
}

/// <summary>Adds concatenation to <see cref="Tensor"/>.</summary>
public static class ConcatOperation
{
    extension(Tensor)
    {
        /// <summary>
        /// <paramref name="tensors"/>, whose shapes differ in <paramref name="dimension"/> at most, one after the other along it:
        /// [.., n1, ..], [.., n2, ..], ... -> [.., n1 + n2 + ..., ..]. Elements of every type.
        /// </summary>
        /// <example><c>Tensor.Concat(-1, input, read)</c></example>
        /// <exception cref="ShapeException">There are none, or two differ in another dimension or in type.</exception>
        public static Tensor Concat(int dimension, params ReadOnlySpan<Tensor> tensors) => NeuralMemory.Concat.Apply(tensors, dimension);
    }
}
