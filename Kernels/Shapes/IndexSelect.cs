using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>y[.., j, ..] = x[.., index_j, ..] along a dimension: whole slices, picked. dL/dx[.., index_j, ..] += dL/dy[.., j, ..].</summary>
public sealed unsafe class IndexSelect : Operation<IndexSelect>
{
    /// <summary>Rows that indices name are where the processor does not expect them: those of a table larger than this are asked for while the ones <see cref="Ahead"/> before them are worked on.</summary>
    const int NearBytes = 4 << 20, Ahead = 4;

    int dimension;
    Tensor flat;

    /// <summary>Picks the slices of <paramref name="x"/> that <paramref name="indices"/> name along <paramref name="dimension"/>.</summary>
    /// <param name="operation">The name that errors use.</param>
    /// <param name="x">Elements of every type.</param>
    /// <param name="dimension">Along which the indices count.</param>
    /// <param name="indices">Int32 of any shape, taken in the order of its elements.</param>
    public static Tensor Apply(string operation, Tensor x, int dimension, Tensor indices)
    {
        int d = x.Shape.Dimension(dimension, operation);
        Indices.Check(operation, indices, x.Shape[d], d, x.Shape);
        Tensor flat = indices.Reshape([indices.Count]), y = Tensor.Empty(x.Shape.With(d, flat.Count), x.DType);
        if (GpuBackend.Current is { } gpu) Gather.Pick(gpu, x, d, flat, y);
        else if (d > 0 && d == x.Rank - 1) Gather.Pick(x, d, flat.Expand(y.Shape), y);              // slices of single elements: row by row instead
        else Forward.Run(x, d, flat, y);
        if (Record(y, x, flat) is { } recorded) (recorded.dimension, recorded.flat) = (d, flat);
        return y;
    }

    /// <summary>The dimensions before and behind the one that is indexed, in two tensors.</summary>
    static (StridedLoop Outer, StridedLoop Slice) Around(int dimension, Tensor a, Tensor b)
    {
        Shape shape = a.Shape, stridesA = a.Strides, stridesB = b.Strides;
        return (new(Take(shape, 0, dimension), Take(stridesA, 0, dimension), Take(stridesB, 0, dimension)),
            new(Take(shape, dimension + 1, shape.Rank), Take(stridesA, dimension + 1, shape.Rank), Take(stridesB, dimension + 1, shape.Rank)));

        static Shape Take(Shape values, int from, int to) => new(values.Sizes[from..to]);
    }

