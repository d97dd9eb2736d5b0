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
        else ElementLoop<Forward>.Run(new(function), y, a, b);
        Record(y, a, b)?.function = function;
        return y;
    }

    readonly struct Forward(F f) : IElement
    {
        public static int Operands => 2;
        public V Of<V>(V a, V b, V c, V d, V old) where V : struct, ISimd<V> => f.Value(a, b);
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
        Tensor full = Broadcasting.BeginGradient(gradient, y.Shape, ref isZero);
        Reads reads = TSide.Slope(function, Reads.Argument(0), Reads.Argument(1), Reads.Argument(2));
        if (GpuBackend.Current is { } gpu) Launch<TSide>(gpu, Input(0), Input(1), y, dy, full);
        else ElementLoop<Slope<TSide>>.Run(new(function), full, reads[0] ? Input(0) : dy, reads[1] ? Input(1) : dy, reads[2] ? y : dy, dy, isZero);
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

    readonly struct Slope<TSide>(F f) : IElement where TSide : struct, ISide
    {
        public static int Operands => F.HasConstantSlopes ? 0 : 3;
        public static bool HasD => true;
        public static bool Adds => true;
        public V Of<V>(V a, V b, V y, V dy, V gradient) where V : struct, ISimd<V> => V.Fma(dy, TSide.Slope(f, a, b, y), gradient);
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
