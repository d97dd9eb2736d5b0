using System.Numerics;

namespace NeuralMemory;

/// <summary>Adds one-hot coding to <see cref="Tensor"/>.</summary>
public static unsafe class OneHotOperation
{
    extension(Tensor indices)
    {
        /// <summary>For every index a vector that is 1 there and 0 elsewhere: [..] -> [.., <paramref name="classes"/>]. It has no gradient.</summary>
        /// <param name="classes">The number of classes: each index is from 0 to classes - 1.</param>
        /// <param name="type">Of the result.</param>
        /// <exception cref="ShapeException">An index is out of range; the indices are not Int32.</exception>
        public Tensor OneHot(int classes, DType type = DType.Float32)
        {
            if (classes < 0) throw new ShapeException("OneHot", $"{classes} classes; 0 at least was expected.");
            Indices.Check("OneHot", indices, classes, indices.Rank, indices.Shape.Insert(indices.Rank, classes));
            Tensor flat = indices.Reshape([indices.Count]), y = Tensor.Zeros(indices.Shape.Insert(indices.Rank, classes), type);
            if (type == DType.Float64) ThreadTeam.For(flat.Count, Cpu.Grain, new Kernel<double>(flat, y));
            else if (type == DType.Float32) ThreadTeam.For(flat.Count, Cpu.Grain, new Kernel<float>(flat, y));
            else ThreadTeam.For(flat.Count, Cpu.Grain, new Kernel<int>(flat, y));
            return y;
        }
    }

    readonly struct Kernel<T>(Tensor indices, Tensor y) : IParallelBody where T : unmanaged, INumber<T>
    {
        readonly int stride = indices.Strides[0], classes = y.Shape[^1];

        public void Run(int start, int end)
        {
            for (int i = start; i < end; i++) y.Pointer<T>()[(long)i * classes + indices.Pointer<int>()[(long)i * stride]] = T.One;
        }
    }
}
