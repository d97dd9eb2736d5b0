namespace NeuralMemory;

/// <summary>Views: the same memory under another shape. None of them copies, and a view's gradient is that view of its base's gradient.</summary>
public readonly partial struct Tensor
{
    /// <summary>Two dimensions exchanged; negative ones count from the end.</summary>
    public Tensor Transpose(int first, int second)
    {
        TensorBody b = Body;
        int i = b.Shape.Dimension(first, "Transpose"), j = b.Shape.Dimension(second, "Transpose");
        return View(b.Shape.With(i, b.Shape[j]).With(j, b.Shape[i]), b.Strides.With(i, b.Strides[j]).With(j, b.Strides[i]));
    }

    /// <summary>A matrix, or each matrix of a batch, transposed: the last two dimensions exchanged.</summary>
    public Tensor T => Transpose(-2, -1);

    /// <summary>Dimensions in another order: dimension d of the result is dimension <c>order[d]</c> of this tensor.</summary>
    /// <exception cref="ShapeException"><paramref name="order"/> does not name every dimension once.</exception>
    public Tensor Permute(params ReadOnlySpan<int> order)
    {
        TensorBody b = Body;
        Span<int> sizes = stackalloc int[Shape.MaxRank], strides = stackalloc int[Shape.MaxRank];
        int seen = 0;
        for (int d = 0; d < order.Length; d++)
        {
            int from = b.Shape.Dimension(order[d], "Permute");
            seen |= 1 << from;
            (sizes[d], strides[d]) = (b.Shape[from], b.Strides[from]);
        }
        if (order.Length != b.Shape.Rank || seen != (1 << b.Shape.Rank) - 1)
            throw new ShapeException("Permute", $"order [{string.Join(", ", order.ToArray())}] for {b.Shape}: each of its {b.Shape.Rank} dimensions must be named once.");
        return View(new(sizes[..order.Length]), new(strides[..order.Length]));
    }

    /// <summary>The elements <paramref name="start"/> (inclusive) to <paramref name="end"/> (exclusive) of one dimension, every <paramref name="step"/>-th.</summary>
    /// <exception cref="ShapeException">The range is not within the dimension, or the step is not positive.</exception>
    public Tensor Slice(int dimension, int start, int end, int step = 1)
    {
        TensorBody b = Body;
        int d = b.Shape.Dimension(dimension, "Slice"), size = b.Shape[d];
        if (start < 0 || end < start || end > size || step < 1)
            throw new ShapeException("Slice", $"{start} to {end} by {step} in dimension {dimension} of {b.Shape}: 0 <= start <= end <= {size} and a step of at least 1 were expected.");
        return View(b.Shape.With(d, end > start ? (end - start - 1) / step + 1 : 0), b.Strides.With(d, b.Strides[d] * step), start * b.Strides[d]);
    }

    /// <summary>One element of a dimension, which disappears: <c>x.Select(0, ^1)</c> is the last row.</summary>
    /// <exception cref="ShapeException">There is no such element.</exception>
    public Tensor Select(int dimension, Index index)
    {
        TensorBody b = Body;
        int d = b.Shape.Dimension(dimension, "Select"), i = index.GetOffset(b.Shape[d]);
        if ((uint)i >= (uint)b.Shape[d]) throw new ShapeException("Select", $"index {index} in dimension {dimension} of {b.Shape}: 0 to {b.Shape[d] - 1} was expected.");
        return View(b.Shape.Without(d), b.Strides.Without(d), i * b.Strides[d]);
    }

    /// <summary>A dimension of size 1 put in at <paramref name="dimension"/>; -1 puts it last.</summary>
    public Tensor Unsqueeze(int dimension)
    {
        TensorBody b = Body;
        int d = dimension < 0 ? dimension + b.Shape.Rank + 1 : dimension;
        if ((uint)d > (uint)b.Shape.Rank) throw new ShapeException("Unsqueeze", $"dimension {dimension} of {b.Shape}: {-b.Shape.Rank - 1} to {b.Shape.Rank} was expected.");
        return View(b.Shape.Insert(d, 1), b.Strides.Insert(d, 0));
    }

    /// <summary>A dimension of size 1 taken away.</summary>
    /// <exception cref="ShapeException">Its size is not 1.</exception>
    public Tensor Squeeze(int dimension)
    {
        TensorBody b = Body;
        int d = b.Shape.Dimension(dimension, "Squeeze");
        if (b.Shape[d] != 1) throw new ShapeException("Squeeze", $"dimension {dimension} of {b.Shape} has size {b.Shape[d]}; 1 was expected.");
        return View(b.Shape.Without(d), b.Strides.Without(d));
    }

    /// <summary>Dimensions of size 1, and new ones in front, repeated without copying until the shape is <paramref name="shape"/>.</summary>
    /// <exception cref="ShapeException">A size other than 1 would have to change; a size is negative.</exception>
    public Tensor Expand(Shape shape)
    {
        TensorBody b = Body;
        Span<int> strides = stackalloc int[shape.Rank];
        for (int d = 1; d <= Math.Max(shape.Rank, b.Shape.Rank); d++)
        {
            if (d > shape.Rank || shape[^d] < 0 || (d <= b.Shape.Rank && b.Shape[^d] != shape[^d] && b.Shape[^d] != 1))
                throw new ShapeException("Expand", $"{b.Shape} to {shape}: only dimensions of size 1 and new ones in front can be repeated.");
            strides[^d] = d <= b.Shape.Rank && b.Shape[^d] == shape[^d] ? b.Strides[^d] : 0;
        }
        return View(shape, new(strides));
    }

    /// <summary>
    /// The same elements under another shape, without copying; one size may be -1 and follows from the others. Dimensions that lie in memory one after
    /// the other can be joined and split; use <c>Reshape</c> where a copy is welcome otherwise.
    /// </summary>
    /// <returns>False where the strides do not allow it.</returns>
    /// <exception cref="ShapeException">The numbers of elements differ.</exception>
    public bool TryView(Shape shape, out Tensor view)
    {
        TensorBody b = Body;
        shape = Complete(shape, b.Shape, b.Count);
        Span<int> strides = stackalloc int[shape.Rank];
        bool possible = b.Contiguous || TryStrides(b.Shape, b.Strides, shape, strides);
        view = possible ? View(shape, b.Contiguous ? shape.ContiguousStrides() : new(strides)) : default;
        return possible;
    }

    /// <summary><paramref name="shape"/> with its -1, if it has one, replaced by the size that makes the number of elements <paramref name="count"/>.</summary>
    static Shape Complete(Shape shape, Shape from, int count)
    {
        int unknown = shape.Sizes.IndexOf(-1);
        long known = 1;
        foreach (int size in shape) known *= size == -1 ? 1 : size;
        Shape complete = unknown >= 0 && known > 0 && count % known == 0 ? shape.With(unknown, (int)(count / known)) : shape;
        long total = 1;
        foreach (int size in complete) total = size < 0 ? -1 : total * size;
        return total == count ? complete : throw new ShapeException("Reshape", $"{from} with {count} elements does not fit {shape}.");
    }

    /// <summary>Strides that give <paramref name="to"/> over the memory of <paramref name="from"/>: runs of sizes with equal products, each run contiguous in itself.</summary>
    static bool TryStrides(Shape from, Shape fromStrides, Shape to, Span<int> strides)
    {
        int i = from.Rank - 1, j = to.Rank - 1;
        while (j >= 0)
        {
            while (i >= 0 && from[i] == 1) i--;
            if (i < 0 || to[j] == 1)
            {
                strides[j--] = 1;                              // a single element: any stride serves
                continue;
            }
            long have = from[i], want = to[j];
            int stride = fromStrides[i];
            strides[j] = stride;
            while (have != want)
            {
                if (want < have)
                {
                    if (--j < 0) return false;
                    strides[j] = stride * (int)want;
                    want *= to[j];
                }
                else
                {
                    if (--i < 0) return false;
                    if (from[i] != 1 && fromStrides[i] != stride * have) return false;
                    have *= from[i];
                }
            }
            i--;
            j--;
        }
        return true;
    }

    /// <summary>A view with the given shape and strides. The new strides must stay within this tensor's elements.</summary>
    Tensor View(Shape shape, Shape strides, int offset = 0) => Body.CloneView(shape, strides, (nint)offset * Body.DType.Size()).Handle;
}

static class BodyViews
{
    /// <summary>A body over the same memory, <paramref name="bytes"/> further on, whose gradient is that part of its base's gradient.</summary>
    public static TensorBody CloneView(this TensorBody b, Shape shape, Shape strides, nint bytes)
    {
        Arena? arena = b.Arena ?? Tape.Current.Arena;
        TensorBody view = arena?.NewBody() ?? new TensorBody();
        view.Storage = b.Storage;
        view.Backend = b.Backend;
        view.Set(b.Address + bytes, shape, strides, b.DType);
        view.Base = b.Base.IsAlive ? b.Base : b.Handle;
        return view;
    }
}
