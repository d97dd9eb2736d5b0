using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Adds sorting to <see cref="Tensor"/>.</summary>
public static unsafe class SortOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The elements in ascending order along <paramref name="dimension"/>, and where each of them stood (Int32). Equal elements keep their order; NaN is
        /// above every number. The gradient of a value goes to where it stood.
        /// </summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public (Tensor Values, Tensor Indices) Sort(int dimension = -1, bool descending = false)
        {
            Tensor indices = x.ArgSort(dimension, descending);
            return (x.Gather(dimension, indices), indices);
        }

        /// <summary>Where the elements in ascending order along <paramref name="dimension"/> stand: Int32, equal ones in their order. It has no gradient.</summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor ArgSort(int dimension = -1, bool descending = false)
        {
            Require.Float("Sort", x);
            int d = x.Shape.Dimension(dimension, "Sort");
            // Lists are sorted side by side in memory, whatever the dimension, and then looked at the right way round.
            Tensor lists = Tensor.Empty(x.Shape.Without(d).Insert(x.Rank - 1, x.Shape[d]), DType.Int32);
            Fibres fibres = new(x.Shape, d, x.Strides);
            if (GpuBackend.Current is { } gpu) GpuOrder.Sort(gpu, fibres, x, lists, descending);
            else Cpu.For(x.DType, fibres.Count, Cpu.Rows(fibres.Length, 16), new Kernel(fibres, x, lists, descending));
            return Lists.Turn(lists, d);
        }
    }

    readonly struct Kernel(Fibres fibres, Tensor x, Tensor lists, bool descending) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (typeof(T) == typeof(float)) Rows<T, uint>(start, end);
            else Rows<T, ulong>(start, end);
        }

        void Rows<T, K>(int start, int end) where T : unmanaged, IBinaryFloatingPointIeee754<T> where K : unmanaged, IBinaryInteger<K>
        {
            int n = fibres.Length;
            Order<T, K>.Item* scratch = Order<T, K>.Scratch(n);
            for (; start < end; start++)
            {
                fibres.Locate(start, out long ox, out _, out _);
                new Order<T, K>(x.Pointer<T>() + ox, fibres.Along(0), descending).Sort(new(lists.Pointer<int>() + (long)start * n, n), n, scratch);
            }
        }
    }
}

/// <summary>Lists of indices, one for each fibre of a tensor.</summary>
static class Lists
{
    /// <summary>A copy in which the lists, last until now, run along <paramref name="dimension"/>.</summary>
    public static Tensor Turn(Tensor lists, int dimension)
    {
        if (dimension == lists.Rank - 1) return lists;
        Tensor turned = Tensor.Empty(lists.Shape.Without(lists.Rank - 1).Insert(dimension, lists.Shape[^1]), DType.Int32);
        Span<int> order = stackalloc int[Shape.MaxRank];
        for (int i = 0, from = 0; i < lists.Rank; i++) order[i] = i == dimension ? lists.Rank - 1 : from++;
        Transfer.Copy(lists.Permute(order[..lists.Rank]), turned);
        return turned;
    }
}
