namespace NeuralMemory;

/// <summary>y = x, copied: from any strides to none. dL/dx += dL/dy.</summary>
public sealed class Contiguous : Operation<Contiguous>
{
    /// <summary>Copies <paramref name="x"/>, elements of every type.</summary>
    public static Tensor Apply(Tensor x)
    {
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        Transfer.Copy(x, y);
        Record(y, x);
        return y;
    }

    /// <summary>dL/dx += dL/dy.</summary>
    protected override void Backward() => AddToInputGradient(0, OutputGradient());
}

/// <summary>Adds changes of shape that may have to copy to <see cref="Tensor"/>.</summary>
public static class ReshapeOperation
{
    extension(Tensor x)
    {
        /// <summary>The tensor itself where its elements lie without gaps in the order of their indices, else a copy where they do.</summary>
        public Tensor Contiguous() => x.IsContiguous ? x : NeuralMemory.Contiguous.Apply(x);

        /// <summary>The same elements, in the order of their indices, under another shape; one size may be -1. A view where the strides allow it, else a copy.</summary>
        /// <exception cref="ShapeException">The numbers of elements differ.</exception>
        public Tensor Reshape(Shape shape)
        {
            if (x.TryView(shape, out Tensor view)) return view;
            x.Contiguous().TryView(shape, out view);
            return view;
        }

        /// <summary>Dimensions <paramref name="first"/> to <paramref name="last"/>, both included, joined into one.</summary>
        /// <exception cref="ShapeException">There is no such dimension; the last comes before the first.</exception>
        public Tensor Flatten(int first = 0, int last = -1)
        {
            int from = x.Shape.Dimension(first, "Flatten"), to = x.Shape.Dimension(last, "Flatten");
            if (from > to) throw new ShapeException("Flatten", $"dimensions {first} to {last} of {x.Shape}: a last one that does not come before the first was expected.");
            Shape shape = x.Shape;
            for (int d = to; d > from; d--) shape = shape.With(from, shape[from] * shape[d]).Without(d);
            return x.Reshape(shape);
        }
    }
}
