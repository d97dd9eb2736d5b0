using System.Diagnostics;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;
using NeuralMemory.Emulation;

namespace NeuralMemory.Tests.Kernels.Emulation;

/// <summary>Kernels of every kind that may be written, whose results are known.</summary>
[NonParallelizable]
public sealed class RewriterTests
{
    EmulatorTesting gpu = null!;

    [SetUp]
    public void SetUp() => gpu = new();

    [TearDown]
    public void TearDown() => gpu.Dispose();

    // ---- Without barriers ----

    readonly struct Axpy(ArrayView<float> x, ArrayView<float> y, float a) : IKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i < y.Length)
                y[i] += a * x[i];
        }
    }

    [Test]
    public void Kernel_without_barriers([Values(1, 63, 64, 1000)] int n)
    {
        (ArrayView<float> x, ArrayView<float> y) = (gpu.Floats(n), gpu.Buffer(new float[n]));
        gpu.Launch((n + 63) / 64, 64, new Axpy(x, y, 2));
        Assert.That(gpu.Read(y), Is.EqualTo(EmulatorTesting.Numbers(n).Select(v => 2 * v)));
    }

    readonly struct Places(ArrayView<int> y) : IKernel
    {
        public void Run()
        {
            int group = (Grid.IdxZ * Grid.DimY + Grid.IdxY) * Grid.DimX + Grid.IdxX;
            int thread = (Group.IdxZ * Group.DimY + Group.IdxY) * Group.DimX + Group.IdxX;
            y[group * Group.DimX * Group.DimY * Group.DimZ + thread] = 1000 * group + thread;
        }
    }

    [Test]
    public void Three_dimensions()
    {
        ArrayView<int> y = gpu.Buffer(new int[24 * 60]);
        gpu.Load<Places>()(gpu.Stream, new(2, 3, 4, 3, 4, 5), new(y));
        Assert.That(gpu.Read(y), Is.EqualTo(Enumerable.Range(0, 24 * 60).Select(i => 1000 * (i / 60) + i % 60)));
    }

    // ---- Barriers ----

    // A tree: one barrier a level, in a loop.
    readonly struct SumTree(ArrayView<float> x, ArrayView<float> y) : IKernel
    {
        public void Run()
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(256);
            int t = Group.IdxX;
            shared[t] = x[Grid.IdxX * Group.DimX + t];
            Group.Barrier();
            for (int half = Group.DimX / 2; half > 0; half /= 2)
            {
                if (t < half)
                    shared[t] += shared[t + half];
                Group.Barrier();
            }
            if (t == 0)
                y[Grid.IdxX] = shared[0];
        }
    }

    [Test]
    public void Barrier_in_a_loop([Values(1, 2, 64, 256)] int threads)
    {
        (ArrayView<float> x, ArrayView<float> y) = (gpu.Floats(5 * threads), gpu.Buffer(new float[5]));
        gpu.Launch(5, threads, new SumTree(x, y));
        Assert.That(gpu.Read(y), Is.EqualTo(EmulatorTesting.Numbers(5 * threads).Chunk(threads).Select(c => c.Sum())));
    }

    interface IFold
    {
        static abstract float Start { get; }
        static abstract float Fold(float a, float b);
    }

    readonly struct Sum : IFold
    {
        public static float Start => 0;
        public static float Fold(float a, float b) => a + b;
    }

    readonly struct Max : IFold
    {
        public static float Start => float.NegativeInfinity;
        public static float Fold(float a, float b) => XMath.Max(a, b);
    }

    interface IBlock
    {
        static abstract float Reduce<F>(float value) where F : struct, IFold;
        float Twice<F>(float value) where F : struct, IFold;
    }

    // Barriers and allocation in a generic method behind a static abstract one, called from an instance method behind an interface.
    readonly struct SharedBlock(int factor) : IBlock
    {
        public static float Reduce<F>(float value) where F : struct, IFold
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(128);
            shared[Group.IdxX] = value;
            Group.Barrier();
            float all = F.Start;
            for (int i = 0; i < Group.DimX; i++)
                all = F.Fold(all, shared[i]);
            Group.Barrier();
            return all;
        }

        public float Twice<F>(float value) where F : struct, IFold => factor * Reduce<F>(value) + Reduce<F>(factor * value);
    }

    readonly struct Nested<B, F>(ArrayView<float> x, ArrayView<float> y, B block) : IKernel where B : struct, IBlock where F : struct, IFold
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            // Values lie on the evaluation stack while the calls wait.
            y[i] = x[i] + B.Reduce<F>(x[i]) * 2 + block.Twice<F>(x[i]);
        }
    }

    [Test]
    public void Barriers_in_nested_generic_calls()
    {
        const int n = 96;
        float[] x = EmulatorTesting.Numbers(2 * n);
        (ArrayView<float> view, ArrayView<float> y) = (gpu.Buffer(x), gpu.Buffer(new float[2 * n]));
        gpu.Launch(2, n, new Nested<SharedBlock, Sum>(view, y, new(3)));
        Assert.That(gpu.Read(y), Is.EqualTo(x.Select((v, i) => v + 8 * x.Chunk(n).ElementAt(i / n).Sum())).Within(1e-4));
        gpu.Launch(2, n, new Nested<SharedBlock, Max>(view, y, new(3)));
        Assert.That(gpu.Read(y), Is.EqualTo(x.Select((v, i) => v + 8 * x.Chunk(n).ElementAt(i / n).Max())).Within(1e-4));
    }

    interface INumber<T> where T : struct, INumber<T>
    {
        static abstract T From(float value);
        static abstract T operator +(T a, T b);
        static virtual T Twice(T a) => a + a;
        float Value { get; }

        static virtual T SumOfNeighbours(T a) => a + T.From(Warp.ShuffleXor(a.Value, 1));
    }

    readonly struct Real(float value) : INumber<Real>
    {
        public float Value => value;
        public static Real From(float value) => new(value);
        public static Real operator +(Real a, Real b) => new(a.Value + b.Value);
    }

    readonly struct Formula<T>(ArrayView<float> x, ArrayView<float> y) : IKernel where T : struct, INumber<T>
    {
        public void Run()
        {
            T a = T.From(x[Group.IdxX]);
            Group.Barrier();
            y[Group.IdxX] = T.Twice(T.SumOfNeighbours(a)).Value;
        }
    }

    [Test]
    public void Formulas_with_default_members()
    {
        float[] x = EmulatorTesting.Numbers(64);
        ArrayView<float> y = gpu.Buffer(new float[64]);
        gpu.Launch(1, 64, new Formula<Real>(gpu.Buffer(x), y));
        Assert.That(gpu.Read(y), Is.EqualTo(x.Select((v, i) => 2 * (v + x[i ^ 1]))));
    }

    struct Accumulator
    {
        public float A, B;

        public void Add(float value)
        {
            A += value;
            B += value * value;
        }

        // Changes itself on both sides of a barrier.
        public void AddThroughShared(ArrayView<float> shared, float value)
        {
            A += 1;
            shared[Group.IdxX] = value;
            Group.Barrier();
            Add(shared[Group.DimX - 1 - Group.IdxX]);
            Group.Barrier();
        }
    }

    readonly struct References(ArrayView<float> x, ArrayView<float> y) : IKernel
    {
        public void Run()
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(64);
            Accumulator sums = new();
            int count = 0;
            for (int i = Group.IdxX; i < x.Length; i += Group.DimX)
            {
                sums.AddThroughShared(shared, x[i]);
                Count(ref count, x[i]);
            }
            ref float result = ref y[3 * Group.IdxX];
            result = sums.A;
            Group.Barrier();
            result += 100;
            y[3 * Group.IdxX + 1] = sums.B;
            y[3 * Group.IdxX + 2] = count;
        }

        static void Count(ref int count, float value)
        {
            Group.Barrier();
            if (value > 0)
                count++;
        }
    }

    [Test]
    public void References_live_across_barriers()
    {
        const int threads = 32, n = 4 * threads;
        float[] x = EmulatorTesting.Numbers(n);
        ArrayView<float> y = gpu.Buffer(new float[3 * threads]);
        gpu.Launch(1, threads, new References(gpu.Buffer(x), y));
        float[][] result = gpu.Read(y).Chunk(3).ToArray();
        for (int t = 0; t < threads; t++)
        {
            (IEnumerable<float> own, float[] other) = (x.Where((_, i) => i % threads == t), x.Where((_, i) => i % threads == threads - 1 - t).ToArray());
            Assert.That(result[t], Is.EqualTo(new[] { 104 + other.Sum(), other.Sum(v => v * v), own.Count(v => v > 0) }).Within(1e-3), $"thread {t}");
        }
    }

    // A struct that is not readonly: each thread has its own copy of it.
    struct Mutable(ArrayView<float> y, float start) : IKernel
    {
        float state = start;

        public void Run()
        {
            state += Group.IdxX;
            Group.Barrier();
            state *= 2;
            y[Group.IdxX] = state;
        }
    }

    [Test]
    public void A_kernel_that_changes_itself()
    {
        ArrayView<float> y = gpu.Buffer(new float[40]);
        gpu.Launch(1, 40, new Mutable(y, 5));
        Assert.That(gpu.Read(y), Is.EqualTo(Enumerable.Range(0, 40).Select(t => 2f * (5 + t))));
    }

    readonly struct EarlyReturn(ArrayView<float> y, int groups) : IKernel
    {
        public void Run()
        {
            if (Grid.IdxX >= groups)
                return;
            ref int shared = ref SharedMemory.Allocate<int>();
            if (Group.IsFirstThread)
                shared = 7;
            Group.Barrier();
            y[Grid.IdxX * Group.DimX + Group.IdxX] = shared;
        }
    }

    // ---- Warps ----

    readonly struct WarpSums(ArrayView<float> x, ArrayView<float> y) : IKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            float sum = x[i];
            for (int mask = 16; mask > 0; mask /= 2)
                sum += Warp.ShuffleXor(sum, mask);
            // Two shuffles in an expression, one inside the argument of another.
            y[i] = 10 * sum + Warp.ShuffleDown(Warp.Shuffle(x[i], 3) + Warp.LaneIdx, 4) - Warp.ShuffleUp(x[i], 1);
        }
    }

    [Test]
    public void Shuffles_in_expressions()
    {
        const int threads = 96;
        float[] x = EmulatorTesting.Numbers(2 * threads);
        ArrayView<float> y = gpu.Buffer(new float[2 * threads]);
        gpu.Launch(2, threads, new WarpSums(gpu.Buffer(x), y));
        IEnumerable<float> expected = x.Select((_, i) =>
        {
            (float[] warp, int lane) = (x.Chunk(32).ElementAt(i / 32), i % 32);
            return 10 * warp.Sum() + warp[3] + (lane + 4 < 32 ? lane + 4 : lane) - warp[lane == 0 ? 0 : lane - 1];
        });
        Assert.That(gpu.Read(y), Is.EqualTo(expected).Within(1e-3));
    }

    readonly struct Widths(ArrayView<int> y) : IKernel
    {
        public void Run()
        {
            int t = Group.IdxX;
            y[5 * t] = Warp.ShuffleDown(t, 3, 8);
            y[5 * t + 1] = Warp.ShuffleUp(t, 3, 8);
            y[5 * t + 2] = Warp.ShuffleXor(t, 5, 8);
            y[5 * t + 3] = Warp.Shuffle(t, 2, 8);
            y[5 * t + 4] = (int)Warp.Broadcast((double)t, 31);
        }
    }

    [Test]
    public void Shuffles_in_parts_of_a_warp()
    {
        ArrayView<int> y = gpu.Buffer(new int[5 * 64]);
        gpu.Launch(1, 64, new Widths(y));
        IEnumerable<int> expected = Enumerable.Range(0, 64).SelectMany(t => new[]
        {
            t % 8 < 5 ? t + 3 : t, t % 8 >= 3 ? t - 3 : t, t ^ 5, t / 8 * 8 + 2, t / 32 * 32 + 31,
        });
        Assert.That(gpu.Read(y), Is.EqualTo(expected));
    }

    readonly struct GroupWide(ArrayView<int> y) : IKernel
    {
        public void Run()
        {
            int t = Group.IdxX;
            int odd = Group.BarrierPopCount(t % 2 == 1);
            bool all = Group.BarrierAnd(t < Group.DimX);
            bool any = Group.BarrierOr(t < 0);
            y[t] = 100 * odd + (all ? 10 : 0) + (any ? 1 : 0) + 10000 * Group.Broadcast(t, 5);
        }
    }

    [Test]
    public void Votes_and_broadcast_of_a_group()
    {
        ArrayView<int> y = gpu.Buffer(new int[50]);
        gpu.Launch(1, 50, new GroupWide(y));
        Assert.That(gpu.Read(y), Is.EqualTo(Enumerable.Repeat(52510, 50)));
    }

    [Test]
    public void A_whole_group_returns_before_the_barrier()
    {
        ArrayView<float> y = gpu.Buffer(new float[4 * 8]);
        gpu.Launch(4, 8, new EarlyReturn(y, 3));
        Assert.That(gpu.Read(y), Is.EqualTo(Enumerable.Range(0, 32).Select(i => i < 24 ? 7f : 0)));
    }

    // ---- Memory ----

    // A tile of a matrix product: vectors from shared memory, a block of results in local memory.
    readonly struct Product(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, int n) : IKernel
    {
        const int Tile = 8;

        public void Run()
        {
            ArrayView<float> tile = SharedMemory.Allocate<float>(Tile * 4 * Tile);
            ArrayView<float> sums = LocalMemory.Allocate<float>(4);
            for (int j = 0; j < 4; j++)
                sums[j] = 0;
            (int row, int column) = (Group.IdxX / Tile, Group.IdxX % Tile);
            for (int k = 0; k < n; k += Tile)
            {
                tile.Cast<Float4>()[row * Tile + column] = b.Cast<Float4>()[(k + row) * (n / 4) + column];
                Group.Barrier();
                for (int i = 0; i < Tile; i++)
                {
                    (float scale, Float4 v) = (a[row * n + k + i], tile.SubView(i * 4 * Tile).AsAligned(16).Cast<Float4>()[column]);
                    sums[0] += scale * v.X;
                    sums[1] += scale * v.Y;
                    sums[2] += scale * v.Z;
                    sums[3] += scale * v.W;
                }
                Group.Barrier();
            }
            c.Cast<Float4>()[row * (n / 4) + column] = new(sums[0], sums[1], sums[2], sums[3]);
        }
    }

    [Test]
    public void Vectors_local_and_shared_memory()
    {
        const int n = 32;
        (float[] a, float[] b) = (EmulatorTesting.Numbers(8 * n), EmulatorTesting.Numbers(n * n));
        ArrayView<float> c = gpu.Buffer(new float[8 * n]);
        gpu.Launch(1, 64, new Product(gpu.Buffer(a), gpu.Buffer(b), c, n));
        IEnumerable<float> expected = Enumerable.Range(0, 8 * n).Select(i => Enumerable.Range(0, n).Sum(k => a[i / n * n + k] * b[k * n + i % n]));
        Assert.That(gpu.Read(c), Is.EqualTo(expected).Within(1e-3));
    }

    readonly struct Reverse(ArrayView<float> x) : IKernel
    {
        public void Run()
        {
            ArrayView<float> shared = SharedMemory.GetDynamic<float>();
            shared[Group.IdxX] = x[Group.IdxX];
            Group.Barrier();
            x[Group.IdxX] = shared[shared.IntLength - 1 - Group.IdxX];
        }
    }

    [Test]
    public void Dynamic_shared_memory()
    {
        ArrayView<float> x = gpu.Floats(100);
        gpu.Launch(1, 100, new Reverse(x), dynamicFloats: 100);
        Assert.That(gpu.Read(x), Is.EqualTo(EmulatorTesting.Numbers(100).Reverse()));
    }

    readonly struct Histogram(ArrayView<int> x, ArrayView<int> y) : IKernel
    {
        public void Run()
        {
            ArrayView<int> counts = SharedMemory.Allocate<int>(10);
            if (Group.IdxX < 10)
                counts[Group.IdxX] = 0;
            Group.Barrier();
            Atomic.Add(ref counts[x[Grid.IdxX * Group.DimX + Group.IdxX]], 1);
            Group.Barrier();
            if (Group.IdxX < 10)
                Atomic.Add(ref y[Group.IdxX], counts[Group.IdxX]);
        }
    }

    [Test]
    public void Atomics()
    {
        int[] x = [.. Enumerable.Range(0, 640).Select(i => i * i % 10)];
        ArrayView<int> y = gpu.Buffer(new int[10]);
        gpu.Launch(10, 64, new Histogram(gpu.Buffer(x), y));
        Assert.That(gpu.Read(y), Is.EqualTo(Enumerable.Range(0, 10).Select(d => x.Count(v => v == d))));
    }

    readonly struct Choices(ArrayView<float> x, ArrayView<float> y, int kind) : IKernel
    {
        public void Run()
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(64);
            int t = Group.IdxX;
            float value = x[t];
            switch (kind)
            {
                case 0: value = -value; Exchange(shared, ref value); break;
                case 1: Exchange(shared, ref value); value += 1; break;
                case 2: value *= 3; break;
                default: while (kind > 100) Group.Barrier(); break;
            }
            y[t] = kind == 0 && value > 0 || kind > 0 && !(value > 0) ? value : value + Warp.ShuffleXor(kind > 0 ? value : 0, 1);
        }

        static void Exchange(ArrayView<float> shared, ref float value)
        {
            shared[Group.IdxX] = value;
            Group.Barrier();
            value = shared[Group.IdxX ^ 1];
            Group.Barrier();
        }
    }

    [Test]
    public void Branches_around_barriers([Values(1, 2)] int kind)
    {
        float[] x = [.. Enumerable.Range(1, 64)];
        ArrayView<float> y = gpu.Buffer(new float[64]);
        gpu.Launch(1, 64, new Choices(gpu.Buffer(x), y, kind));
        float[] values = x.Select((v, i) => kind == 1 ? x[i ^ 1] + 1 : 3 * v).ToArray();
        Assert.That(gpu.Read(y), Is.EqualTo(values.Select((v, i) => v + values[i ^ 1])));
    }

    // ---- Speed and memory ----

    readonly struct Barriers(ArrayView<float> y, int count) : IKernel
    {
        public void Run()
        {
            float sum = y[Group.IdxX];
            for (int i = 0; i < count; i++)
            {
                sum += i;
                Group.Barrier();
            }
            y[Group.IdxX] = sum;
        }
    }

    [Test]
    public void A_barrier_costs_microseconds()
    {
        const int barriers = 1000;
        using EmulatorTesting plain = new(check: false);
        ArrayView<float> y = plain.Buffer(new float[256]);
        Action<AcceleratorStream, KernelConfig, Barriers> launch = plain.Load<Barriers>();
        launch(plain.Stream, new(1, 256), new(y, barriers));
        Stopwatch watch = Stopwatch.StartNew();
        launch(plain.Stream, new(1, 256), new(y, barriers));
        double microseconds = watch.Elapsed.TotalMicroseconds / barriers;
        TestContext.Out.WriteLine($"{microseconds:f2} microseconds a barrier of 256 threads");
        Assert.That(microseconds, Is.LessThan(2000));
        Assert.That(plain.Read(y), Is.EqualTo(Enumerable.Repeat(2f * barriers * (barriers - 1) / 2, 256)));
    }

    [Test]
    public void A_launch_allocates_nothing()
    {
        using EmulatorTesting plain = new(check: false);
        (ArrayView<float> x, ArrayView<float> y) = (plain.Floats(512), plain.Buffer(new float[512]));
        Action<AcceleratorStream, KernelConfig, SumTree> sum = plain.Load<SumTree>();
        Action<AcceleratorStream, KernelConfig, Axpy> axpy = plain.Load<Axpy>();
        void Step()
        {
            sum(plain.Stream, new(2, 256), new(x, y));
            axpy(plain.Stream, new(2, 256), new(x, y, 2));
        }
        Step();
        Assert.That(Allocated.Least(Step, times: 10), Is.Zero);
    }
}
