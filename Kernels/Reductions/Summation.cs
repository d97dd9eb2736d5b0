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
    const int Run = 64;

    /// <summary>A sum over everything is cut into parts of this many elements, whatever the number of threads, so that its bits are always the same.</summary>
    const int Part = 32 * 1024;

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
        Shape Pick(Shape from, Span<int> dimensions)
        {
            Span<int> picked = stackalloc int[Shape.MaxRank];
            for (int i = 0; i < dimensions.Length; i++) picked[i] = from[dimensions[i]];
            return new(picked[..dimensions.Length]);
        }
        StridedLoop terms = new(Pick(source.Shape, summed[..summedRank]), Pick(source.Strides, summed[..summedRank]));
        StridedLoop results = new(Pick(source.Shape, kept[..keptRank]), Pick(source.Strides, kept[..keptRank]), Pick(strides, kept[..keptRank]));

        if (GpuBackend.Current is { } gpu)
        {
            if (summedRank == 0) gpu.LaunchEach(new(results, source, target), new GpuSingle<F>(gpu.View(source), gpu.View(target), (float)factor));
            else Launch<F>(gpu, source, target, terms, results, factor);
        }
        else if (summedRank == 0)
            Cpu.For(source.DType, results.Count, Cpu.Grain, new Each<F>(source, target, results, factor));
        else if (results.Count == 1 && terms.Count > Part)
        {
            int parts = (terms.Count + Part - 1) / Part;
            Tensor partial = Tensor.Zeros([parts], source.DType);
            Cpu.For(source.DType, parts, 1, new Parts<F>(source, terms, partial));
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

    /// <summary>One sum after the other, each along its terms.</summary>
    readonly struct Rows<F>(Tensor source, Tensor target, StridedLoop terms, StridedLoop results, double factor) : ICpuKernel where F : struct, ITerm
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int i = start; i < end; i++)
            {
                results.Locate(i, out long from, out long to, out _, out _);
                target.Pointer<T>()[to] += T.CreateTruncating(factor) * Terms<F, V, T>(source.Pointer<T>() + from, terms, 0, terms.Count);
            }
        }
    }

    /// <summary>Neighbouring sums side by side in the lanes of one vector: for terms that lie a row apart.</summary>
    readonly struct Columns<F>(Tensor source, Tensor target, StridedLoop terms, StridedLoop results, double factor) : ICpuKernel where F : struct, ITerm
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int stride = results.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(Math.Min(results.Locate(start, out long from, out long to, out _, out _), end - start), V.Count);
                T* p = source.Pointer<T>() + from, sum = target.Pointer<T>() + to;
                V total = terms.Count <= Summation.Run ? OneRun<V, T>(p, 0, terms.Count, length) : ManyRuns<V, T>(p, length);
                Lanes.Store(sum, stride, V.Fma(total, V.Constant(factor), Lanes.Load<V, T>(sum, stride, length)), length);
            }
        }

        V ManyRuns<V, T>(T* p, int length) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Counter<V> counter = default;
            for (int i = 0; i < terms.Count; i += Summation.Run) counter.Add(OneRun<V, T>(p, i, Math.Min(i + Summation.Run, terms.Count), length));
            return counter.Total;
        }

        V OneRun<V, T>(T* p, int from, int to, int length) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V run = V.Zero;
            int stride = terms.InnerStride(0);
            for (int i = from, n; i < to; i += n)
            {
                n = Math.Min(terms.Locate(i, out long o, out _, out _, out _), to - i);
                T* row = p + o;
                for (int j = 0; j < n; j++, row += stride) run += F.Of(Lanes.Load<V, T>(row, 1, length));
            }
            return run;
        }
    }

    /// <summary>The parts of one large sum.</summary>
    readonly struct Parts<F>(Tensor source, StridedLoop terms, Tensor partial) : ICpuKernel where F : struct, ITerm
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int i = start; i < end; i++)
                partial.Pointer<T>()[i] = Terms<F, V, T>(source.Pointer<T>(), terms, i * Part, Math.Min(Part, terms.Count - i * Part));
        }
    }

    /// <summary>The sum of <paramref name="count"/> terms from number <paramref name="first"/> on.</summary>
    static T Terms<F, V, T>(T* p, in StridedLoop terms, int first, int count)
        where F : struct, ITerm where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int stride = terms.InnerStride(0);
        if (terms.Inner == terms.Count && count <= Run * V.Count)            // one run: the counter would hold nothing else
        {
            V sum = V.Zero;
            for (int j = first; j < first + count; j += V.Count) sum += F.Of(Lanes.Load<V, T>(p + (long)j * stride, stride, first + count - j));
            return V.Sum(sum);
        }
        Counter<V> counter = default;
        for (int i = first, n; i < first + count; i += n)
        {
            n = Math.Min(terms.Locate(i, out long o, out _, out _, out _), first + count - i);
            for (int j = 0; j < n;)
            {
                V run = V.Zero;
                for (int limit = Math.Min(j + Run * V.Count, n); j < limit; j += V.Count)
                    run += F.Of(Lanes.Load<V, T>(p + o + (long)j * stride, stride, limit - j));
                counter.Add(run);
            }
        }
        return V.Sum(counter.Total);
    }

    /// <summary>Partial sums of 1, 2, 4, ... runs, as the digits of a binary counter: the sum of equals is added to equals.</summary>
    struct Counter<V> where V : struct, ISimd<V>
    {
        [InlineArray(32)]
        struct Levels
        {
            V first;
        }

        Levels levels;
        int runs;

        public void Add(V run)
        {
            int level = 0;
            for (int carry = runs++; (carry & 1) != 0; carry >>= 1) run = levels[level++] + run;
            levels[level] = run;
        }

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
