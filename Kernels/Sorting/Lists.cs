using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Lists of where elements stand, in the elements' order: one for each fibre of a tensor.</summary>
static unsafe class Lists
{
    /// <summary>The first <paramref name="length"/> of each list, along <paramref name="dimension"/>: Int32.</summary>
    public static Tensor Of(Tensor x, int dimension, int length, bool descending)
    {
        // They are made side by side in memory, whatever the dimension, and then turned to run along it.
        Tensor lists = Tensor.Empty(x.Shape.Without(dimension).Insert(x.Rank - 1, length), DType.Int32);
        Fibres fibres = new(x.Shape, dimension, x.Strides);
        if (GpuBackend.Current is { } gpu) GpuOrder.Sort(gpu, fibres, x, lists, descending);
        else if (length > 0) Cpu.For(x.DType, fibres.Count, Cpu.Rows(fibres.Length, length < fibres.Length ? 4 : 16), new Kernel(fibres, x, lists, descending));
        return Turn(lists, dimension);
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
            int n = fibres.Length, length = lists.Shape[^1];
            Order<T, K>.Item* scratch = Order<T, K>.Scratch(n);
            for (; start < end; start++)
            {
                fibres.Locate(start, out long ox, out _, out _);
                new Order<T, K>(x.Pointer<T>() + ox, fibres.Along(0), descending).First(new(lists.Pointer<int>() + (long)start * length, length), n, scratch);
            }
        }
    }

    static Tensor Turn(Tensor lists, int dimension)
    {
        if (dimension == lists.Rank - 1) return lists;
        Tensor turned = Tensor.Empty(lists.Shape.Without(lists.Rank - 1).Insert(dimension, lists.Shape[^1]), DType.Int32);
        Span<int> order = stackalloc int[Shape.MaxRank];
        for (int i = 0, from = 0; i < lists.Rank; i++) order[i] = i == dimension ? lists.Rank - 1 : from++;
        Transfer.Copy(lists.Permute(order[..lists.Rank]), turned);
        return turned;
    }
}
