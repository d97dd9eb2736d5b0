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

    /// <summary>The most extreme elements of <paramref name="x"/> along <paramref name="dimension"/>.</summary>
    public static Tensor Apply(Tensor x, int dimension, bool keepDimension) => Apply(x, dimension, keepDimension, find: false, out _);

    /// <summary>As above, and where they stand.</summary>
    public static Tensor Apply(Tensor x, int dimension, bool keepDimension, out Tensor indices) => Apply(x, dimension, keepDimension, find: true, out indices);

    static Tensor Apply(Tensor x, int dimension, bool keepDimension, bool find, out Tensor indices)
    {
        Require.Float(F.Name, x);
        int d = x.Shape.Dimension(dimension, F.Name);
        new Reduced(F.Name, x.Shape, [d]).RequireTerms(1);
        Tensor y = Tensor.Empty(keepDimension ? x.Shape.With(d, 1) : x.Shape.Without(d), x.DType);
        Fibres fibres = Along(d, x.Shape, x.Strides, y);
        if (GpuBackend.Current is { } gpu)
        {
            indices = Tensor.Empty(y.Shape, DType.Int32);
            gpu.Launch(fibres, new GpuForward(gpu.View(x), gpu.View(y), gpu.View<int>(indices)));
        }
        else
        {
            Cpu.For(x.DType, fibres.Count, fibres.Grain(), new Forward(fibres, x, y));
            indices = find ? Find(x, y, d) : default;
        }
        if (Record(y, x) is { } operation) (operation.dimension, operation.indices) = (d, indices.IsAlive ? indices : Find(x, y, d));
        return y;
    }

    /// <summary>The fibres of a tensor of x's shape, with what y has for each, whether or not it has kept the dimension.</summary>
    static Fibres Along(int dimension, Shape shape, Shape strides, Tensor y) =>
        new(shape, dimension, strides, y.Rank == shape.Rank ? y.Strides.With(dimension, 0) : Fibres.OneEach(y, dimension));

    /// <summary>The largest keys. They may be compared in any order, so four vectors are at work side by side.</summary>
    readonly struct Forward(Fibres fibres, Tensor x, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length, along = fibres.Along(0), apart = fibres.Others.InnerStride(0), apartY = fibres.Others.InnerStride(1);
            T least = V.MaxLane(F.Key(V.Create(T.NegativeInfinity)));              // as far from extreme as can be
            for (int taken; start < end; start += taken)
            {
                taken = Math.Min(fibres.Others.Locate(start, out long ox, out long oy, out _, out _), end - start);
                T* px = x.Pointer<T>() + ox, py = y.Pointer<T>() + oy;
                if (!fibres.Across)
                    for (int i = 0; i < taken; i++, px += apart, py += apartY) V.StorePartial(py, F.Key(V.Create(along == 1 ? OfRow<V, T>(px, n, least) : OfAny<V, T>(new(px, along, along, n, taken: 0), n, least))), 1);
                else if (taken >= 4 * V.Count)
                {
                    taken = 4 * V.Count;
                    OfFour<V, T>(px, along, n, py, apartY);
                }
                else
                {
                    taken = Math.Min(taken, V.Count);
                    V best = V.Create(T.NegativeInfinity);
                    for (int j = 0; j < n; j++) best = V.Max(best, F.Key(Lanes.Load<V, T>(px + (long)j * along, 1, taken)));
                    Lanes.Store(py, apartY, F.Key(best), taken);
                }
            }
        }

        static T OfRow<V, T>(T* x, int n, T least) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V best = V.Create(T.NegativeInfinity);
            int i = 0;
            if (n >= 4 * V.Count)
            {
                V a = best, b = best, c = best, d = best;
                for (; i <= n - 4 * V.Count; i += 4 * V.Count)
                {
                    a = V.Max(a, F.Key(V.Load(x + i)));
                    b = V.Max(b, F.Key(V.Load(x + i + V.Count)));
                    c = V.Max(c, F.Key(V.Load(x + i + 2 * V.Count)));
                    d = V.Max(d, F.Key(V.Load(x + i + 3 * V.Count)));
                }
                best = V.Max(V.Max(a, b), V.Max(c, d));
            }
            for (; i <= n - V.Count; i += V.Count) best = V.Max(best, F.Key(V.Load(x + i)));
            if (i < n) best = V.Max(best, F.Key(V.LoadPartial(x + i, n - i, least)));
            return V.MaxLane(best);
        }

        static void OfFour<V, T>(T* x, long along, int n, T* y, int apart) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V a = V.Create(T.NegativeInfinity), b = a, c = a, d = a;
            for (int j = 0; j < n; j++, x += along)
            {
                a = V.Max(a, F.Key(V.Load(x)));
                b = V.Max(b, F.Key(V.Load(x + V.Count)));
                c = V.Max(c, F.Key(V.Load(x + 2 * V.Count)));
                d = V.Max(d, F.Key(V.Load(x + 3 * V.Count)));
            }
            long next = (long)V.Count * apart;
            Lanes.Store(y, apart, F.Key(a), V.Count);
            Lanes.Store(y + next, apart, F.Key(b), V.Count);
            Lanes.Store(y + 2 * next, apart, F.Key(c), V.Count);
            Lanes.Store(y + 3 * next, apart, F.Key(d), V.Count);
        }

        static T OfAny<V, T>(Fibre<V, T> x, int n, T least) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V best = V.Create(T.NegativeInfinity);
            for (int j = 0; j < n; j += V.Count) best = V.Max(best, F.Key(x.Load(j, least)));
            return V.MaxLane(best);
        }
    }

    /// <summary>Where along <paramref name="dimension"/> of <paramref name="x"/> its most extreme elements <paramref name="y"/> stand.</summary>
    static Tensor Find(Tensor x, Tensor y, int dimension)
    {
        Tensor indices = Tensor.Empty(y.Shape, DType.Int32);
        Fibres fibres = Along(dimension, x.Shape, x.Strides, y);
        Cpu.For(x.DType, fibres.Count, fibres.Grain(), new FindKernel(fibres, x, y, indices));
        return indices;
    }

    /// <summary>The first element of each fibre that equals the most extreme, or is NaN.</summary>
    readonly struct FindKernel(Fibres fibres, Tensor x, Tensor y, Tensor indices) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length, along = fibres.Along(0), apart = fibres.Others.InnerStride(0), apartY = fibres.Others.InnerStride(1);
            for (int taken; start < end; start += taken)
            {
                taken = Math.Min(fibres.Others.Locate(start, out long ox, out long oy, out _, out _), end - start);
                T* px = x.Pointer<T>() + ox, py = y.Pointer<T>() + oy;
                int* found = indices.Pointer<int>() + oy;
                if (fibres.Across)
                {
                    taken = Math.Min(taken, V.Count);
                    Across<V, T>(px, along, n, Lanes.Load<V, T>(py, apartY, taken), taken, found, apartY);
                }
                else
                    for (int i = 0; i < taken; i++, px += apart) found[(long)i * apartY] = InRow<V, T>(px, along, n, py[(long)i * apartY]);
            }
        }

        /// <summary>1 where x is the best or NaN, 0 elsewhere.</summary>
        static V Hits<V>(V x, V best) where V : struct, ISimd<V> => V.IfEqual(x, best, V.One, V.IfEqual(x, x, V.Zero, V.One));

        static int InRow<V, T>(T* x, int along, int n, T best) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (along != 1)
            {
                for (int j = 0; j < n; j++)
                    if (x[(long)j * along] is var one && (one == best || T.IsNaN(one))) return j;
                throw NotFound();
            }
            V bests = V.Create(best);
            for (int j = 0; j < n; j += V.Count)
            {
                int first = V.FirstNonZero(Hits(n - j >= V.Count ? V.Load(x + j) : V.LoadPartial(x + j, n - j, T.Zero), bests));
                if (first < V.Count) return j + first;
            }
            throw NotFound();
        }

        static InvalidOperationException NotFound() => new($"{F.Name}: the input was changed while its most extreme elements were sought.");

        static void Across<V, T>(T* x, long along, int n, V best, int taken, int* found, long apart) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* hits = stackalloc T[V.Count];
            for (int i = 0; i < taken; i++) found[i * apart] = -1;
            for (int j = 0, missing = taken; missing > 0; j++)
            {
                if (j == n) throw NotFound();
                V hit = Hits(Lanes.Load<V, T>(x + j * along, 1, taken), best);
                int i = V.FirstNonZero(hit);
                if (i >= taken) continue;
                V.Store(hits, hit);
                for (; i < taken; i++)
                {
                    if (hits[i] == T.Zero || found[i * apart] >= 0) continue;
                    found[i * apart] = j;
                    missing--;
                }
            }
        }
    }

    /// <summary>dL/dx[index] += dL/dy.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), dy = OutputGradient(), dx = InputGradient(0), at = indices;
        Fibres fibres = Along(dimension, x.Shape, dx.Strides, dy);
        if (GpuBackend.Current is { } gpu) gpu.LaunchEach(fibres.Count, new GpuBackward(new(fibres), gpu.View<int>(at), gpu.View(dy), gpu.View(dx)));
        else Cpu.For(x.DType, fibres.Count, Cpu.Grain / 4, new BackwardKernel(fibres, at, dy, dx));
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
