using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>y[.., j, ..] = x[.., index[.., j, ..], ..] along a dimension. dL/dx[.., index[.., j, ..], ..] += dL/dy[.., j, ..].</summary>
public sealed unsafe class Gather : Operation<Gather>
{
    int dimension;

    /// <summary>Picks the elements of <paramref name="x"/> that <paramref name="indices"/> name along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension, Tensor indices)
    {
        int d = x.Shape.Dimension(dimension, "Gather");
        if (indices.Rank != x.Rank) throw new ShapeException("Gather", $"indices {indices.Shape} for {x.Shape}: both must have the same number of dimensions.");
        for (int i = 0; i < x.Rank; i++)
            if (i != d && indices.Shape[i] > x.Shape[i])
                throw new ShapeException("Gather", $"indices {indices.Shape} for {x.Shape}: {indices.Shape[i]} in dimension {i}, where there are {x.Shape[i]}.");
        Indices.Check("Gather", indices, x.Shape[d], d, x.Shape);
        Tensor y = Tensor.Empty(indices.Shape, x.DType);
        Pick(x, d, indices, y);
        Record(y, x, indices)?.dimension = d;
        return y;
    }

    /// <summary>y = the elements, in rows along the dimension; nothing is checked.</summary>
    internal static void Pick(Tensor x, int dimension, Tensor indices, Tensor y)
    {
        if (GpuBackend.Current is { } gpu)
        {
            Pick(gpu, x, dimension, indices, y);
            return;
        }
        Fibres fibres = new(indices.Shape, dimension, indices.Strides, x.Strides, y.Strides);
        if (x.DType == DType.Float64) ThreadTeam.For(fibres.Count, Grain(fibres), new Forward<long>(fibres, indices, x, y));
        else ThreadTeam.For(fibres.Count, Grain(fibres), new Forward<int>(fibres, indices, x, y));
    }

    static int Grain(in Fibres fibres) => Math.Max(IsAlong(fibres) ? 1 : 64, Cpu.Rows(fibres.Length));

    /// <summary>Whether fibres are gone through one by one, and not several side by side, as suits those that lie across the memory and short ones.</summary>
    static bool IsAlong(in Fibres fibres) => fibres.Length >= 8 && fibres.Along(2) <= fibres.Others.InnerStride(2);

    /// <summary>Elements are copied in the registers of integers, in which their bits stay as they are.</summary>
    readonly struct Forward<T>(Fibres fibres, Tensor indices, Tensor x, Tensor y) : IParallelBody where T : unmanaged
    {
        public void Run(int start, int end)
        {
            StridedLoop others = fibres.Others;
            bool along = IsAlong(fibres);
            nint alongI = fibres.Along(0), alongX = fibres.Along(1), alongY = fibres.Along(2), laneI = others.InnerStride(0), laneX = others.InnerStride(1), laneY = others.InnerStride(2);
            for (int lanes; start < end; start += lanes)
            {
                lanes = Math.Min(others.Locate(start, out long oi, out long ox, out long oy, out _), end - start);
                int* index = indices.Pointer<int>() + oi;
                T* from = (T*)x.Address + ox, to = (T*)y.Address + oy;
                if (along)
                    for (int i = 0; i < lanes; i++) Line(index + i * laneI, from + i * laneX, to + i * laneY, fibres.Length, alongI, alongX, 0, alongY);
                else
                    for (int j = 0; j < fibres.Length; j++) Line(index + j * alongI, from, to + j * alongY, lanes, laneI, alongX, laneX, laneY);
            }
        }

        static void Line(int* index, T* from, T* to, int count, nint stepI, nint alongX, nint stepX, nint stepY)
        {
            if (stepI == 1 && alongX == 1 && stepX == 0 && stepY == 1)
                for (nint i = 0; i < count; i++) to[i] = from[(uint)index[i]];
            else
                for (; count > 0; count--, index += stepI, from += stepX, to += stepY) *to = from[*index * alongX];
        }
    }

    /// <summary>dL/dx[index_j] += dL/dy_j.</summary>
    protected override void Backward() => Add(OutputGradient(), dimension, Input(1), InputGradient(0));

