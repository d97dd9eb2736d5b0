using System.Runtime.CompilerServices;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

// On a GPU as on the CPU, the order of additions follows from the shapes alone: every thread adds a few terms one after the other, threads join pairwise, and what is longer
// than a group takes at once is cut into parts, whose sums are summed in the same way.
static unsafe partial class Summation
{
    /// <summary>Terms that a group adds up along a row: 16 a thread.</summary>
    const int RowPart = 4096;

    /// <summary>Rows that a group adds up, 8 threads a column: 32 a thread.</summary>
    const int ColumnPart = 256;

    static void Launch<F>(GpuBackend gpu, Tensor source, Tensor target, in StridedLoop terms, in StridedLoop results, double factor) where F : struct, ITerm
    {
        bool columns = results.Count > 1 && results.InnerStride(0) == 1 && !(terms.InnerStride(0) == 1 && terms.Count > 1);
        int part = columns ? ColumnPart : RowPart, parts = (terms.Count + part - 1) / part;
        if (parts == 1)
        {
            Launch<F>(gpu, source, target, terms, results, (float)factor, 1, columns);
            return;
        }
        // partial [parts, results] for columns, [results, parts] for rows: what is neighbours is written and read by neighbours.
        Tensor partial = Tensor.Empty([parts * results.Count]);
        (int alongParts, int alongResults) = columns ? (results.Count, 1) : (1, parts);
        Shape packed = results.Sizes;
        for (int d = packed.Rank - 1, stride = alongResults; d >= 0; stride *= results.Sizes[d], d--) packed = packed.With(d, stride);
        Launch<F>(gpu, source, partial, terms, new StridedLoop(results.Sizes, results.Strides(0), packed), 1, parts, columns, alongParts);
        Launch<Plain>(gpu, partial, target, new StridedLoop([parts], [alongParts]), new StridedLoop(results.Sizes, packed, results.Strides(1)), factor);
    }

    static void Launch<F>(GpuBackend gpu, Tensor source, Tensor target, in StridedLoop terms, in StridedLoop results, float factor, int parts, bool columns, int alongParts = 0)
        where F : struct, ITerm
    {
        if (columns)
        {
            gpu.Launch(parts * ((results.Count + 31) / 32), 256, new GpuColumns<F>(gpu.View(source), gpu.View(target), new(terms), new(results), factor, parts, alongParts));
            return;
        }
        int length = parts > 1 ? RowPart : terms.Count, team = length <= 8 ? 1 : length <= 512 ? 32 : 256, perGroup = 256 / team;
        GpuLoop along = new(terms, source);
        bool fours = along is { Width: 4, Rank: 1, Step0: 1 };
        for (int d = 0; d < results.Sizes.Rank; d++) fours &= results.Count == 1 || results.Strides(0)[d] % 4 == 0;
        gpu.Launch((results.Count * parts + perGroup - 1) / perGroup, 256,
            new GpuRows<F>(gpu.View(source), gpu.View(target), along, new(results), factor, parts, alongParts, team, fours ? 1 : 0));
    }

    /// <summary>Sums of one term each.</summary>
    readonly struct GpuSingle<F>(ArrayView<float> source, ArrayView<float> target, float factor) : IGpuElements where F : struct, ITerm
    {
        public void One(int i, int from, int to, int o2, int o3) => target[to] = GpuMath.Fma(Term<F>(source[from]), factor, target[to]);

        public void Four(in GpuLoop loop, int i, int from, int to, int o2, int o3)
        {
            Float4 x = Float4.Load(source, from, loop.Step0);
            Float4.Fma(new(Term<F>(x.X), Term<F>(x.Y), Term<F>(x.Z), Term<F>(x.W)), new(factor, factor, factor, factor), Float4.Load(target, to)).Store(target, to);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static float Term<F>(float x) where F : struct, ITerm => F.Of<GpuFloat>(x);

    /// <summary>Each sum, or part of one, by a team of 1, 32 or 256 threads, neighbours of which take neighbouring terms.</summary>
    readonly struct GpuRows<F>(ArrayView<float> source, ArrayView<float> target, GpuLoop terms, GpuLoop results, float factor, int parts, int alongParts, int team, int fours)
        : IGpuKernel where F : struct, ITerm
    {
        public void Run()
        {
            int mate = Group.IdxX / team, lane = Group.IdxX - mate * team, job = Grid.IdxX * (256 / team) + mate;
            int result = job / parts, part = job - result * parts;
            float sum = 0;
            int to = -1;
            if (result < results.Count)
            {
                results.Locate(result, out int from, out to, out _, out _);
                to += part * alongParts;
                int start = parts == 1 ? 0 : part * RowPart, end = parts == 1 ? terms.Count : Math.Min(start + RowPart, terms.Count);
                sum = fours != 0 ? Fours(from, start, end, lane) : Ones(from, start + lane, end);
            }
            if (team == 32) sum = WarpReduce.Sum(sum);
            if (team == 256) sum = GroupReduce.Sum(sum);
            if (lane == 0 && to >= 0) target[to] = parts > 1 ? sum : GpuMath.Fma(sum, factor, target[to]);
        }

        float Ones(int from, int first, int end)
        {
            float sum = 0;
            for (int i = first; i < end; i += team)
            {
                terms.Locate(i, out int o, out _, out _, out _);
                sum += Term<F>(source[from + o]);
            }
            return sum;
        }

        float Fours(int from, int start, int end, int lane)
        {
            int whole = (end - start) >> 2;
            float sum = 0;
            for (int i = lane; i < whole; i += team)
            {
                Float4 x = Float4.Load(source, from + start + 4 * i);
                sum += Term<F>(x.X) + Term<F>(x.Y) + (Term<F>(x.Z) + Term<F>(x.W));
            }
            int rest = start + 4 * whole + lane;
            return rest < end ? sum + Ones(from, rest, end) : sum;
        }
    }

    /// <summary>32 neighbouring sums, or parts of them, by a group: 8 threads each, whose terms lie a row apart.</summary>
    readonly struct GpuColumns<F>(ArrayView<float> source, ArrayView<float> target, GpuLoop terms, GpuLoop results, float factor, int parts, int alongParts) : IGpuKernel
        where F : struct, ITerm
    {
        public void Run()
        {
            ArrayView<float> sums = SharedMemory.Allocate<float>(256);
            int block = Grid.IdxX / parts, part = Grid.IdxX - block * parts, column = Group.IdxX & 31, row = Group.IdxX >> 5;
            int result = block * 32 + column, to = 0;
            float sum = 0;
            if (result < results.Count)
            {
                results.Locate(result, out int from, out to, out _, out _);
                to += part * alongParts;
                int end = Math.Min((part + 1) * ColumnPart, terms.Count);
                for (int i = part * ColumnPart + row; i < end; i += 8)
                {
                    terms.Locate(i, out int o, out _, out _, out _);
                    sum += Term<F>(source[from + o]);
                }
            }
            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (row != 0 || result >= results.Count) return;
            float low = sums[column] + sums[column + 32] + (sums[column + 64] + sums[column + 96]);
            float high = sums[column + 128] + sums[column + 160] + (sums[column + 192] + sums[column + 224]);
            target[to] = parts > 1 ? low + high : GpuMath.Fma(low + high, factor, target[to]);
        }
    }
}
