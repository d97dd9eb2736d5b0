using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Adds the choice of the largest elements to <see cref="Tensor"/>.</summary>
public static unsafe class TopKOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The <paramref name="k"/> largest elements along <paramref name="dimension"/>, the largest first and of equal ones the first, and where each of them
        /// stands (Int32): [.., N, ..] -> [.., k, ..]. NaN is above every number. The gradient of a value goes to where it stands.
        /// </summary>
        /// <exception cref="ShapeException">k is not within 0 to N; there is no such dimension; the elements are integers.</exception>
        public (Tensor Values, Tensor Indices) TopK(int k, int dimension = -1)
        {
            Require.Float("TopK", x);
            int d = x.Shape.Dimension(dimension, "TopK");
            if ((uint)k > (uint)x.Shape[d]) throw new ShapeException("TopK", $"k = {k} along dimension {dimension} of {x.Shape}: 0 to {x.Shape[d]} was expected.");
            Tensor lists = Tensor.Empty(x.Shape.Without(d).Insert(x.Rank - 1, k), DType.Int32);
            Fibres fibres = new(x.Shape, d, x.Strides);
            if (GpuBackend.Current is { } gpu) GpuOrder.Sort(gpu, fibres, x, lists, descending: true);
            else Cpu.For(x.DType, fibres.Count, Cpu.Rows(fibres.Length, 4), new Kernel(fibres, x, lists));
            Tensor indices = Lists.Turn(lists, d);
            return (x.Gather(d, indices), indices);
        }
    }

    readonly struct Kernel(Fibres fibres, Tensor x, Tensor lists) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (typeof(T) == typeof(float)) Rows<T, uint>(start, end);
            else Rows<T, ulong>(start, end);
        }

        void Rows<T, K>(int start, int end) where T : unmanaged, IBinaryFloatingPointIeee754<T> where K : unmanaged, IBinaryInteger<K>
        {
            int k = lists.Shape[^1], n = fibres.Length;
            if (k == 0) return;
            Order<T, K>.Item* scratch = Order<T, K>.Scratch(n);
            for (; start < end; start++)
            {
                fibres.Locate(start, out long ox, out _, out _);
                new Order<T, K>(x.Pointer<T>() + ox, fibres.Along(0), descending: true).Select(new(lists.Pointer<int>() + (long)start * k, k), n, scratch);
            }
        }
    }
}
