using System.Numerics;
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
        else Cpu.For(x.DType, x.Count, Cpu.Grain, new Forward(function, x, y));
        Record(y, x)?.function = function;
        return y;
    }

    readonly struct Forward(F function, Tensor x, Tensor y) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, y.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            int strideX = loop.InnerStride(0);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out long oy, out _, out _), end - start);
                T* px = x.Pointer<T>() + ox, py = y.Pointer<T>() + oy;
                int i = 0;
                bool streams = Streaming.Suits<V, T>(py, y.Count);
                if (strideX == 1)
                    for (; i <= length - V.Count; i += V.Count) Streaming.Store(py + i, f.Value(V.Load(px + i)), streams);
                for (; i < length; i += V.Count)
                    Lanes.Store(py + i, 1, f.Value(Lanes.Load<V, T>(px + (long)i * strideX, strideX, length - i)), length - i);
            }
            Streaming.End();
        }
    }

    /// <summary>dL/dx += dL/dy f'(x).</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), y = Output(), dy = OutputGradient(), dx = InputGradient(0, out bool isZero);
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(new(x.Shape, x.Strides, y.Strides, dx.Strides, dy.Strides), x, y, dx, dy), new GpuBackward(function, gpu.View(x), gpu.View(y), gpu.View(dy), gpu.View(dx)));
        else Cpu.For(x.DType, x.Count, Cpu.Grain, new BackwardKernel(function, x, y, dy, dx, isZero));
    }

    readonly struct BackwardKernel(F function, Tensor x, Tensor y, Tensor dy, Tensor dx, bool isZero) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, y.Strides, dx.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            bool add = !isZero;
            int strideX = loop.InnerStride(0), strideDx = loop.InnerStride(2);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out long oy, out long odx, out _), end - start);
                T* px = x.Pointer<T>() + ox, py = y.Pointer<T>() + oy, pdy = dy.Pointer<T>() + oy, pdx = dx.Pointer<T>() + odx;
                int i = 0;
                bool streams = isZero && Streaming.Suits<V, T>(pdx, x.Count);
                if (strideX == 1 && strideDx == 1)
                    for (; i <= length - V.Count; i += V.Count)
                        Streaming.Store(pdx + i, V.Fma(V.Load(pdy + i), f.Slope(V.Load(px + i), V.Load(py + i)), add ? V.Load(pdx + i) : V.Zero), streams);
                for (; i < length; i += V.Count)
                {
                    int count = length - i;
                    V slope = f.Slope(Lanes.Load<V, T>(px + (long)i * strideX, strideX, count), Lanes.Load<V, T>(py + i, 1, count));
                    V old = add ? Lanes.Load<V, T>(pdx + (long)i * strideDx, strideDx, count) : V.Zero;
                    Lanes.Store(pdx + (long)i * strideDx, strideDx, V.Fma(Lanes.Load<V, T>(pdy + i, 1, count), slope, old), count);
                }
            }
            Streaming.End();
        }
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
