using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>A function of two numbers and its two slopes: the formula that every device and width is compiled from.</summary>
public interface IBinary
{
    /// <summary>The operation's name.</summary>
    static abstract string Name { get; }

    /// <summary>Whether the slopes are the same everywhere, whatever a and b are: then the backward pass reads neither.</summary>
    static virtual bool HasConstantSlopes => false;

    /// <summary>y = f(a, b).</summary>
    V Value<V>(V a, V b) where V : struct, ISimd<V>;

    /// <summary>dy/da.</summary>
    V SlopeA<V>(V a, V b, V y) where V : struct, ISimd<V>;

    /// <summary>dy/db.</summary>
    V SlopeB<V>(V a, V b, V y) where V : struct, ISimd<V>;
}

/// <summary>y = f(a, b) for every pair of elements, the shapes broadcast to one another.</summary>
public sealed unsafe class Binary<F> : Operation<Binary<F>> where F : struct, IBinary
{
    F function;

    /// <inheritdoc/>
    public override string Name => F.Name;

    /// <summary>Applies <paramref name="function"/> to every pair of elements.</summary>
    public static Tensor Apply(Tensor a, Tensor b, F function = default)
    {
        Require.SameFloat(F.Name, a, b);
        Tensor y = Tensor.Empty(Shape.Broadcast(a.Shape, b.Shape, F.Name), a.DType);
        Cpu.For(y.DType, y.Count, Cpu.Grain, new Forward(function, a, b, y));
        Record(y, a, b)?.function = function;
        return y;
    }

    readonly struct Forward(F function, Tensor a, Tensor b, Tensor y) : ICpuKernel
    {
        readonly StridedLoop loop = new(y.Shape, StridedLoop.Expand(a, y.Shape), StridedLoop.Expand(b, y.Shape), y.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            int strideA = loop.InnerStride(0), strideB = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long oa, out long ob, out long oy, out _), end - start);
                T* pa = a.Pointer<T>() + oa, pb = b.Pointer<T>() + ob, py = y.Pointer<T>() + oy;
                int i = 0;
                if (strideA == 1 && strideB == 1)
                    for (; i <= length - V.Count; i += V.Count) V.Store(py + i, f.Value(V.Load(pa + i), V.Load(pb + i)));
                for (; i < length; i += V.Count)
                {
                    V va = Lanes.Load<V, T>(pa + (long)i * strideA, strideA, length - i), vb = Lanes.Load<V, T>(pb + (long)i * strideB, strideB, length - i);
                    Lanes.Store(py + i, 1, f.Value(va, vb), length - i);
                }
            }
        }
    }

    /// <summary>dL/da += dL/dy df/da, summed over the dimensions in which a was repeated; likewise for b.</summary>
    protected override void Backward()
    {
        if (NeedsGradient(0)) Accumulate(0);
        if (NeedsGradient(1)) Accumulate(1);
    }

    void Accumulate(int side)
    {
        Tensor a = Input(0), b = Input(1), y = Output(), gradient = InputGradient(side);
        bool repeated = gradient.Shape != y.Shape;
        Tensor target = repeated ? Tensor.Zeros(y.Shape, y.DType) : gradient;
        if (side == 0) Cpu.For(y.DType, y.Count, Cpu.Grain, new BackwardKernel<ToA>(function, a, b, y, OutputGradient(), target));
        else Cpu.For(y.DType, y.Count, Cpu.Grain, new BackwardKernel<ToB>(function, a, b, y, OutputGradient(), target));
        if (repeated) Summation.AddInto(target, gradient);
    }

    interface ISide
    {
        static abstract V Slope<V>(F f, V a, V b, V y) where V : struct, ISimd<V>;
    }

    readonly struct ToA : ISide
    {
        public static V Slope<V>(F f, V a, V b, V y) where V : struct, ISimd<V> => f.SlopeA(a, b, y);
    }

    readonly struct ToB : ISide
    {
        public static V Slope<V>(F f, V a, V b, V y) where V : struct, ISimd<V> => f.SlopeB(a, b, y);
    }

    readonly struct BackwardKernel<TSide>(F function, Tensor a, Tensor b, Tensor y, Tensor dy, Tensor target) : ICpuKernel where TSide : struct, ISide
    {
        readonly StridedLoop loop = new(y.Shape, StridedLoop.Expand(a, y.Shape), StridedLoop.Expand(b, y.Shape), y.Strides, target.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            int strideA = loop.InnerStride(0), strideB = loop.InnerStride(1), strideD = loop.InnerStride(3);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long oa, out long ob, out long oy, out long od), end - start);
                T* pa = a.Pointer<T>() + oa, pb = b.Pointer<T>() + ob, py = y.Pointer<T>() + oy, pdy = dy.Pointer<T>() + oy, pd = target.Pointer<T>() + od;
                for (int i = 0; i < length; i += V.Count)
                {
                    int count = length - i;
                    V va = Lanes.Load<V, T>(pa + (long)i * strideA, strideA, count), vb = Lanes.Load<V, T>(pb + (long)i * strideB, strideB, count);
                    V slope = TSide.Slope(f, va, vb, Lanes.Load<V, T>(py + i, 1, count));
                    V old = Lanes.Load<V, T>(pd + (long)i * strideD, strideD, count);
                    Lanes.Store(pd + (long)i * strideD, strideD, V.Fma(Lanes.Load<V, T>(pdy + i, 1, count), slope, old), count);
                }
            }
        }
    }
}
