using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>What becomes of an element that is moved.</summary>
interface IMove
{
    /// <summary>Whether it is written as it is, integers too, and not scaled.</summary>
    static abstract bool Assigns { get; }

    /// <summary>Whether it is added to what is there.</summary>
    static abstract bool Adds { get; }
}

/// <summary>Moves elements of the machine's memory between tensors of one shape, each with strides of its own.</summary>
/// <remarks>
/// The order is the target's: its fastest dimension is the innermost, so that lines are written whole. Where the source's fastest is another, square blocks are turned in between
/// (<see cref="TileKernel{M}"/>); else rows are moved (<see cref="RowKernel{M}"/>). What falls on one element of the target, where that repeats elements, is added in the order of the indices.
/// </remarks>
static unsafe partial class Movement
{
    /// <summary>target = source, of every element type.</summary>
    public readonly struct Assign : IMove
    {
        public static bool Assigns => true;
        public static bool Adds => false;
    }

    /// <summary>target = 0 + scale * source.</summary>
    public readonly struct Write : IMove
    {
        public static bool Assigns => false;
        public static bool Adds => false;
    }

    /// <summary>target += scale * source.</summary>
    public readonly struct Accumulate : IMove
    {
        public static bool Assigns => false;
        public static bool Adds => true;
    }

    /// <summary>Moves all elements.</summary>
    public static void Run<M>(Tensor source, Tensor target, double scale = 1) where M : struct, IMove
    {
        if (target.Count == 0) return;
        Shape shape = target.Shape, from = source.Strides, to = target.Strides;
        if (AreRows(shape, from, to))
        {
            StridedLoop rows = new(shape, from, to);
            Cpu.ForHost(Bits(target), rows.Count, Cpu.Grain, new RowKernel<M>(source, target, rows, StridedLoop.One, scale));
            return;
        }
        Span<int> order = stackalloc int[Shape.MaxRank], repeated = stackalloc int[Shape.MaxRank];
        int kept = 0, repeats = 0;
        for (int d = 0; d < shape.Rank; d++)
        {
            if (shape[d] == 1) continue;
            if (to[d] == 0)
            {
                repeated[repeats++] = d;
                continue;
            }
            int i = kept++;
            for (; i > 0 && to[order[i - 1]] < to[d]; i--) order[i] = order[i - 1];
            order[i] = d;
        }
        StridedLoop loop = Select(order[..kept], shape, from, to), sums = repeats == 0 ? StridedLoop.One : Select(repeated[..repeats], shape, from, to);
        if (Tiling.Find(loop, sums, out Tiling tiling)) Cpu.ForHost(Bits(target), tiling.Count, tiling.Grain, new TileKernel<M>(source, target, tiling, scale));
        else Cpu.ForHost(Bits(target), loop.Count, Math.Max(512, Cpu.Grain / sums.Count), new RowKernel<M>(source, target, loop, sums, scale));
    }

    /// <summary>Whether nothing is to be put in another order, turned or added up.</summary>
    static bool AreRows(Shape shape, Shape from, Shape to)
    {
        int slower = int.MaxValue, inner = 1;
        for (int d = 0; d < shape.Rank; d++)
        {
            if (shape[d] == 1) continue;
            if (to[d] == 0 || to[d] > slower) return false;
            (slower, inner) = (to[d], from[d]);
        }
        return inner is 0 or 1;
    }

    /// <summary>What elements are copied as: an integer as a float of the same bits.</summary>
    static DType Bits(Tensor tensor) => tensor.DType == DType.Float64 ? DType.Float64 : DType.Float32;

    static StridedLoop Select(ReadOnlySpan<int> dimensions, Shape shape, Shape from, Shape to) => new(shape.Pick(dimensions), from.Pick(dimensions), to.Pick(dimensions));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Move<M, V, T>(V moved, T* to, V scale, bool streams = false) where M : struct, IMove where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        Streaming.Store(to, M.Assigns ? moved : V.Fma(scale, moved, M.Adds ? V.Load(to) : V.Zero), streams);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void MovePart<M, V, T>(V moved, T* to, V scale, int count) where M : struct, IMove where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        V.StorePartial(to, M.Assigns ? moved : V.Fma(scale, moved, M.Adds ? V.LoadPartial(to, count, T.Zero) : V.Zero), count);

