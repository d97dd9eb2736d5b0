using System.Numerics;
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
        Fibres fibres = new(indices.Shape, dimension, indices.Strides, x.Strides, y.Strides);
        int grain = Cpu.Rows(fibres.Length);
        if (x.DType == DType.Float64) ThreadTeam.For(fibres.Count, grain, new Forward<double>(fibres, indices, x, y));
        else if (x.DType == DType.Float32) ThreadTeam.For(fibres.Count, grain, new Forward<float>(fibres, indices, x, y));
        else ThreadTeam.For(fibres.Count, grain, new Forward<int>(fibres, indices, x, y));
    }

    readonly struct Forward<T>(Fibres fibres, Tensor indices, Tensor x, Tensor y) : IParallelBody where T : unmanaged
    {
        public void Run(int start, int end)
        {
            int n = fibres.Length;
            long alongI = fibres.Along(0), alongX = fibres.Along(1), alongY = fibres.Along(2);
            for (; start < end; start++)
            {
                fibres.Locate(start, out long oi, out long ox, out long oy);
                int* index = indices.Pointer<int>() + oi;
                T* from = x.Pointer<T>() + ox, to = y.Pointer<T>() + oy;
                for (int j = 0; j < n; j++) to[j * alongY] = from[index[j * alongI] * alongX];
            }
        }
    }

    /// <summary>dL/dx[index_j] += dL/dy_j.</summary>
    protected override void Backward() => Add(OutputGradient(), dimension, Input(1), InputGradient(0));

    /// <summary>dx[index_j] += dy_j, every fibre's in the order of j, so that sums of repeated indices have the same bits always.</summary>
    internal static void Add(Tensor dy, int dimension, Tensor indices, Tensor dx)
    {
        Fibres fibres = new(indices.Shape, dimension, indices.Strides, dx.Strides, dy.Strides);
        Cpu.For(dy.DType, fibres.Count, Cpu.Rows(fibres.Length), new BackwardKernel(fibres, indices, dy, dx));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor indices, Tensor dy, Tensor dx) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length;
            long alongI = fibres.Along(0), alongX = fibres.Along(1), alongY = fibres.Along(2);
            for (; start < end; start++)
            {
                fibres.Locate(start, out long oi, out long ox, out long oy);
                int* index = indices.Pointer<int>() + oi;
                T* from = dy.Pointer<T>() + oy, to = dx.Pointer<T>() + ox;
                for (int j = 0; j < n; j++) to[index[j * alongI] * alongX] += from[j * alongY];
            }
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
        /// <exception cref="ShapeException">An index is out of range; the shapes do not fit.</exception>
        public Tensor Gather(int dimension, Tensor indices) => NeuralMemory.Gather.Apply(x, dimension, indices);
    }
}
