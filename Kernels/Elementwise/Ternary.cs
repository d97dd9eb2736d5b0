using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>A function of three numbers and its three slopes: the formula that every device and width is compiled from.</summary>
public interface ITernary
{
    /// <summary>The operation's name.</summary>
    static abstract string Name { get; }

    /// <summary>y = f(a, b, c).</summary>
    V Value<V>(V a, V b, V c) where V : struct, ISimd<V>;

    /// <summary>dy/da.</summary>
    V SlopeA<V>(V a, V b, V c) where V : struct, ISimd<V>;

    /// <summary>dy/db.</summary>
    V SlopeB<V>(V a, V b, V c) where V : struct, ISimd<V>;

    /// <summary>dy/dc.</summary>
    V SlopeC<V>(V a, V b, V c) where V : struct, ISimd<V>;
}

/// <summary>y = f(a, b, c) for every three elements, the shapes broadcast to one another.</summary>
public sealed unsafe class Ternary<F> : Operation<Ternary<F>> where F : struct, ITernary
{
    F function;

    /// <inheritdoc/>
    public override string Name => F.Name;

    /// <summary>Applies <paramref name="function"/> to every three elements.</summary>
    public static Tensor Apply(Tensor a, Tensor b, Tensor c, F function = default)
    {
        Require.SameFloat(F.Name, a, b);
        Require.SameFloat(F.Name, a, c);
        Tensor y = Tensor.Empty(Shape.Broadcast(Shape.Broadcast(a.Shape, b.Shape, F.Name), c.Shape, F.Name), a.DType);
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(StridedLoop.Broadcast(y.Shape, a, b, c, y), a, b, c, y), new GpuForward(function, gpu.View(a), gpu.View(b), gpu.View(c), gpu.View(y)));
        else Cpu.For(y.DType, y.Count, Cpu.Grain, new Forward(function, a, b, c, y));
        Record(y, a, b, c)?.function = function;
        return y;
    }

    readonly struct Forward(F function, Tensor a, Tensor b, Tensor c, Tensor y) : ICpuKernel
    {
        readonly StridedLoop loop = StridedLoop.Broadcast(y.Shape, a, b, c);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            int strideA = loop.InnerStride(0), strideB = loop.InnerStride(1), strideC = loop.InnerStride(2);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long oa, out long ob, out long oc, out _), end - start);
                T* pa = a.Pointer<T>() + oa, pb = b.Pointer<T>() + ob, pc = c.Pointer<T>() + oc, py = y.Pointer<T>() + start;
                int i = 0;
                if (strideA == 1 && strideB == 1 && strideC == 1)
                    for (; i <= length - V.Count; i += V.Count) V.Store(py + i, f.Value(V.Load(pa + i), V.Load(pb + i), V.Load(pc + i)));
                for (; i < length; i += V.Count)
                {
                    int count = length - i;
                    V va = Lanes.Load<V, T>(pa + (long)i * strideA, strideA, count), vb = Lanes.Load<V, T>(pb + (long)i * strideB, strideB, count);
                    Lanes.Store(py + i, 1, f.Value(va, vb, Lanes.Load<V, T>(pc + (long)i * strideC, strideC, count)), count);
                }
            }
        }
    }

    /// <summary>dL/da += dL/dy df/da, summed over the dimensions in which a was repeated; likewise for b and c.</summary>
    protected override void Backward()
    {
        if (NeedsGradient(0)) Accumulate<ToA>(0);
        if (NeedsGradient(1)) Accumulate<ToB>(1);
        if (NeedsGradient(2)) Accumulate<ToC>(2);
    }

    void Accumulate<TSide>(int side) where TSide : struct, ISide
    {
        Tensor y = Output(), gradient = InputGradient(side), full = Broadcasting.BeginGradient(gradient, y.Shape);
        if (GpuBackend.Current is { } gpu) Launch<TSide>(gpu, Input(0), Input(1), Input(2), OutputGradient(), full);
        else Cpu.For(y.DType, y.Count, Cpu.Grain, new BackwardKernel<TSide>(function, Input(0), Input(1), Input(2), OutputGradient(), full));
        Broadcasting.EndGradient(gradient, full);
    }

    interface ISide
    {
        static abstract V Slope<V>(F f, V a, V b, V c) where V : struct, ISimd<V>;
    }

    readonly struct ToA : ISide
    {
        public static V Slope<V>(F f, V a, V b, V c) where V : struct, ISimd<V> => f.SlopeA(a, b, c);
    }

    readonly struct ToB : ISide
    {
        public static V Slope<V>(F f, V a, V b, V c) where V : struct, ISimd<V> => f.SlopeB(a, b, c);
    }

    readonly struct ToC : ISide
    {
        public static V Slope<V>(F f, V a, V b, V c) where V : struct, ISimd<V> => f.SlopeC(a, b, c);
    }

    readonly struct BackwardKernel<TSide>(F function, Tensor a, Tensor b, Tensor c, Tensor dy, Tensor target) : ICpuKernel where TSide : struct, ISide
    {
        readonly StridedLoop loop = StridedLoop.Broadcast(dy.Shape, a, b, c, target);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            int strideA = loop.InnerStride(0), strideB = loop.InnerStride(1), strideC = loop.InnerStride(2), strideD = loop.InnerStride(3);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long oa, out long ob, out long oc, out long od), end - start);
                T* pa = a.Pointer<T>() + oa, pb = b.Pointer<T>() + ob, pc = c.Pointer<T>() + oc, pdy = dy.Pointer<T>() + start, pd = target.Pointer<T>() + od;
                int i = 0;
                if (strideA == 1 && strideB == 1 && strideC == 1 && strideD == 1)
                    for (; i <= length - V.Count; i += V.Count)
                        V.Store(pd + i, V.Fma(V.Load(pdy + i), TSide.Slope(f, V.Load(pa + i), V.Load(pb + i), V.Load(pc + i)), V.Load(pd + i)));
                for (; i < length; i += V.Count)
                {
                    int count = length - i;
                    V va = Lanes.Load<V, T>(pa + (long)i * strideA, strideA, count), vb = Lanes.Load<V, T>(pb + (long)i * strideB, strideB, count);
                    V slope = TSide.Slope(f, va, vb, Lanes.Load<V, T>(pc + (long)i * strideC, strideC, count));
                    V old = Lanes.Load<V, T>(pd + (long)i * strideD, strideD, count);
                    Lanes.Store(pd + (long)i * strideD, strideD, V.Fma(Lanes.Load<V, T>(pdy + i, 1, count), slope, old), count);
                }
            }
        }
    }

    void Launch<TSide>(GpuBackend gpu, Tensor a, Tensor b, Tensor c, Tensor dy, Tensor target) where TSide : struct, ISide
    {
        GpuLoop loop = new(StridedLoop.Broadcast(dy.Shape, a, b, c, target), a, b, c, target, dy);
        gpu.LaunchEach(loop, new GpuBackward<TSide>(function, gpu.View(a), gpu.View(b), gpu.View(c), gpu.View(dy), gpu.View(target)));
    }

    readonly struct GpuForward(F function, ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> y) : IGpuElements
    {
        public void One(int i, int oa, int ob, int oc, int oy) => y[oy] = Value(a[oa], b[ob], c[oc]);

        public void Four(in GpuLoop loop, int i, int oa, int ob, int oc, int oy)
        {
            Float4 va = Float4.Load(a, oa, loop.Step0), vb = Float4.Load(b, ob, loop.Step1), vc = Float4.Load(c, oc, loop.Step2);
            new Float4(Value(va.X, vb.X, vc.X), Value(va.Y, vb.Y, vc.Y), Value(va.Z, vb.Z, vc.Z), Value(va.W, vb.W, vc.W)).Store(y, oy);
        }

        float Value(float a, float b, float c) => function.Value<GpuFloat>(a, b, c);
    }

    readonly struct GpuBackward<TSide>(F function, ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> dy, ArrayView<float> target) : IGpuElements
        where TSide : struct, ISide
    {
        public void One(int i, int oa, int ob, int oc, int ot) => target[ot] = GpuMath.Fma(dy[i], Slope(a[oa], b[ob], c[oc]), target[ot]);

        public void Four(in GpuLoop loop, int i, int oa, int ob, int oc, int ot)
        {
            Float4 va = Float4.Load(a, oa, loop.Step0), vb = Float4.Load(b, ob, loop.Step1), vc = Float4.Load(c, oc, loop.Step2);
            Float4 slope = new(Slope(va.X, vb.X, vc.X), Slope(va.Y, vb.Y, vc.Y), Slope(va.Z, vb.Z, vc.Z), Slope(va.W, vb.W, vc.W));
            Float4.Fma(Float4.Load(dy, i), slope, Float4.Load(target, ot)).Store(target, ot);
        }

        float Slope(float a, float b, float c) => TSide.Slope<GpuFloat>(function, a, b, c);
    }
}