    /// <summary>Rows, each in vectors where its elements are neighbours in the target, and neighbours or all the same in the source.</summary>
    readonly struct RowKernel<M>(Tensor source, Tensor target, StridedLoop loop, StridedLoop sums, double scale) : ICpuKernel where M : struct, IMove
    {
        readonly StridedLoop loop = loop;

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* from = (T*)source.Address, to = (T*)target.Address;
            int row = start / loop.Inner;
            bool within = row == (end - 1) / loop.Inner;
            for (int i = 0, count = within ? sums.Inner : 1; i < sums.Count; i += count)
            {
                sums.Locate(i, out long term, out _, out _, out _);
                if (within)
                {
                    loop.Locate(start, out long of, out long ot, out _, out _);
                    Rows<V, T>(from + term + of, to + ot, count, sums.InnerStride(0), 0, end - start);
                }
                else Move<V, T>(from + term, to, start, end);
            }
            Streaming.End();
        }

        /// <summary>The elements from <paramref name="start"/> to <paramref name="end"/>: the rest of a row, whole rows, plane by plane, and a row's beginning.</summary>
        void Move<V, T>(T* from, T* to, int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int inner = loop.Inner, first = start / inner, column = start - first * inner;
            long stepFrom = loop.InnerStride(0), stepTo = loop.InnerStride(1);
            StridedLoop.Walk walk = new(in loop, first);
            nint nextFrom = walk.Step(0), nextTo = walk.Step(1);
            if (column > 0)
            {
                int length = Math.Min(inner - column, end - start);
                Rows<V, T>(from + walk.O0 + column * stepFrom, to + walk.O1 + column * stepTo, 1, 0, 0, length);
                start += length;
                walk.Next();
            }
            for (int rows = (end - start) / inner, count; rows > 0; rows -= count)
            {
                count = Math.Min(rows, walk.Left);
                Rows<V, T>(from + walk.O0, to + walk.O1, count, nextFrom, nextTo, inner);
                start += count * inner;
                walk.Next(count);
            }
            if (start < end) Rows<V, T>(from + walk.O0, to + walk.O1, 1, 0, 0, end - start);
        }

        void Rows<V, T>(T* from, T* to, int rows, nint nextFrom, nint nextTo, int length) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V factor = V.Constant(scale);
            nint stepFrom = loop.InnerStride(0), stepTo = loop.InnerStride(1);
            int whole = length - length % V.Count, rest = length - whole;
            if (stepTo == 1 && stepFrom == 1)
                for (; rows > 0; rows--, from += nextFrom, to += nextTo)
                {
                    bool streams = !M.Adds && Streaming.Suits<V, T>(to, loop.Count);
                    for (int i = 0; i < whole; i += V.Count) Movement.Move<M, V, T>(V.Load(from + i), to + i, factor, streams);
                    if (rest > 0) MovePart<M, V, T>(V.LoadPartial(from + whole, rest, T.Zero), to + whole, factor, rest);
                }
            else if (stepTo == 1 && stepFrom == 0)
                for (; rows > 0; rows--, from += nextFrom, to += nextTo)
                {
                    bool streams = !M.Adds && Streaming.Suits<V, T>(to, loop.Count);
                    V value = V.Create(*from);
                    for (int i = 0; i < whole; i += V.Count) Movement.Move<M, V, T>(value, to + i, factor, streams);
                    if (rest > 0) MovePart<M, V, T>(value, to + whole, factor, rest);
                }
            else
            {
                T times = T.CreateTruncating(scale);
                for (; rows > 0; rows--, from += nextFrom, to += nextTo)
                {
                    T* f = from, t = to;
                    for (int i = 0; i < length; i++, f += stepFrom, t += stepTo) *t = M.Assigns ? *f : T.MultiplyAddEstimate(times, *f, M.Adds ? *t : T.Zero);
                }
            }
        }
    }
}
