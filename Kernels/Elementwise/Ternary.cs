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
        else ElementLoop<Forward>.Run(new(function), y, a, b, c);
        Record(y, a, b, c)?.function = function;
        return y;
    }

    readonly struct Forward(F f) : IElement
    {
        public static int Operands => 3;
        public V Of<V>(V a, V b, V c, V d, V old) where V : struct, ISimd<V> => f.Value(a, b, c);
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
        Tensor y = Output(), dy = OutputGradient();
        bool isZero = false;
        Tensor gradient = Input(side).Shape == y.Shape ? InputGradient(side, out isZero) : InputGradient(side), full = Broadcasting.BeginGradient(gradient, y.Shape, ref isZero);
        Reads reads = TSide.Slope(function, Reads.Argument(0), Reads.Argument(1), Reads.Argument(2));
        if (GpuBackend.Current is { } gpu) Launch<TSide>(gpu, Input(0), Input(1), Input(2), dy, full);
        else ElementLoop<Slope<TSide>>.Run(new(function), full, reads[0] ? Input(0) : dy, reads[1] ? Input(1) : dy, reads[2] ? Input(2) : dy, dy, isZero);
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

    readonly struct Slope<TSide>(F f) : IElement where TSide : struct, ISide
    {
        public static int Operands => 3;
        public static bool HasD => true;
        public static bool Adds => true;
        public V Of<V>(V a, V b, V c, V dy, V gradient) where V : struct, ISimd<V> => V.Fma(dy, TSide.Slope(f, a, b, c), gradient);
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
