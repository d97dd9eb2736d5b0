using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Which of two numbers is the more extreme: the larger, or the smaller.</summary>
public interface IExtreme
{
    /// <summary>The operation's name.</summary>
    static abstract string Name { get; }

    /// <summary>A number that is the larger the more extreme x is; its own inverse.</summary>
    static abstract V Key<V>(V x) where V : struct, ISimd<V>;
}

/// <summary>y = the most extreme x along a dimension, of equal ones the first. dL/dx = dL/dy there and 0 elsewhere. NaN is more extreme than any number.</summary>
public sealed unsafe class Extreme<F> : Operation<Extreme<F>> where F : struct, IExtreme
{
    int dimension;
    Tensor indices;

    /// <inheritdoc/>
    public override string Name => F.Name;

    /// <summary>The most extreme elements of <paramref name="x"/> along <paramref name="dimension"/>, and where they stand.</summary>
    public static Tensor Apply(Tensor x, int dimension, bool keepDimension, out Tensor indices)
    {
        Require.Float(F.Name, x);
        int d = x.Shape.Dimension(dimension, F.Name);
        new Reduced(F.Name, x.Shape, [d]).RequireTerms(1);
        Shape shape = keepDimension ? x.Shape.With(d, 1) : x.Shape.Without(d);
        Tensor y = Tensor.Empty(shape, x.DType);
        indices = Tensor.Empty(shape, DType.Int32);
        Fibres fibres = new(x.Shape, d, x.Strides, OneEach(y, d, keepDimension));
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuForward(gpu.View(x), gpu.View(y), gpu.View<int>(indices)));
        else Cpu.For(x.DType, fibres.Count, fibres.Grain(2), new Forward(fibres, x, y, indices));
        if (Record(y, x) is { } operation) (operation.dimension, operation.indices) = (d, indices);
        return y;
    }

    static Shape OneEach(Tensor y, int dimension, bool kept) => kept ? y.Strides.With(dimension, 0) : Fibres.OneEach(y, dimension);

    readonly struct Forward(Fibres fibres, Tensor x, Tensor y, Tensor indices) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length, step = fibres.Step<V>();
            T* lanes = stackalloc T[V.Count];
            V.Store(lanes, F.Key(V.Create(T.NegativeInfinity)));
            T least = lanes[0];
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long ox, out long oy, out _, out _);
                Fibre<V, T> xs = fibres.At<V, T>(0, x.Pointer<T>() + ox, taken);
                V best = V.Create(T.NegativeInfinity);
                for (int j = 0; j < n; j += step) best = V.Max(best, F.Key(xs.Load(j, least)));
                best = F.Key(fibres.Max<V, T>(best));
                fibres.At<V, T>(1, y.Pointer<T>() + oy, taken).StoreOne(best);

                // The first element that equals the best, or is NaN, in each fibre: a second look, which stops as soon as all are found.
                int* found = indices.Pointer<int>() + oy;
                for (int i = 0; i < taken; i++) found[i] = -1;
                for (int j = 0, missing = taken; missing > 0; j += step)
                {
                    V v = xs.Load(j, least), hit = V.IfEqual(v, best, V.One, V.IfEqual(v, v, V.Zero, V.One));
                    if (V.Sum(hit) == T.Zero) continue;
                    V.Store(lanes, hit);
                    for (int i = 0; i < (fibres.Across ? taken : V.Count) && missing > 0; i++)
                    {
                        int fibre = fibres.Across ? i : 0;
                        if (lanes[i] == T.Zero || found[fibre] >= 0) continue;
                        found[fibre] = fibres.Across ? j : j + i;
                        missing--;
                    }
                }
            }
        }
    }

    /// <summary>dL/dx[index] += dL/dy.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), dy = OutputGradient(), dx = InputGradient(0);
        Fibres fibres = new(x.Shape, dimension, dx.Strides, OneEach(dy, dimension, dy.Rank == x.Rank));
        if (GpuBackend.Current is { } gpu) gpu.LaunchEach(fibres.Count, new GpuBackward(new(fibres), gpu.View<int>(indices), gpu.View(dy), gpu.View(dx)));
        else Cpu.For(x.DType, fibres.Count, Cpu.Grain / 4, new BackwardKernel(fibres, indices, dy, dx));
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor indices, Tensor dy, Tensor dx) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int* at = indices.Pointer<int>();
            T* from = dy.Pointer<T>(), to = dx.Pointer<T>();
            for (int i = start; i < end; i++)
            {
                fibres.Locate(i, out long ox, out long oy, out _);
                to[ox + (long)at[oy] * fibres.Along(0)] += from[oy];
            }
        }
    }

    /// <summary>A candidate: the number, by its key, and where it stands.</summary>
    readonly struct Best(float key, int index) : IReduction<Best>
    {
        public readonly float Key = key;
        public readonly int Index = index;

        public static Best Neutral => new(float.NegativeInfinity, int.MaxValue);

        /// <summary>The larger key, NaN above all; of equal ones the first.</summary>
        public static Best Join(Best a, Best b)
        {
            if (a.Key > b.Key) return a;
            if (a.Key < b.Key) return b;
            int nanA = float.IsNaN(a.Key) ? 1 : 0, nanB = float.IsNaN(b.Key) ? 1 : 0;
            return nanA > nanB || (nanA == nanB && a.Index < b.Index) ? a : b;
        }
    }

    readonly struct GpuForward(ArrayView<float> x, ArrayView<float> y, ArrayView<int> indices) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            Best best = Best.Neutral;
            for (int j = T.Member; j < f.Length; j += T.Size) best = Best.Join(best, new(F.Key<GpuFloat>(x[f.At0(j)]), j));
            best = T.Reduce<Best, Best>(best);
            if (!f.LedBy<T>()) return;
            y[f.At1(0)] = F.Key<GpuFloat>(best.Key);
            indices[f.At1(0)] = best.Index;
        }
    }

    readonly struct GpuBackward(GpuFibres fibres, ArrayView<int> indices, ArrayView<float> dy, ArrayView<float> dx) : IGpuKernel
    {
        public void Run()
        {
            GpuFibre f = fibres[LoneThread.Number];
            if (f.Length > 0) dx[f.At0(indices[f.At1(0)])] += dy[f.At1(0)];
        }
    }
}
