using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>A function of one number, and its slope: the formula that every device and width is compiled from. Its fields are its parameters.</summary>
/// <remarks>A formula of more than a line is to be inlined aggressively: a call in the loop passes its vectors through memory, at half the speed.</remarks>
public interface IUnary
{
    /// <summary>The operation's name.</summary>
    static abstract string Name { get; }

    /// <summary>y = f(x).</summary>
    V Value<V>(V x) where V : struct, ISimd<V>;

    /// <summary>dy/dx, from x and y, whichever makes it cheaper.</summary>
    V Slope<V>(V x, V y) where V : struct, ISimd<V>;
}

/// <summary>y = f(x) for every element.</summary>
public sealed unsafe class Unary<F> : Operation<Unary<F>> where F : struct, IUnary
{
    F function;

    /// <inheritdoc/>
    public override string Name => F.Name;

    /// <summary>Applies <paramref name="function"/> to every element of <paramref name="x"/>.</summary>
    public static Tensor Apply(Tensor x, F function = default)
    {
        Require.Float(F.Name, x);
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        if (GpuBackend.Current is { } gpu) gpu.LaunchEach(new(new(x.Shape, x.Strides, y.Strides), x, y), new GpuForward(function, gpu.View(x), gpu.View(y)));
        else ElementLoop<Forward>.Run(new(function), y, x);
        Record(y, x)?.function = function;
        return y;
    }

    readonly struct Forward(F f) : IElement
    {
        public static int Operands => 1;
        public V Of<V>(V x, V b, V c, V d, V old) where V : struct, ISimd<V> => f.Value(x);
    }

    /// <summary>dL/dx += dL/dy f'(x).</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), y = Output(), dy = OutputGradient(), dx = InputGradient(0, out bool isZero);
        Reads reads = function.Slope(Reads.Argument(0), Reads.Argument(1));
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(new(x.Shape, x.Strides, y.Strides, dx.Strides, dy.Strides), x, y, dx, dy), new GpuBackward(function, gpu.View(x), gpu.View(y), gpu.View(dy), gpu.View(dx)));
        else ElementLoop<Slope>.Run(new(function), dx, reads[0] ? x : dy, reads[1] ? y : dy, d: dy, isZero: isZero);
    }

    readonly struct Slope(F f) : IElement
    {
        public static int Operands => 2;
        public static bool HasD => true;
        public static bool Adds => true;
        public V Of<V>(V x, V y, V c, V dy, V dx) where V : struct, ISimd<V> => V.Fma(dy, f.Slope(x, y), dx);
    }

    readonly struct GpuForward(F function, ArrayView<float> x, ArrayView<float> y) : IGpuElements
    {
        public void One(int i, int ox, int oy, int o2, int o3) => y[oy] = Value(x[ox]);

        public void Four(in GpuLoop loop, int i, int ox, int oy, int o2, int o3)
        {
            Float4 a = Float4.Load(x, ox, loop.Step0);
            new Float4(Value(a.X), Value(a.Y), Value(a.Z), Value(a.W)).Store(y, oy);
        }

        float Value(float x) => function.Value<GpuFloat>(x);
    }

    readonly struct GpuBackward(F function, ArrayView<float> x, ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dx) : IGpuElements
    {
        public void One(int i, int ox, int oy, int odx, int ody) => dx[odx] = GpuMath.Fma(dy[ody], Slope(x[ox], y[oy]), dx[odx]);

        public void Four(in GpuLoop loop, int i, int ox, int oy, int odx, int ody)
        {
            Float4 a = Float4.Load(x, ox, loop.Step0), b = Float4.Load(y, oy);
            Float4 slope = new(Slope(a.X, b.X), Slope(a.Y, b.Y), Slope(a.Z, b.Z), Slope(a.W, b.W));
            Float4.Fma(Float4.Load(dy, ody), slope, Float4.Load(dx, odx)).Store(dx, odx);
        }

        float Slope(float x, float y) => function.Slope<GpuFloat>(x, y);
    }
}
