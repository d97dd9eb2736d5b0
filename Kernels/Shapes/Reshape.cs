namespace NeuralMemory;

/// <summary>y = x. As an operation it copies: from any strides to none.</summary>
public readonly struct Identity : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Contiguous";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x;

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.One;
}

/// <summary>Adds changes of shape that may have to copy to <see cref="Tensor"/>.</summary>
public static class ReshapeOperation
{
    extension(Tensor x)
    {
        /// <summary>The tensor itself where its elements lie without gaps in the order of their indices, else a copy where they do.</summary>
        public Tensor Contiguous()
        {
            if (x.IsContiguous) return x;
            return x.DType.IsFloat() ? Unary<Identity>.Apply(x) : Conversion.Copy(x, x.DType);
        }

        /// <summary>The same elements, in the order of their indices, under another shape; one size may be -1. A view where the strides allow it, else a copy.</summary>
        /// <exception cref="ShapeException">The numbers of elements differ.</exception>
        public Tensor Reshape(Shape shape)
        {
            if (x.TryView(shape, out Tensor view)) return view;
            x.Contiguous().TryView(shape, out view);
            return view;
        }

        /// <summary>Dimensions <paramref name="first"/> to <paramref name="last"/>, both included, joined into one.</summary>
        public Tensor Flatten(int first = 0, int last = -1)
        {
            int from = x.Shape.Dimension(first, "Flatten"), to = x.Shape.Dimension(last, "Flatten");
            Shape shape = x.Shape.With(from, -1);
            for (int d = to; d > from; d--) shape = shape.Without(d);
            return x.Reshape(shape);
        }
    }
}
