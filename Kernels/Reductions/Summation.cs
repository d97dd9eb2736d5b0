using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Sums over any dimensions, pairwise: runs of 64 are added one after the other, and their sums like a binary counter, so that the error grows with the logarithm
/// of the number of terms and no value waits in memory.
/// </summary>
static unsafe partial class Summation
{
    /// <summary>Terms that are added one after the other before they enter the counter.</summary>
    public const int Run = 64;

    /// <summary>A sum over everything is cut into parts of this many elements, whatever the number of threads, so that its bits are always the same.</summary>
    public const int Part = 32 * 1024;

    /// <summary>
    /// The size in bytes from which on terms are taken to come from memory. It delivers neighbouring lines faster than those of four runs in turns, and one run is added as fast as it does.
    /// </summary>
    const long FarBytes = 8 << 20;

    static bool AreFar<T>(Tensor source) where T : unmanaged => (long)source.Count * sizeof(T) >= FarBytes;

    /// <summary>How many parts a sum over everything, of <paramref name="count"/> elements, is cut into.</summary>
    public static int PartCount(int count) => (int)(((long)count + Part - 1) / Part);

    /// <summary>
    /// <paramref name="target"/> += <paramref name="factor"/> times <paramref name="source"/> summed over the dimensions in which the target, aligned at
    /// the last dimension, has size 1 or none.
    /// </summary>
    public static void AddInto(Tensor source, Tensor target, double factor = 1) => AddInto<Plain>(source, target, factor);

    /// <summary>As <see cref="AddInto(Tensor, Tensor, double)"/>, each term a function of an element.</summary>
    public static void AddInto<F>(Tensor source, Tensor target, double factor = 1) where F : struct, ITerm
    {
        if (source.Count == 0) return;
        Shape strides = StridedLoop.Expand(target, source.Shape);
        Span<int> kept = stackalloc int[Shape.MaxRank], summed = stackalloc int[Shape.MaxRank];
        int keptRank = 0, summedRank = 0, summedCount = 1;
        for (int d = 0; d < source.Rank; d++)
        {
            if (source.Shape[d] == 1) continue;
            int aligned = d - (source.Rank - target.Rank);
            if (aligned >= 0 && target.Shape[aligned] != 1) kept[keptRank++] = d;
            else
            {
                summed[summedRank++] = d;
                summedCount *= source.Shape[d];
            }
        }
        kept = kept[..keptRank];
        summed = summed[..summedRank];
        StridedLoop terms = new(source.Shape.Pick(summed), source.Strides.Pick(summed)), results = new(source.Shape.Pick(kept), source.Strides.Pick(kept), strides.Pick(kept));

        if (GpuBackend.Current is { } gpu)
        {
            if (summedRank == 0) gpu.LaunchEach(new(results, source, target), new GpuSingle<F>(gpu.View(source), gpu.View(target), (float)factor));
            else Launch<F>(gpu, source, target, terms, results, factor);
        }
        else if (summedRank == 0)
            Cpu.For(source.DType, results.Count, Cpu.Grain, new Each<F>(source, target, results, factor));
        else if (results.Count == 1 && terms.Count > Part)
        {
            Tensor partial = Tensor.Empty([PartCount(terms.Count)], source.DType);
            Cpu.For(source.DType, partial.Count, 1, new Parts<F>(source, terms, partial));
            AddInto(partial, target, factor);
        }
        else if (results.Count > 1 && results.InnerStride(0) == 1 && !(terms.InnerStride(0) == 1 && terms.Count > 1))
            Cpu.For(source.DType, results.Count, Math.Max(64, Cpu.Rows(summedCount)), new Columns<F>(source, target, terms, results, factor));
        else
            Cpu.For(source.DType, results.Count, Cpu.Rows(summedCount), new Rows<F>(source, target, terms, results, factor));
    }

    /// <summary>What is summed: a function of an element that is 0 at 0.</summary>
    public interface ITerm
    {
        /// <summary>The term that <paramref name="x"/> makes.</summary>
        static abstract V Of<V>(V x) where V : struct, ISimd<V>;
    }

    /// <summary>x.</summary>
    readonly struct Plain : ITerm
    {
        public static V Of<V>(V x) where V : struct, ISimd<V> => x;
    }

    /// <summary>x^2.</summary>
    public readonly struct Square : ITerm
    {
        /// <inheritdoc/>
        public static V Of<V>(V x) where V : struct, ISimd<V> => x * x;
    }

