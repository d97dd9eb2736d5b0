using System.Numerics;
using ILGPU;
using ILGPU.Algorithms;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y_i = e^(x_i - m) / s with m = max x and s = sum_j e^(x_j - m), along a dimension. With dL/dy = g, dL/dx_i = y_i (g_i - sum_j g_j y_j).
/// </summary>
/// <remarks>
/// Subtracting m leaves no power above 1 and one at least that is 1, so nothing overflows and s never vanishes. Where all of a fibre is -infinity there is
/// no distribution: every y is 0, and so is the gradient.
/// </remarks>
public sealed unsafe class Softmax : Operation<Softmax>
{
    int dimension;

    /// <summary>Normalises <paramref name="x"/> along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension)
    {
        Require.Float("Softmax", x);
        int d = x.Shape.Dimension(dimension, "Softmax");
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        Fibres fibres = new(x.Shape, d, x.Strides, y.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuForward(gpu.View(x), gpu.View(y)));
        else Cpu.For(x.DType, fibres.Count, fibres.Grain(8), new Forward(fibres, x, y));
        Record(y, x)?.dimension = d;
        return y;
    }

    readonly struct Forward(Fibres fibres, Tensor x, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (fibres.AreRows) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = fibres.Length, step = F.Step(fibres);
            T* cached = fibres.AreRows ? ThreadScratch<Softmax>.Take<T>(n + PageBytes / sizeof(T)) : null;
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out _, out _);
                T* from = x.Pointer<T>() + ox, to = y.Pointer<T>() + oy;
                bool streams = fibres.AreRows && Streaming.Suits<V, T>(to, y.Count);
                F xs = F.At(fibres, 0, from, taken), ys = F.At(fibres, 1, to, taken, streams);
                F powers = streams ? F.At(fibres, 1, Beside(cached, from), taken) : ys;     // in the cache until their sum is known
                V m = Maximum<V, T, F>(fibres, xs), s = V.Zero;
                for (int j = 0; j < n; j += step)
                {
                    V e = V.Exp(xs.Load(j, T.NegativeInfinity) - m);
                    s += e;
                    powers.Store(j, e);
                    xs.Prefetch(j);
                }
                s = fibres.Sum<V, T>(s);
                V factor = V.IfEqual(s, V.Zero, V.Zero, V.One / s);
                for (int j = 0; j < n; j += step) ys.Store(j, powers.Load(j) * factor);
            }
            Streaming.End();
        }
    }

    const int PageBytes = 4096;

    /// <summary>
    /// The first element from <paramref name="scratch"/> on that lies in its page where <paramref name="row"/> lies in its own. The processor tells a store from a later load by the last
    /// 12 bits of their addresses alone at first: a power written where an element is about to be read would make that wait.
    /// </summary>
    static T* Beside<T>(T* scratch, T* row) where T : unmanaged => scratch + (((nint)row - (nint)scratch) & (PageBytes - 1)) / sizeof(T);

    /// <summary>
    /// m = max x along a fibre, in every lane; 0 where all of it is -infinity, so that x - m is -infinity there and not NaN. Any number where one is NaN: the sum of powers is NaN then.
    /// </summary>
    internal static V Maximum<V, T, F>(in Fibres fibres, in F xs)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
    {
        V lowest = V.Create(T.NegativeInfinity), m = lowest;
        int n = fibres.Length, step = F.Step(fibres);
        for (int j = 0; j < n; j += step) m = V.Larger(m, xs.Load(j, T.NegativeInfinity));
        m = fibres.Max<V, T>(m);
        return V.IfEqual(m, lowest, V.Zero, m);
    }

    /// <summary>s = sum_j e^(x_j - m) along a fibre, in every lane.</summary>
    internal static V SumOfPowers<V, T, F>(in Fibres fibres, in F xs, V m)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
    {
        V s = V.Zero;
        int n = fibres.Length, step = F.Step(fibres);
        for (int j = 0; j < n; j += step)
        {
            s += V.Exp(xs.Load(j, T.NegativeInfinity) - m);
            xs.Prefetch(j);
        }
        return fibres.Sum<V, T>(s);
    }

    /// <summary>dL/dx_i += y_i (dL/dy_i - sum_j dL/dy_j y_j).</summary>
    protected override void Backward()
    {
        Tensor y = Output(), dx = InputGradient(0, out bool isZero);
        Fibres fibres = new(y.Shape, dimension, y.Strides, dx.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuBackward(gpu.View(y), gpu.View(OutputGradient()), gpu.View(dx)));
        else Cpu.For(y.DType, fibres.Count, fibres.Grain(4), new BackwardKernel(fibres, y, OutputGradient(), dx, isZero));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor y, Tensor dy, Tensor dx, bool isZero) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (fibres.AreRows) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = fibres.Length, step = F.Step(fibres);
            bool add = !isZero;
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long oy, out long ox, out _, out _);
                T* first = dx.Pointer<T>() + ox;
                F ys = F.At(fibres, 0, y.Pointer<T>() + oy, taken), dys = F.At(fibres, 0, dy.Pointer<T>() + oy, taken);
                F dxs = F.At(fibres, 1, first, taken, isZero && Streaming.Suits<V, T>(first, dx.Count));
                V dot = V.Zero;
                for (int j = 0; j < n; j += step) dot = V.Fma(dys.Load(j), ys.Load(j), dot);
                dot = fibres.Sum<V, T>(dot);
                for (int j = 0; j < n; j += step)
                {
                    dxs.Store(j, V.Fma(ys.Load(j), dys.Load(j) - dot, add ? dxs.Load(j) : V.Zero));
                    ys.Prefetch(j);
                    dys.Prefetch(j);
                }
            }
            Streaming.End();
        }
    }

    readonly struct GpuForward(ArrayView<float> x, ArrayView<float> y) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            PowerSum powers = PowerSum.Of<T>(x, f);
            float m = powers.Shift, factor = powers.Sum == 0 ? 0 : 1 / powers.Sum;
            for (int j = T.Member; j < f.Length; j += T.Size) y[f.At1(j)] = GpuFloat.Exp(x[f.At0(j)] - m) * factor;
        }
    }

    readonly struct GpuBackward(ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dx) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            Float4 dots = default;
            for (int j = T.Member; j < f.Length; j += 4 * T.Size) dots = Float4.Fma(f.Four0<T>(dy, j, 0), f.Four0<T>(y, j, 0), dots);
            float dot = dots.Sum;
            dot = T.Reduce<FloatSum, float>(dot);
            for (int j = T.Member; j < f.Length; j += T.Size) dx[f.At1(j)] = GpuMath.Fma(y[f.At0(j)], dy[f.At0(j)] - dot, dx[f.At1(j)]);
        }
    }

    /// <summary>
    /// The largest of some numbers and the sum of e^(x - m) over them, in one pass: where a larger one turns up, what has been summed is scaled down (Milakov and Gimelshein 2018, algorithm 3).
    /// </summary>
    internal readonly struct PowerSum(float m, float sum) : IReduction<PowerSum>
    {
        /// <summary>m = max x.</summary>
        public readonly float Max = m;

        /// <summary>s = sum e^(x - m).</summary>
        public readonly float Sum = sum;

        /// <summary>m, or 0 where all are -infinity, so that x - m is -infinity there and not NaN.</summary>
        public float Shift => Max == float.NegativeInfinity ? 0 : Max;

        public static PowerSum Neutral => new(float.NegativeInfinity, 0);

        public static PowerSum Join(PowerSum a, PowerSum b)
        {
            if (a.Max == b.Max) return new(a.Max, a.Sum + b.Sum);
            float e = GpuFloat.Exp(-XMath.Abs(a.Max - b.Max));
            return a.Max < b.Max ? new(b.Max, GpuMath.Fma(a.Sum, e, b.Sum)) : new(a.Max, GpuMath.Fma(b.Sum, e, a.Sum));
        }

        /// <summary>Those of four numbers.</summary>
        static PowerSum Of(Float4 x)
        {
            float m = x.Max, shift = new PowerSum(m, 0).Shift;
            return new(m, GpuFloat.Exp(x.X - shift) + GpuFloat.Exp(x.Y - shift) + (GpuFloat.Exp(x.Z - shift) + GpuFloat.Exp(x.W - shift)));
        }

        /// <summary>Those of a fibre of <paramref name="x"/>, for every thread of the team.</summary>
        public static PowerSum Of<T>(ArrayView<float> x, GpuFibre f) where T : struct, ITeam
        {
            PowerSum powers = Neutral;
            for (int j = T.Member; j < f.Length; j += 4 * T.Size) powers = Join(powers, Of(f.Four0<T>(x, j, float.NegativeInfinity)));
            return T.Reduce<PowerSum, PowerSum>(powers);
        }
    }
}

/// <summary>Adds the softmax to <see cref="Tensor"/>.</summary>
public static class SoftmaxOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// e^x_i / sum_j e^x_j along <paramref name="dimension"/>: positive numbers that add up to 1. Safe for numbers of any size; -infinity counts for nothing,
        /// and where there is nothing else, all are 0.
        /// </summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor Softmax(int dimension = -1) => NeuralMemory.Softmax.Apply(x, dimension);
    }
}
