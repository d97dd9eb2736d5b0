using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The way through up to four tensors of one shape that lie in memory with strides of their own: rows along the fastest dimension. Dimensions that every
/// tensor passes without a gap are joined, so contiguous tensors make one single row.
/// </summary>
readonly partial struct StridedLoop
{
    readonly Shape sizes, strides0, strides1, strides2, strides3;

    /// <summary>The way through a single element.</summary>
    public static readonly StridedLoop One = new([], []);

    /// <summary>The sizes of the dimensions that are left once those that lie without gaps in every tensor have been joined.</summary>
    public Shape Sizes => sizes;

    /// <summary>The number of elements, and how many of them make a row.</summary>
    public readonly int Count, Inner;

    public StridedLoop(Shape shape, Shape strides0, Shape strides1 = default, Shape strides2 = default, Shape strides3 = default)
    {
        Count = shape.Count;
        Span<int> size = stackalloc int[Shape.MaxRank];
        Span<int> s0 = stackalloc int[Shape.MaxRank], s1 = stackalloc int[Shape.MaxRank], s2 = stackalloc int[Shape.MaxRank], s3 = stackalloc int[Shape.MaxRank];
        int rank = 0;
        for (int d = 0; d < shape.Rank; d++)
        {
            if (shape[d] == 1) continue;
            int t0 = strides0[d], t1 = At(strides1, d), t2 = At(strides2, d), t3 = At(strides3, d), n = shape[d];
            bool joins = rank > 0 && s0[rank - 1] == t0 * n && s1[rank - 1] == t1 * n && s2[rank - 1] == t2 * n && s3[rank - 1] == t3 * n;
            if (!joins) rank++;
            size[rank - 1] = joins ? size[rank - 1] * n : n;
            (s0[rank - 1], s1[rank - 1], s2[rank - 1], s3[rank - 1]) = (t0, t1, t2, t3);
        }
        if (rank == 0)
        {
            rank = 1;                                                   // a single element
            size[0] = 1;
            (s0[0], s1[0], s2[0], s3[0]) = (1, 1, 1, 1);
        }
        (sizes, this.strides0, this.strides1) = (new(size[..rank]), new(s0[..rank]), new(s1[..rank]));
        (this.strides2, this.strides3) = (new(s2[..rank]), new(s3[..rank]));
        Inner = size[rank - 1];
    }

    /// <summary>The way through tensors that are repeated, where they must be, to fit <paramref name="shape"/>.</summary>
    public static StridedLoop Broadcast(Shape shape, Tensor t0, Tensor t1) => new(shape, Expand(t0, shape), Expand(t1, shape));

    /// <inheritdoc cref="Broadcast(Shape, Tensor, Tensor)"/>
    public static StridedLoop Broadcast(Shape shape, Tensor t0, Tensor t1, Tensor t2) => new(shape, Expand(t0, shape), Expand(t1, shape), Expand(t2, shape));

    /// <inheritdoc cref="Broadcast(Shape, Tensor, Tensor)"/>
    public static StridedLoop Broadcast(Shape shape, Tensor t0, Tensor t1, Tensor t2, Tensor t3) =>
        new(shape, Expand(t0, shape), Expand(t1, shape), Expand(t2, shape), Expand(t3, shape));

    static int At(Shape strides, int d) => strides.Rank == 0 ? 0 : strides[d];

    /// <summary>The stride of tensor <paramref name="k"/> along a row.</summary>
    public int InnerStride(int k) => Stride(k, sizes.Rank - 1);

    /// <summary>The stride of tensor <paramref name="k"/> along dimension <paramref name="d"/> of <see cref="Sizes"/>.</summary>
    public int Stride(int k, int d) => k switch { 0 => strides0[d], 1 => strides1[d], 2 => strides2[d], _ => strides3[d] };

    /// <summary>The stride of tensor <paramref name="k"/> from row to row of those that <see cref="LocateRows"/> finds.</summary>
    public int RowStride(int k) => sizes.Rank == 1 ? 0 : Stride(k, sizes.Rank - 2);

    /// <summary>The strides of tensor <paramref name="k"/>, one for each of <see cref="Sizes"/>.</summary>
    public Shape Strides(int k) => k switch { 0 => strides0, 1 => strides1, 2 => strides2, _ => strides3 };

    /// <summary>
    /// Where element <paramref name="index"/> lies in each tensor, and how many elements from there on belong to the same row.
    /// </summary>
    public int Locate(int index, out long o0, out long o1, out long o2, out long o3)
    {
        int row = index / Inner, column = index - row * Inner;
        int d = sizes.Rank - 1;
        (o0, o1, o2, o3) = ((long)column * strides0[d], (long)column * strides1[d], (long)column * strides2[d], (long)column * strides3[d]);
        for (d--; d >= 0 && row > 0; d--)
        {
            int next = row / sizes[d], i = row - next * sizes[d];
            row = next;
            o0 += (long)i * strides0[d];
            o1 += (long)i * strides1[d];
            o2 += (long)i * strides2[d];
            o3 += (long)i * strides3[d];
        }
        return Inner - column;
    }

    /// <summary>
    /// Where element <paramref name="index"/> lies in each tensor, and the length of the row from there on, which ends before <paramref name="end"/>; where it is a whole one, also how many
    /// <paramref name="rows"/> follow one another before <paramref name="end"/> at equal distances, itself included.
    /// </summary>
    public int LocateRows(int index, int end, out int rows, out long o0, out long o1, out long o2, out long o3)
    {
        int length = Math.Min(Locate(index, out o0, out o1, out o2, out o3), end - index);
        rows = 1;
        if (length == Inner && sizes.Rank > 1) rows = Math.Min(sizes[^2] - index / Inner % sizes[^2], (end - index) / Inner);
        return length;
    }

    /// <summary>The strides with which a tensor is read as if it had <paramref name="shape"/>: 0 along the dimensions that it is repeated in.</summary>
    public static Shape Expand(Tensor tensor, Shape shape)
    {
        Shape own = tensor.Shape, strides = tensor.Strides;
        if (own == shape) return strides;
        Span<int> expanded = stackalloc int[shape.Rank];
        for (int d = 1; d <= shape.Rank; d++) expanded[^d] = d <= own.Rank && own[^d] != 1 ? strides[^d] : 0;
        return new(expanded);
    }
}

