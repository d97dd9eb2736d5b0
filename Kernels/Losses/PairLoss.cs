using System.Numerics;
using System.Runtime.CompilerServices;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>The cost of a pair of numbers, what was computed and what was wanted, and its slopes. Its fields are its parameters.</summary>
public interface IPairLoss
{
    /// <summary>The operation's name.</summary>
    static abstract string Name { get; }

    /// <summary>By what the sum of all costs is divided: their number, unless overridden.</summary>
    static virtual int Divisor(Shape shape) => shape.Count;

    /// <summary>c = f(x, t).</summary>
    V Cost<V>(V x, V t) where V : struct, ISimd<V>;

    /// <summary>dc/dx.</summary>
    V SlopeX<V>(V x, V t) where V : struct, ISimd<V>;

    /// <summary>dc/dt.</summary>
    V SlopeT<V>(V x, V t) where V : struct, ISimd<V>;
}

/// <summary>y = sum_i f(x_i, t_i) / n over all pairs of elements: shape []. The sum is pairwise.</summary>
public sealed unsafe class PairLoss<F> : Operation<PairLoss<F>> where F : struct, IPairLoss
{
    F function;

    /// <inheritdoc/>
    public override string Name => F.Name;

    /// <summary>Sums the costs of all elements of <paramref name="x"/> and <paramref name="targets"/>.</summary>
    public static Tensor Apply(Tensor x, Tensor targets, F function = default)
    {
        Require.SameFloat(F.Name, x, targets);
        Require.SameShape(F.Name, x, targets);
        if (x.Count == 0) throw new ShapeException(F.Name, $"{x.Shape} has no elements, and their mean is not defined.");
        Tensor costs, y = Tensor.Zeros([], x.DType);
        if (GpuBackend.Current is { } gpu)
        {
            costs = Tensor.Empty(x.Shape, x.DType);
            gpu.LaunchEach(new(new(x.Shape, x.Strides, targets.Strides, costs.Strides), x, targets, costs), new GpuForward(function, gpu.View(x), gpu.View(targets), gpu.View(costs)));
        }
        else
        {
            costs = Tensor.Empty([Summation.PartCount(x.Count)], x.DType);
            Cpu.For(x.DType, costs.Count, 1, new Forward(function, x, targets, costs));
        }
        Summation.AddInto(costs, y, 1.0 / F.Divisor(x.Shape));
        Record(y, x, targets)?.function = function;
        return y;
    }

