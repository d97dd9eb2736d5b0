using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>y[.., j, ..] = x[.., index_j, ..] along a dimension: whole slices, picked. dL/dx[.., index_j, ..] += dL/dy[.., j, ..].</summary>
public sealed unsafe class IndexSelect : Operation<IndexSelect>
{
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
        else if (x.DType == DType.Float64) ThreadTeam.For(y.Count, Cpu.Grain, new Forward<double>(d, x, flat, y));
        else if (x.DType == DType.Float32) ThreadTeam.For(y.Count, Cpu.Grain, new Forward<float>(d, x, flat, y));
        else ThreadTeam.For(y.Count, Cpu.Grain, new Forward<int>(d, x, flat, y));
        if (Record(y, x, flat) is { } recorded) (recorded.dimension, recorded.flat) = (d, flat);
        return y;
    }

    readonly struct Forward<T>(int dimension, Tensor x, Tensor indices, Tensor y) : IParallelBody where T : unmanaged
    {
        readonly StridedLoop slice = new(x.Shape.Without(dimension), x.Strides.Without(dimension), y.Strides.Without(dimension));
        readonly long alongX = x.Strides[dimension], alongY = y.Strides[dimension];
        readonly int alongIndices = indices.Strides[0];

        /// <summary>Elements of y, counted slice after slice.</summary>
        public void Run(int start, int end)
        {
            int strideX = slice.InnerStride(0), strideY = slice.InnerStride(1);
            for (int length; start < end; start += length)
            {
                int j = start / slice.Count;
                length = Math.Min(slice.Locate(start - j * slice.Count, out long ox, out long oy, out _, out _), end - start);
                T* from = x.Pointer<T>() + ox + indices.Pointer<int>()[(long)j * alongIndices] * alongX, to = y.Pointer<T>() + oy + j * alongY;
                if (strideX == 1 && strideY == 1) new ReadOnlySpan<T>(from, length).CopyTo(new Span<T>(to, length));
                else for (int i = 0; i < length; i++) to[(long)i * strideY] = from[(long)i * strideX];
            }
        }
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
        Cpu.For(x.DType, kernel.SliceCount, Math.Max(16, Cpu.Rows(flat.Count)), kernel);
    }

    readonly struct BackwardKernel(int dimension, Tensor indices, Tensor dy, Tensor dx) : ICpuKernel
    {
        readonly StridedLoop slice = new(dx.Shape.Without(dimension), dx.Strides.Without(dimension), dy.Strides.Without(dimension));
        readonly long alongX = dx.Strides[dimension], alongY = dy.Strides[dimension];
        readonly int alongIndices = indices.Strides[0];

        public int SliceCount => slice.Count;

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int strideX = slice.InnerStride(0), strideY = slice.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(slice.Locate(start, out long ox, out long oy, out _, out _), end - start);
                for (int j = 0; j < indices.Count; j++)
                {
                    T* from = dy.Pointer<T>() + oy + j * alongY, to = dx.Pointer<T>() + ox + indices.Pointer<int>()[(long)j * alongIndices] * alongX;
                    for (int i = 0; i < length; i += V.Count)
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