/// <summary>Vectors read from and written to rows with any stride.</summary>
static unsafe class Lanes
{
    /// <summary><paramref name="count"/> lanes, at most V.Count, from a row with the given stride, of which 0 repeats one element; zeros beyond them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<V, T>(T* row, int stride, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (V.Count == 1) return count > 0 ? V.Load(row) : V.Zero;          // no call in a loop of single elements
        if (stride == 1) return count >= V.Count ? V.Load(row) : V.LoadPartial(row, count, T.Zero);
        return stride == 0 && count >= V.Count ? V.Create(*row) : Gather<V, T>(row, stride, count);
    }

    /// <summary>Writes <paramref name="count"/> lanes to a row with the given stride.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<V, T>(T* row, int stride, V value, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (V.Count == 1) V.StorePartial(row, value, count);
        else if (stride != 1) Scatter(row, stride, value, count);
        else if (count >= V.Count) V.Store(row, value);
        else V.StorePartial(row, value, count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static V Gather<V, T>(T* row, int stride, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T* lanes = stackalloc T[V.Count];
        for (int i = 0; i < V.Count; i++) lanes[i] = i < count ? row[(long)i * stride] : T.Zero;
        return V.Load(lanes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Scatter<V, T>(T* row, int stride, V value, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T* lanes = stackalloc T[V.Count];
        V.Store(lanes, value);
        for (int i = 0; i < Math.Min(count, V.Count); i++) row[(long)i * stride] = lanes[i];
    }
}