    /// <summary>Slice after slice of y, each of them a row where x lies without gaps.</summary>
    readonly struct Forward(Tensor x, Tensor indices, Tensor y, StridedLoop outer, StridedLoop slice, long along) : ICpuKernel
    {
        readonly StridedLoop slice = slice;

        public static void Run(Tensor x, int dimension, Tensor indices, Tensor y)
        {
            (StridedLoop outer, StridedLoop slice) = Around(dimension, x, y);
            DType bits = x.DType == DType.Float64 ? DType.Float64 : DType.Float32;         // integers are copied as floats of the same bits
            Cpu.For(bits, y.Count / Math.Max(1, slice.Count), Cpu.Rows(slice.Count), new Forward(x, indices, y, outer, slice, x.Strides[dimension]));
        }

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* from = (T*)x.Address, to = (T*)y.Address + (long)start * slice.Count;
            int* index = indices.Pointer<int>();
            int size = y.Count, count = indices.Count, stride = slice.InnerStride(0), length = slice.Inner, rows = slice.Count / length;
            int whole = stride == 1 ? length - length % V.Count : 0, asked = stride == 1 && (long)x.Count * sizeof(T) > NearBytes ? Math.Min(length, 1024) : 0;
            long alongX = along, alongIndices = indices.Strides[0];
            for (int plane = start / count; start < end; plane++)
            {
                outer.Locate(plane, out long o, out _, out _, out _);
                for (int j = start - plane * count; j < count && start < end; j++, start++)
                {
                    if (j + Ahead < count) Ask(from + o + index[(j + Ahead) * alongIndices] * alongX, asked);
                    T* picked = from + o + index[j * alongIndices] * alongX;
                    Row<V, T>(picked, stride, to, length, whole, size);
                    to += length;
                    if (rows == 1) continue;
                    StridedLoop.Walk walk = new(in slice);
                    for (int r = 1; r < rows; r++, to += length)
                    {
                        walk.Next();
                        Row<V, T>(picked + walk.O0, stride, to, length, whole, size);
                    }
                }
            }
            Streaming.End();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Row<V, T>(T* from, int stride, T* to, int length, int whole, int size) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            bool streams = Streaming.Suits<V, T>(to, size);
            for (int i = 0; i < whole; i += V.Count) Streaming.Store(to + i, V.Load(from + i), streams);
            for (int i = whole; i < length; i += V.Count) Lanes.Store(to + i, 1, Lanes.Load<V, T>(from + (long)i * stride, stride, length - i), length - i);
        }
    }

    /// <summary>Asks for the lines of <paramref name="count"/> neighbours.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Ask<T>(T* first, int count) where T : unmanaged
    {
        for (int i = 0; i < count; i += 64 / sizeof(T)) Streaming.Prefetch(first + i);
    }

    /// <summary>
    /// dL/dx[index_j] += dL/dy_j, in the order of j, so that sums of repeated indices have the same bits always: threads share the elements of a slice,
    /// and each goes through all indices.
    /// </summary>
    protected override void Backward()
    {
        Tensor x = Input(0);
        if (GpuBackend.Current is { } gpu)
        {
            Gather.Add(gpu, OutputGradient(), dimension, flat, InputGradient(0));
            return;
        }
        if (dimension > 0 && dimension == x.Rank - 1)
        {
            Gather.Add(OutputGradient(), dimension, flat.Expand(Output().Shape), InputGradient(0));
            return;
        }
        BackwardKernel kernel = new(dimension, flat, OutputGradient(), InputGradient(0));
        Cpu.For(x.DType, kernel.SliceCount, Math.Max(64, Cpu.Rows(flat.Count)), kernel);
    }

    readonly struct BackwardKernel(int dimension, Tensor indices, Tensor dy, Tensor dx) : ICpuKernel
    {
        readonly StridedLoop slice = new(dx.Shape.Without(dimension), dx.Strides.Without(dimension), dy.Strides.Without(dimension));
        readonly long alongX = dx.Strides[dimension], alongY = dy.Strides[dimension];

        public int SliceCount => slice.Count;

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int strideX = slice.InnerStride(0), strideY = slice.InnerStride(1), count = indices.Count;
            long alongX = this.alongX, alongY = this.alongY, alongIndices = indices.Strides[0];
            for (int length; start < end; start += length)
            {
                length = Math.Min(slice.Locate(start, out long ox, out long oy, out _, out _), end - start);
                T* from = dy.Pointer<T>() + oy, first = dx.Pointer<T>() + ox;
                int* index = indices.Pointer<int>();
                int whole = strideX == 1 && strideY == 1 ? length - length % V.Count : 0;
                int asked = strideX == 1 && (long)dx.Count * sizeof(T) > NearBytes ? Math.Min(length, 1024) : 0;
                for (int j = 0; j < count; j++, from += alongY)
                {
                    if (j + Ahead < count) Ask(first + index[(j + Ahead) * alongIndices] * alongX, asked);
                    T* to = first + index[j * alongIndices] * alongX;
                    for (int i = 0; i < whole; i += V.Count) V.Store(to + i, V.Load(to + i) + V.Load(from + i));
                    for (int i = whole; i < length; i += V.Count)
                    {
                        V sum = Lanes.Load<V, T>(to + (long)i * strideX, strideX, length - i) + Lanes.Load<V, T>(from + (long)i * strideY, strideY, length - i);
                        Lanes.Store(to + (long)i * strideX, strideX, sum, length - i);
                    }
                }
            }
        }
    }
}

/// <summary>Adds the picking of slices to <see cref="Tensor"/>.</summary>
public static class IndexSelectOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The slices that M <paramref name="indices"/> name along <paramref name="dimension"/>, in their order: [.., N, ..] -> [.., M, ..].
        /// Elements of every type.
        /// </summary>
        /// <param name="dimension">Along which the indices count.</param>
        /// <param name="indices">Int32 [M], each from 0 to N - 1; any may come several times.</param>
        /// <exception cref="ShapeException">An index is out of range; the indices are not a vector. On a GPU an index out of range gives NaN, or the integer 0.</exception>
        public Tensor IndexSelect(int dimension, Tensor indices)
        {
            if (indices.Rank != 1) throw new ShapeException("IndexSelect", $"the indices are {indices.Shape}; one dimension was expected.");
            return NeuralMemory.IndexSelect.Apply("IndexSelect", x, dimension, indices);
        }
    }
}