    /// <summary>The costs of each part that a sum over all of them is cut into. Those of one run at a time are written down, in the first cache, and added up at once.</summary>
    readonly struct Forward(F function, Tensor x, Tensor targets, Tensor costs) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, targets.Strides);

        [SkipLocalsInit]
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* run = stackalloc T[Summation.Run * V.Count];
            for (int part = start; part < end; part++)
            {
                Summation.Counter<V>.Create(out var counter);
                int first = part * Summation.Part, count = Math.Min(Summation.Part, x.Count - first);
                for (int i = 0, n; i < count; i += n)
                {
                    n = Math.Min(Summation.Run * V.Count, count - i);
                    Costs<V, T>(first + i, n, run);
                    counter.Add(Summation.OneRun<V, T>(run, n));
                }
                costs.Pointer<T>()[part] = V.Sum(counter.Total);
            }
        }

        void Costs<V, T>(int start, int count, T* costs) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            F f = function;
            int strideX = loop.InnerStride(0), strideT = loop.InnerStride(1);
            for (int done = 0, length; done < count; done += length)
            {
                length = Math.Min(loop.Locate(start + done, out long ox, out long ot, out _, out _), count - done);
                T* px = x.Pointer<T>() + ox, pt = targets.Pointer<T>() + ot, cost = costs + done;
                int i = 0;
                if (strideX == 1 && strideT == 1)
                    for (; i <= length - V.Count; i += V.Count) V.Store(cost + i, f.Cost(V.Load(px + i), V.Load(pt + i)));
                for (; i < length; i += V.Count)
                {
                    V xi = Lanes.Load<V, T>(px + (long)i * strideX, strideX, length - i), ti = Lanes.Load<V, T>(pt + (long)i * strideT, strideT, length - i);
                    Lanes.Store(cost + i, 1, f.Cost(xi, ti), length - i);
                }
            }
        }
    }

    /// <summary>dL/dx += dc/dx / n dL/dy, dL/dt += dc/dt / n dL/dy.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), t = Input(1);
        if (GpuBackend.Current is { } gpu)
        {
            if (NeedsGradient(0)) Launch<ToX>(gpu, x, t, OutputGradient(), InputGradient(0));
            if (NeedsGradient(1)) Launch<ToT>(gpu, x, t, OutputGradient(), InputGradient(1));
            return;
        }
        Tensor share = Tensor.Full([1], OutputGradient().Item() / F.Divisor(x.Shape), x.DType);
        if (NeedsGradient(0)) ElementLoop<Slope<ToX>>.Run(new(function), InputGradient(0, out bool isZero), x, t, share, isZero: isZero);
        if (NeedsGradient(1)) ElementLoop<Slope<ToT>>.Run(new(function), InputGradient(1, out bool isZero), x, t, share, isZero: isZero);
    }

    interface ISide
    {
        static abstract V Slope<V>(F f, V x, V t) where V : struct, ISimd<V>;
    }

    readonly struct ToX : ISide
    {
        public static V Slope<V>(F f, V x, V t) where V : struct, ISimd<V> => f.SlopeX(x, t);
    }

    readonly struct ToT : ISide
    {
        public static V Slope<V>(F f, V x, V t) where V : struct, ISimd<V> => f.SlopeT(x, t);
    }

    readonly struct Slope<TSide>(F f) : IElement where TSide : struct, ISide
    {
        public static int Operands => 3;
        public static bool Adds => true;
        public V Of<V>(V x, V t, V share, V d, V gradient) where V : struct, ISimd<V> => V.Fma(share, TSide.Slope(f, x, t), gradient);
    }

    void Launch<TSide>(GpuBackend gpu, Tensor x, Tensor t, Tensor dy, Tensor gradient) where TSide : struct, ISide =>
        gpu.LaunchEach(new(new(x.Shape, x.Strides, t.Strides, gradient.Strides), x, t, gradient),
            new GpuBackward<TSide>(function, gpu.View(x), gpu.View(t), gpu.View(gradient), gpu.View(dy), (float)(1.0 / F.Divisor(x.Shape))));

    readonly struct GpuForward(F function, ArrayView<float> x, ArrayView<float> targets, ArrayView<float> costs) : IGpuElements
    {
        public void One(int i, int ox, int ot, int oc, int o3) => costs[oc] = Cost(x[ox], targets[ot]);

        public void Four(in GpuLoop loop, int i, int ox, int ot, int oc, int o3)
        {
            Float4 a = Float4.Load(x, ox, loop.Step0), t = Float4.Load(targets, ot, loop.Step1);
            new Float4(Cost(a.X, t.X), Cost(a.Y, t.Y), Cost(a.Z, t.Z), Cost(a.W, t.W)).Store(costs, oc);
        }

        float Cost(float x, float t) => function.Cost<GpuFloat>(x, t);
    }

    /// <summary>dL/dy is read where it is, on the device.</summary>
    readonly struct GpuBackward<TSide>(F function, ArrayView<float> x, ArrayView<float> targets, ArrayView<float> gradient, ArrayView<float> dy, float share) : IGpuElements
        where TSide : struct, ISide
    {
        public void One(int i, int ox, int ot, int og, int o3) => gradient[og] = GpuMath.Fma(dy[0] * share, Slope(x[ox], targets[ot]), gradient[og]);

        public void Four(in GpuLoop loop, int i, int ox, int ot, int og, int o3)
        {
            Float4 a = Float4.Load(x, ox, loop.Step0), t = Float4.Load(targets, ot, loop.Step1);
            Float4 slope = new(Slope(a.X, t.X), Slope(a.Y, t.Y), Slope(a.Z, t.Z), Slope(a.W, t.W));
            float scale = dy[0] * share;
            Float4.Fma(new(scale, scale, scale, scale), slope, Float4.Load(gradient, og)).Store(gradient, og);
        }

        float Slope(float x, float t) => TSide.Slope<GpuFloat>(function, x, t);
    }
}
