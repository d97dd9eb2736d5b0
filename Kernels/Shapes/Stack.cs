namespace NeuralMemory;

/// <summary>y = tensors of one shape side by side along a new dimension. dL/dx of each is its part of dL/dy.</summary>
public sealed class Stack : Operation<Stack>
{
    int dimension;

    /// <summary>Lays <paramref name="tensors"/> side by side along a new dimension at <paramref name="dimension"/>.</summary>
    public static Tensor Apply(ReadOnlySpan<Tensor> tensors, int dimension)
    {
        if (tensors.Length == 0) throw new ShapeException("Stack", "no tensors were given; one at least was expected.");
        Tensor first = tensors[0];
        int d = dimension < 0 ? dimension + first.Rank + 1 : dimension;
        if ((uint)d > (uint)first.Rank)
            throw new ShapeException("Stack", $"new dimension {dimension} for {first.Shape}: {-first.Rank - 1} to {first.Rank} was expected.");
        for (int i = 1; i < tensors.Length; i++)
        {
            Tensor x = tensors[i];
            if (x.Shape != first.Shape || x.DType != first.DType)
                throw new ShapeException("Stack", $"tensor {i} is {x.DType} {x.Shape}, tensor 0 {first.DType} {first.Shape}: all must be the same.");
        }
        Tensor y = Tensor.Empty(first.Shape.Insert(d, tensors.Length), first.DType);
        for (int i = 0; i < tensors.Length; i++) Transfer.Copy(tensors[i], y.Select(d, i));
        Record(y, tensors)?.dimension = d;
        return y;
    }

    /// <summary>dL/dx_i += dL/dy[i].</summary>
    protected override void Backward()
    {
        Tensor dy = OutputGradient();
        for (int i = 0; i < InputCount; i++)
            if (NeedsGradient(i)) AddToInputGradient(i, dy.Select(dimension, i));
    }
}

/// <summary>Adds stacking to <see cref="Tensor"/>.</summary>
public static class StackOperation
{
    extension(Tensor)
    {
        /// <summary>
        /// N <paramref name="tensors"/> of one shape side by side along a new dimension of size N, put in at <paramref name="dimension"/>; -1 puts it last.
        /// Elements of every type.
        /// </summary>
        /// <example><c>Tensor.Stack(0, a, b)</c> of two [3, 4] is [2, 3, 4].</example>
        /// <exception cref="ShapeException">There are none, or two differ in shape or type.</exception>
        public static Tensor Stack(int dimension, params ReadOnlySpan<Tensor> tensors) => NeuralMemory.Stack.Apply(tensors, dimension);
    }
}
