using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>A function of two numbers and its two slopes: the formula that every device and width is compiled from.</summary>
public interface IBinary
{
    /// <summary>The operation's name.</summary>
    static abstract string Name { get; }

    /// <summary>Whether the slopes are the same everywhere, whatever a and b: then the backward pass reads neither.</summary>
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
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(StridedLoop.Broadcast(y.Shape, a, b, y), a, b, y), new GpuForward(function, gpu.View(a), gpu.View(b), gpu.View(y)));
        else Cpu.For(y.DType, y.Count, Cpu.Grain, new Forward(function, a, b, y));
        Record(y, a, b)?.function = function;
        return y;
    }

    readonly struct Forward(F function, Tensor a, Tensor b, Tensor y) : ICpuKernel
    {
        readonly StridedLoop loop = StridedLoop.Broadcast(y.Shape, a, b);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            int strideA = loop.InnerStride(0), strideB = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long oa, out long ob, out _, out _), end - start);
                T* pa = a.Pointer<T>() + oa, pb = b.Pointer<T>() + ob, py = y.Pointer<T>() + start;
                int i = 0;
                bool streams = Streaming.Suits<V, T>(py, y.Count);
                if (strideA == 1 && strideB == 1)
                    for (; i <= length - V.Count; i += V.Count) Streaming.Store(py + i, f.Value(V.Load(pa + i), V.Load(pb + i)), streams);
                for (; i < length; i += V.Count)
                {
                    V va = Lanes.Load<V, T>(pa + (long)i * strideA, strideA, length - i), vb = Lanes.Load<V, T>(pb + (long)i * strideB, strideB, length - i);
                    Lanes.Store(py + i, 1, f.Value(va, vb), length - i);
                }
            }
            Streaming.End();
        }
    }

    /// <summary>dL/da += dL/dy df/da, summed over the dimensions in which a was repeated; likewise for b.</summary>
    protected override void Backward()
    {
        if (NeedsGradient(0)) Accumulate<ToA>(0);
        if (NeedsGradient(1)) Accumulate<ToB>(1);
    }

    void Accumulate<TSide>(int side) where TSide : struct, ISide
    {
        Tensor y = Output(), dy = OutputGradient();
        bool isZero = false;
        Tensor gradient = Input(side).Shape == y.Shape ? InputGradient(side, out isZero) : InputGradient(side);
        if (F.HasConstantSlopes && gradient.Shape != y.Shape)
        {
            double slope = Float64x1.Sum(TSide.Slope<Float64x1>(function, default, default, default));
            Summation.AddInto(dy, gradient, slope);
            return;
        }
        Tensor full = Broadcasting.BeginGradient(gradient, y.Shape);
        if (GpuBackend.Current is { } gpu) Launch<TSide>(gpu, Input(0), Input(1), y, dy, full);
        else Cpu.For(y.DType, y.Count, Cpu.Grain, new BackwardKernel<TSide>(function, Input(0), Input(1), y, dy, full, isZero));
        Broadcasting.EndGradient(gradient, full);
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

    readonly struct BackwardKernel<TSide>(F function, Tensor a, Tensor b, Tensor y, Tensor dy, Tensor target, bool isZero) : ICpuKernel where TSide : struct, ISide
    {
        readonly StridedLoop loop = F.HasConstantSlopes ? StridedLoop.Broadcast(y.Shape, target, target, target) : StridedLoop.Broadcast(y.Shape, a, b, target);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            bool add = !isZero;
            int strideA = loop.InnerStride(0), strideB = loop.InnerStride(1), strideD = loop.InnerStride(2);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long oa, out long ob, out long od, out _), end - start);
                T* pa = a.Pointer<T>() + oa, pb = b.Pointer<T>() + ob, py = y.Pointer<T>() + start, pdy = dy.Pointer<T>() + start, pd = target.Pointer<T>() + od;
                int i = 0;
                if (strideA == 1 && strideB == 1 && strideD == 1)
                    for (; i <= length - V.Count; i += V.Count)
                    {
                        V slope = F.HasConstantSlopes ? TSide.Slope<V>(f, default, default, default) : TSide.Slope(f, V.Load(pa + i), V.Load(pb + i), V.Load(py + i));
                        V.Store(pd + i, V.Fma(V.Load(pdy + i), slope, add ? V.Load(pd + i) : V.Zero));
                    }
                for (; i < length; i += V.Count)
                {
                    int count = length - i;
                    V slope = F.HasConstantSlopes ? TSide.Slope<V>(f, default, default, default) : TSide.Slope(f,
                        Lanes.Load<V, T>(pa + (long)i * strideA, strideA, count), Lanes.Load<V, T>(pb + (long)i * strideB, strideB, count), Lanes.Load<V, T>(py + i, 1, count));
                    V old = add ? Lanes.Load<V, T>(pd + (long)i * strideD, strideD, count) : V.Zero;
                    Lanes.Store(pd + (long)i * strideD, strideD, V.Fma(Lanes.Load<V, T>(pdy + i, 1, count), slope, old), count);
                }
            }
        }
    }

    void Launch<TSide>(GpuBackend gpu, Tensor a, Tensor b, Tensor y, Tensor dy, Tensor target) where TSide : struct, ISide
    {
        if (F.HasConstantSlopes) a = b = y;                             // neither is read
        GpuLoop loop = new(StridedLoop.Broadcast(y.Shape, a, b, y, target), a, b, y, target, dy);
        gpu.LaunchEach(loop, new GpuBackward<TSide>(function, gpu.View(a), gpu.View(b), gpu.View(y), gpu.View(dy), gpu.View(target)));
    }

    readonly struct GpuForward(F function, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y) : IGpuElements
    {
        public void One(int i, int oa, int ob, int oy, int o3) => y[oy] = Value(a[oa], b[ob]);

        public void Four(in GpuLoop loop, int i, int oa, int ob, int oy, int o3)
        {
            Float4 va = Float4.Load(a, oa, loop.Step0), vb = Float4.Load(b, ob, loop.Step1);
            new Float4(Value(va.X, vb.X), Value(va.Y, vb.Y), Value(va.Z, vb.Z), Value(va.W, vb.W)).Store(y, oy);
        }

        float Value(float a, float b) => function.Value<GpuFloat>(a, b);
    }

    readonly struct GpuBackward<TSide>(F function, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y, ArrayView<float> dy, ArrayView<float> target) : IGpuElements
        where TSide : struct, ISide
    {
        public void One(int i, int oa, int ob, int oy, int ot)
        {
            float slope = F.HasConstantSlopes ? Slope(0, 0, 0) : Slope(a[oa], b[ob], y[oy]);
            target[ot] = GpuMath.Fma(dy[oy], slope, target[ot]);
        }

        public void Four(in GpuLoop loop, int i, int oa, int ob, int oy, int ot)
        {
            Float4 slope;
            if (F.HasConstantSlopes)
            {
                float same = Slope(0, 0, 0);
                slope = new(same, same, same, same);
            }
            else
            {
                Float4 va = Float4.Load(a, oa, loop.Step0), vb = Float4.Load(b, ob, loop.Step1), vy = Float4.Load(y, oy);
                slope = new(Slope(va.X, vb.X, vy.X), Slope(va.Y, vb.Y, vy.Y), Slope(va.Z, vb.Z, vy.Z), Slope(va.W, vb.W, vy.W));
            }
            Float4.Fma(Float4.Load(dy, oy), slope, Float4.Load(target, ot)).Store(target, ot);
        }

        float Slope(float a, float b, float y) => TSide.Slope<GpuFloat>(function, a, b, y);
    }
}