    /// <summary>dx[index_j] += dy_j, every fibre's in the order of j, so that sums of repeated indices have the same bits always.</summary>
    internal static void Add(Tensor dy, int dimension, Tensor indices, Tensor dx)
    {
        if (GpuBackend.Current is { } gpu)
        {
            Add(gpu, dy, dimension, indices, dx);
            return;
        }
        Fibres fibres = new(indices.Shape, dimension, indices.Strides, dx.Strides, dy.Strides);
        Cpu.For(dy.DType, fibres.Count, Grain(fibres), new BackwardKernel(fibres, indices, dy, dx));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor indices, Tensor dy, Tensor dx) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            StridedLoop others = fibres.Others;
            bool along = IsAlong(fibres);
            nint alongI = fibres.Along(0), alongX = fibres.Along(1), alongY = fibres.Along(2), laneI = others.InnerStride(0), laneX = others.InnerStride(1), laneY = others.InnerStride(2);
            for (int lanes; start < end; start += lanes)
            {
                lanes = Math.Min(others.Locate(start, out long oi, out long ox, out long oy, out _), end - start);
                int* index = indices.Pointer<int>() + oi;
                T* from = dy.Pointer<T>() + oy, to = dx.Pointer<T>() + ox;
                if (along)
                    for (int i = 0; i < lanes; i++) Line(index + i * laneI, from + i * laneY, to + i * laneX, fibres.Length, alongI, alongX, 0, alongY);
                else
                    for (int j = 0; j < fibres.Length; j++) Line(index + j * alongI, from + j * alongY, to, lanes, laneI, alongX, laneX, laneY);
            }
        }

        static void Line<T>(int* index, T* from, T* to, int count, nint stepI, nint alongX, nint stepX, nint stepY) where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (stepI == 1 && alongX == 1 && stepX == 0 && stepY == 1)
                for (nint i = 0; i < count; i++) to[(uint)index[i]] += from[i];
            else
                for (; count > 0; count--, index += stepI, from += stepY, to += stepX) to[*index * alongX] += *from;
        }
    }

    /// <summary>As <see cref="Pick(Tensor, int, Tensor, Tensor)"/>. The indices have y's shape, or one dimension: then they are the same for every fibre.</summary>
    internal static void Pick(GpuBackend gpu, Tensor x, int dimension, Tensor indices, Tensor y)
    {
        StridedLoop strides = new(y.Shape, Along(indices, dimension, y), x.Strides.With(dimension, 0), y.Strides);
        int along = x.Strides[dimension];
        GpuLoop loop = strides.InnerStride(0) == 0 && along % 4 == 0 ? new(strides, indices, x, y) : new(strides);
        gpu.LaunchEach(loop, new GpuPick(gpu.View<int>(indices), Transfer.Bits(gpu, x), Transfer.Bits(gpu, y), x.Shape[dimension], along, x.DType == DType.Int32 ? 0 : float.NaN));
    }

    /// <summary>The strides of indices that are read as if they had y's shape.</summary>
    static Shape Along(Tensor indices, int dimension, Tensor y)
    {
        if (indices.Rank == y.Rank) return indices.Strides;
        Shape strides = [indices.Strides[0]];
        for (int d = 0; d < dimension; d++) strides = strides.Insert(0, 0);
        while (strides.Rank < y.Rank) strides = strides.Insert(strides.Rank, 0);
        return strides;
    }

    readonly struct GpuPick(ArrayView<int> indices, ArrayView<float> x, ArrayView<float> y, int size, int along, float outside) : IGpuElements
    {
        public void One(int i, int oi, int ox, int oy, int o3)
        {
            int index = indices[oi];
            y[oy] = (uint)index < (uint)size ? x[ox + index * along] : outside;
        }

        /// <summary>Of one index.</summary>
        public void Four(in GpuLoop loop, int i, int oi, int ox, int oy, int o3)
        {
            int index = indices[oi];
            Float4 picked = new(outside, outside, outside, outside);
            if ((uint)index < (uint)size) picked = Float4.Load(x, ox + index * along, loop.Step1);
            picked.Store(y, oy);
        }
    }

    /// <summary>
    /// As <see cref="Add(Tensor, int, Tensor, Tensor)"/>, with the same order of additions. Every index is linked to the one before it and the one after it that are equal to it; then the first
    /// of each kind adds what belongs to all of them, in their order. Finding them takes a time in proportion to the square of a fibre's length, spread over all threads.
    /// </summary>
    internal static void Add(GpuBackend gpu, Tensor dy, int dimension, Tensor indices, Tensor dx)
    {
        int d = indices.Rank == dy.Rank ? dimension : 0;
        Tensor previous = Tensor.Empty(indices.Shape, DType.Int32), next = Tensor.Empty(indices.Shape, DType.Int32);
        GpuLoop fibres = new(new StridedLoop(indices.Shape, indices.Strides.With(d, 0)));
        gpu.LaunchEach(2 * indices.Count, new GpuLink(
            gpu.View<int>(indices), gpu.View<int>(previous), gpu.View<int>(next), fibres, Inner(indices.Shape, d), indices.Shape[d], indices.Strides[d]));

        StridedLoop strides = new(dy.Shape, Along(indices, dimension, dy), Along(previous, dimension, dy), dx.Strides.With(dimension, 0), dy.Strides.With(dimension, 0));
        int alongX = dx.Strides[dimension], alongY = dy.Strides[dimension];
        bool fours = strides.InnerStride(0) == 0 && strides.InnerStride(1) == 0 && alongX % 4 == 0 && alongY % 4 == 0;
        gpu.LaunchEach(fours ? new GpuLoop(strides, indices, previous, dx, dy) : new(strides), new GpuAddLinked(
            gpu.View<int>(indices), gpu.View<int>(previous), gpu.View<int>(next), gpu.View(dx), gpu.View(dy), Inner(dy.Shape, dimension), dy.Shape[dimension], previous.Strides[d],
            dx.Shape[dimension], alongX, alongY));
    }

    /// <summary>Elements from one along a dimension to the next.</summary>
    static int Inner(Shape shape, int dimension)
    {
        int inner = 1;
        for (int d = dimension + 1; d < shape.Rank; d++) inner *= shape[d];
        return inner;
    }

    /// <summary>For every index where in its fibre the one before it that equals it is, and, by another thread, the one after it; -1 where there is none.</summary>
    readonly struct GpuLink(ArrayView<int> indices, ArrayView<int> previous, ArrayView<int> next, GpuLoop fibres, int inner, int n, int along) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX, step = i < fibres.Count ? -1 : 1, element = i < fibres.Count ? i : i - fibres.Count;
            if (element >= fibres.Count) return;
            fibres.Locate(element, out int first, out _, out _, out _);
            int j = element / inner % n, index = indices[first + j * along], other = j + step;
            while (other >= 0 && other < n && indices[first + other * along] != index) other += step;
            if (step < 0) previous[element] = other;
            else next[element] = other < n ? other : -1;
        }
    }

    readonly struct GpuAddLinked(
        ArrayView<int> indices, ArrayView<int> previous, ArrayView<int> next, ArrayView<float> dx, ArrayView<float> dy, int inner, int n, int alongLinks, int size, int alongX, int alongY) : IGpuElements
    {
        public void One(int i, int oi, int ol, int ox, int oy)
        {
            int index = indices[oi], j = i / inner % n;
            if (previous[ol] >= 0 || (uint)index >= (uint)size) return;
            int to = ox + index * alongX;
            float sum = dx[to];
            for (int k = j; k >= 0; k = next[ol + (k - j) * alongLinks]) sum += dy[oy + k * alongY];
            dx[to] = sum;
        }

        /// <summary>Of one index.</summary>
        public void Four(in GpuLoop loop, int i, int oi, int ol, int ox, int oy)
        {
            int index = indices[oi], j = i / inner % n;
            if (previous[ol] >= 0 || (uint)index >= (uint)size) return;
            int to = ox + index * alongX;
            Float4 sum = Float4.Load(dx, to);
            for (int k = j; k >= 0; k = next[ol + (k - j) * alongLinks])
            {
                Float4 term = Float4.Load(dy, oy + k * alongY);
                sum = new(sum.X + term.X, sum.Y + term.Y, sum.Z + term.Z, sum.W + term.W);
            }
            sum.Store(dx, to);
        }
    }
}

/// <summary>Adds the picking of elements to <see cref="Tensor"/>.</summary>
public static class GatherOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// For every index the element it names along <paramref name="dimension"/>, the other coordinates being the index's own: the result has the shape of
        /// the indices, which have as many dimensions as x, none but that one larger. Elements of every type.
        /// </summary>
        /// <param name="dimension">Along which the indices count.</param>
        /// <param name="indices">Int32, each from 0 to the dimension's size - 1.</param>
        /// <exception cref="ShapeException">An index is out of range; the shapes do not fit. On a GPU an index out of range gives NaN, or the integer 0.</exception>
        public Tensor Gather(int dimension, Tensor indices) => NeuralMemory.Gather.Apply(x, dimension, indices);
    }
}