    /// <summary>Sums of one term each.</summary>
    readonly struct Each<F>(Tensor source, Tensor target, StridedLoop results, double factor) : ICpuKernel where F : struct, ITerm
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int stride = results.InnerStride(0), targetStride = results.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(results.Locate(start, out long from, out long to, out _, out _), end - start);
                T* p = source.Pointer<T>() + from, sum = target.Pointer<T>() + to;
                for (int i = 0; i < length; i += V.Count, p += (long)V.Count * stride, sum += (long)V.Count * targetStride)
                {
                    V term = F.Of(Lanes.Load<V, T>(p, stride, length - i));
                    Lanes.Store(sum, targetStride, V.Fma(term, V.Constant(factor), Lanes.Load<V, T>(sum, targetStride, length - i)), length - i);
                }
            }
        }
    }

    /// <summary>One sum after the other, each along its terms; four side by side where each is one run.</summary>
    readonly struct Rows<F>(Tensor source, Tensor target, StridedLoop terms, StridedLoop results, double factor) : ICpuKernel where F : struct, ITerm
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T scale = T.CreateTruncating(factor);
            int count = terms.Count;
            long apart = results.InnerStride(0), targetApart = results.InnerStride(1);
            bool areFar = AreFar<T>(source), areRuns = terms.Inner == count && terms.InnerStride(0) == 1 && count <= Summation.Run * V.Count;      // the counter would hold nothing else
            for (int length; start < end; start += length)
            {
                length = Math.Min(results.Locate(start, out long from, out long to, out _, out _), end - start);
                T* p = source.Pointer<T>() + from, sum = target.Pointer<T>() + to;
                int i = 0;
                if (areRuns && !areFar)
                    for (; i <= length - 4; i += 4, p += 4 * apart, sum += 4 * targetApart)
                    {
                        V a = V.Zero, b = V.Zero, c = V.Zero, d = V.Zero;
                        AddFour<F, V, T>(p, apart, V.Count, count / V.Count, ref a, ref b, ref c, ref d);
                        int whole = count / V.Count * V.Count;
                        if (whole < count) AddFour<F, V, T>(p + whole, apart, count - whole, ref a, ref b, ref c, ref d);
                        sum[0] += scale * V.Sum(a);
                        sum[targetApart] += scale * V.Sum(b);
                        sum[2 * targetApart] += scale * V.Sum(c);
                        sum[3 * targetApart] += scale * V.Sum(d);
                    }
                for (; i < length; i++, p += apart, sum += targetApart)
                    *sum += scale * (areRuns ? V.Sum(OneRun<F, V, T>(p, count)) : Terms<F, V, T>(p, terms, 0, count, areFar));
            }
        }
    }

    /// <summary>Neighbouring sums side by side in the lanes of vectors, where there are enough of four: for terms that lie a row apart.</summary>
    readonly struct Columns<F>(Tensor source, Tensor target, StridedLoop terms, StridedLoop results, double factor) : ICpuKernel where F : struct, ITerm
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int stride = results.InnerStride(1);
            V scale = V.Constant(factor);
            T* sums = stackalloc T[4 * V.Count];
            for (int length; start < end; start += length)
            {
                length = Math.Min(results.Locate(start, out long from, out long to, out _, out _), end - start);
                T* p = source.Pointer<T>() + from, sum = target.Pointer<T>() + to;
                int width = length >= 4 * V.Count ? 4 : 1;
                length = Math.Min(length, width * V.Count);
                if (width == 4) Four<V, T>(p, sums);
                else V.Store(sums, One<V, T>(p, length));
                for (int i = 0; i < length; i += V.Count, sum += V.Count * (long)stride)
                    Lanes.Store(sum, stride, V.Fma(V.Load(sums + i), scale, Lanes.Load<V, T>(sum, stride, length - i)), length - i);
            }
        }

        [SkipLocalsInit]
        void Four<V, T>(T* p, T* sums) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Counter<V>.Create(out var first);
            Counter<V>.Create(out var second);
            Counter<V>.Create(out var third);
            Counter<V>.Create(out var fourth);
            int stride = terms.InnerStride(0), count = terms.Count;
            for (int i = 0; i < count;)
            {
                V a = V.Zero, b = V.Zero, c = V.Zero, d = V.Zero;
                for (int limit = Math.Min(i + Summation.Run, count), n; i < limit; i += n)
                {
                    n = Math.Min(terms.Locate(i, out long o, out _, out _, out _), limit - i);
                    AddFour<F, V, T>(p + o, V.Count, stride, n, ref a, ref b, ref c, ref d);
                }
                first.Add(a);
                second.Add(b);
                third.Add(c);
                fourth.Add(d);
            }
            V.Store(sums, first.Total);
            V.Store(sums + V.Count, second.Total);
            V.Store(sums + 2 * V.Count, third.Total);
            V.Store(sums + 3 * V.Count, fourth.Total);
        }

        [SkipLocalsInit]
        V One<V, T>(T* p, int length) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Counter<V>.Create(out var counter);
            int stride = terms.InnerStride(0), count = terms.Count;
            for (int i = 0; i < count;)
            {
                V run = V.Zero;
                for (int limit = Math.Min(i + Summation.Run, count), n; i < limit; i += n)
                {
                    n = Math.Min(terms.Locate(i, out long o, out _, out _, out _), limit - i);
                    T* row = p + o;
                    V sum = run;
                    for (int j = 0; j < n; j++, row += stride) sum += F.Of(Lanes.Load<V, T>(row, 1, length));
                    run = sum;
                }
                counter.Add(run);
            }
            return counter.Total;
        }
    }

    /// <summary>The parts of one large sum.</summary>
    readonly struct Parts<F>(Tensor source, StridedLoop terms, Tensor partial) : ICpuKernel where F : struct, ITerm
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int i = start; i < end; i++)
                partial.Pointer<T>()[i] = Terms<F, V, T>(source.Pointer<T>(), terms, i * Part, Math.Min(Part, terms.Count - i * Part), AreFar<T>(source));
        }
    }

    /// <summary>The sum of <paramref name="count"/> terms from number <paramref name="first"/> on.</summary>
    [SkipLocalsInit]
    static T Terms<F, V, T>(T* p, in StridedLoop terms, int first, int count, bool areFar)
        where F : struct, ITerm where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Counter<V>.Create(out var counter);
        int stride = terms.InnerStride(0), run = Run * V.Count;
        for (int i = first, n; i < first + count; i += n)
        {
            n = Math.Min(terms.Locate(i, out long o, out _, out _, out _), first + count - i);
            T* row = p + o;
            int j = 0;
            if (stride == 1)
            {
                for (; !areFar && j <= n - 4 * run; j += 4 * run)
                {
                    V a = V.Zero, b = V.Zero, c = V.Zero, d = V.Zero;
                    AddFour<F, V, T>(row + j, run, V.Count, Run, ref a, ref b, ref c, ref d);
                    counter.Add(a);
                    counter.Add(b);
                    counter.Add(c);
                    counter.Add(d);
                }
                for (; j < n; j += run) counter.Add(OneRun<F, V, T>(row + j, Math.Min(run, n - j)));
            }
            else for (; j < n; j += run) counter.Add(OneRun<F, V, T>(row + (long)j * stride, stride, Math.Min(run, n - j)));
        }
        return V.Sum(counter.Total);
    }

    /// <summary>
    /// Adds <paramref name="count"/> vectors, <paramref name="step"/> elements from one to the next, to each of four runs, which begin <paramref name="apart"/> elements
    /// apart: an addition waits for the one before it, and the other three meanwhile do not.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void AddFour<F, V, T>(T* p, long apart, long step, int count, ref V a, ref V b, ref V c, ref V d)
        where F : struct, ITerm where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T* p1 = p + apart, p2 = p1 + apart, p3 = p2 + apart;
        V s0 = a, s1 = b, s2 = c, s3 = d;
        for (int i = 0; i < count; i++, p += step, p1 += step, p2 += step, p3 += step)
        {
            s0 += F.Of(V.Load(p));
            s1 += F.Of(V.Load(p1));
            s2 += F.Of(V.Load(p2));
            s3 += F.Of(V.Load(p3));
        }
        (a, b, c, d) = (s0, s1, s2, s3);
    }

    /// <summary>As above, for one vector of <paramref name="rest"/> elements at a row's end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void AddFour<F, V, T>(T* p, long apart, int rest, ref V a, ref V b, ref V c, ref V d)
        where F : struct, ITerm where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        a += F.Of(V.LoadPartial(p, rest, T.Zero));
        b += F.Of(V.LoadPartial(p + apart, rest, T.Zero));
        c += F.Of(V.LoadPartial(p + 2 * apart, rest, T.Zero));
        d += F.Of(V.LoadPartial(p + 3 * apart, rest, T.Zero));
    }

    /// <summary>The sum of the lanes of one run of neighbours.</summary>
    public static V OneRun<V, T>(T* p, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => OneRun<Plain, V, T>(p, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V OneRun<F, V, T>(T* p, int count) where F : struct, ITerm where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V sum = V.Zero;
        int j = 0;
        for (; j <= count - V.Count; j += V.Count) sum += F.Of(V.Load(p + j));
        if (j < count) sum += F.Of(V.LoadPartial(p + j, count - j, T.Zero));
        return sum;
    }

    static V OneRun<F, V, T>(T* p, int stride, int count) where F : struct, ITerm where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V sum = V.Zero;
        for (int j = 0; j < count; j += V.Count) sum += F.Of(Lanes.Load<V, T>(p + (long)j * stride, stride, count - j));
        return sum;
    }

    /// <summary>Partial sums of 1, 2, 4, ... runs, as the digits of a binary counter: the sum of equals is added to equals.</summary>
    public struct Counter<V> where V : struct, ISimd<V>
    {
        [InlineArray(32)]
        struct Levels
        {
            V first;
        }

        Levels levels;                                                      // of which only those that the digits of the number of runs name hold anything
        int runs;

        /// <summary>A counter of no runs. Its levels are left as they are: to clear all that there can be would take as long as many a sum.</summary>
        public static void Create(out Counter<V> counter)
        {
            Unsafe.SkipInit(out counter);
            counter.runs = 0;
        }

        /// <summary>Adds the sum of the next run.</summary>
        public void Add(V run)
        {
            int level = 0;
            for (int carry = runs++; (carry & 1) != 0; carry >>= 1) run = levels[level++] + run;
            levels[level] = run;
        }

        /// <summary>The sum of all runs.</summary>
        public readonly V Total
        {
            get
            {
                V total = V.Zero;
                for (int level = 0; runs >> level != 0; level++)
                    if ((runs >> level & 1) != 0) total = levels[level] + total;
                return total;
            }
        }
    }
}
