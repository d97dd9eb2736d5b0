using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NeuralMemory.Simd;

namespace NeuralMemory;

static unsafe partial class Movement
{
    /// <summary>
    /// A movement that turns planes: along one dimension, of <see cref="Height"/>, the source's elements are neighbours, along another, of <see cref="Width"/>, the target's. A plane is cut into
    /// blocks of about <see cref="Block"/> elements.
    /// </summary>
    readonly struct Tiling(StridedLoop others, StridedLoop sums, int height, int stepTo, int width, int stepFrom)
    {
        const int Block = 4096, Side = 64;

        /// <summary>The way from plane to plane, and the planes that are added to one.</summary>
        public readonly StridedLoop Others = others, Sums = sums;

        /// <summary>The sizes of a plane.</summary>
        public readonly int Height = height, Width = width;

        /// <summary>The strides that are not 1: the target's along the height, the source's along the width.</summary>
        public readonly int StepTo = stepTo, StepFrom = stepFrom;

        /// <summary>The sizes of a block. It has the whole height where that is added up in the target.</summary>
        public readonly int BlockHeight = stepTo == 0 ? height : Math.Min(height, Math.Max(Side, Block / width)), BlockWidth = Math.Min(width, Math.Max(Side, Block / height / 16 * 16));

        public int Down => (Height + BlockHeight - 1) / BlockHeight;
        public int Across => (Width + BlockWidth - 1) / BlockWidth;

        /// <summary>The number of blocks.</summary>
        public int Count => Others.Count * Down * Across;

        /// <summary>How many of them make a grain of work.</summary>
        public int Grain => Cpu.Rows(BlockHeight * BlockWidth, Sums.Count);

        /// <summary>Whether a movement is one; planes of fewer than four rows are moved as rows.</summary>
        public static bool Find(in StridedLoop loop, in StridedLoop sums, out Tiling tiling)
        {
            tiling = default;
            int last = loop.Sizes.Rank - 1, lastSum = sums.Sizes.Rank - 1;
            if (loop.InnerStride(1) != 1) return false;
            if (sums.InnerStride(0) == 1 && sums.Inner >= 4)
            {
                tiling = new(Without(loop, last, last), Without(sums, lastSum, lastSum), sums.Inner, 0, loop.Inner, loop.InnerStride(0));
                return true;
            }
            if (loop.InnerStride(0) is 0 or 1 || loop.Inner < 4) return false;
            for (int d = 0; d < last; d++)
                if (loop.Stride(0, d) == 1 && loop.Sizes[d] >= 4)
                {
                    tiling = new(Without(loop, d, last), sums, loop.Sizes[d], loop.Stride(1, d), loop.Inner, loop.InnerStride(0));
                    return true;
                }
            return false;
        }

        static StridedLoop Without(in StridedLoop loop, int first, int second)
        {
            Span<int> kept = stackalloc int[Shape.MaxRank];
            int count = 0;
            for (int d = 0; d < loop.Sizes.Rank; d++)
                if (d != first && d != second) kept[count++] = d;
            return Select(kept[..count], loop.Sizes, loop.Strides(0), loop.Strides(1));
        }
    }

    /// <summary>Blocks of turned planes, in tiles of as many rows and columns as a vector has lanes.</summary>
    readonly struct TileKernel<M>(Tensor source, Tensor target, Tiling tiling, double scale) : ICpuKernel where M : struct, IMove
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Tiling t = tiling;
            int down = t.Down, across = t.Across;
            for (; start < end; start++)
            {
                int plane = start / (down * across), block = start - plane * down * across, row = block / across;
                int top = row * t.BlockHeight, left = (block - row * across) * t.BlockWidth;
                t.Others.Locate(plane, out long from, out long to, out _, out _);
                from += top + (long)left * t.StepFrom;
                to += (long)top * t.StepTo + left;
                for (int i = 0; i < t.Sums.Count; i++)
                {
                    t.Sums.Locate(i, out long term, out _, out _, out _);
                    Turn<M, V, T>((T*)source.Address + from + term, t.StepFrom, (T*)target.Address + to, t.StepTo, Math.Min(t.BlockHeight, t.Height - top), Math.Min(t.BlockWidth, t.Width - left), scale);
                }
            }
        }
    }

    /// <summary>
    /// Moves to[i stepTo + j] from from[j stepFrom + i], for every i less than <paramref name="height"/> and j less than <paramref name="width"/>: columns become rows. Where stepTo is 0 there is one row,
    /// to which they are added.
    /// </summary>
    public static void Turn<M, V, T>(T* from, nint stepFrom, T* to, nint stepTo, int height, int width, double scale = 1)
        where M : struct, IMove where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (!HasQuads<V>())
        {
            T times = T.CreateTruncating(scale);
            for (int i = 0; i < height; i++)
                for (int j = 0; j < width; j++) to[i * stepTo + j] = M.Assigns ? from[j * stepFrom + i] : T.MultiplyAddEstimate(times, from[j * stepFrom + i], M.Adds ? to[i * stepTo + j] : T.Zero);
            return;
        }
        T* tile = stackalloc T[V.Count * V.Count];
        V factor = V.Constant(scale);
        if (stepTo == 0)
        {
            for (int j = 0; j < width; j += V.Count) Sum<V, T>(from + j * stepFrom, stepFrom, to + j, height, Math.Min(V.Count, width - j), tile, factor);
            return;
        }
        for (int i = 0; i < height; i += V.Count)
            for (int j = 0; j < width; j += V.Count)
                Tile<M, V, T>(from + j * stepFrom + i, stepFrom, to + i * stepTo + j, stepTo, Math.Min(V.Count, height - i), Math.Min(V.Count, width - j), tile, factor);
    }

    /// <summary>Adds the columns of the source to one row, in their order: the sums stay in a register.</summary>
    static void Sum<V, T>(T* from, nint stepFrom, T* to, int height, int width, T* tile, V factor) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V sum = V.LoadPartial(to, width, T.Zero);
        for (int i = 0; i < height; i += V.Count)
        {
            Fill<V, T>(tile, from + i, stepFrom, height - i, width);
            int rows = Math.Min(V.Count, height - i);
            for (int k = 0; k < rows; k += 4)
            {
                Quads(tile + k, out V a, out V b, out V c, out V d);
                sum = V.Fma(factor, a, sum);
                if (rows - k > 1) sum = V.Fma(factor, b, sum);
                if (rows - k > 2) sum = V.Fma(factor, c, sum);
                if (rows - k > 3) sum = V.Fma(factor, d, sum);
            }
        }
        V.StorePartial(to, sum, width);
    }

    /// <summary>
    /// Columns of the source become rows of the target. The lines of the source are first put side by side: they are read once, even if all fall into the same set of the cache, as they do
    /// in matrices of 1024 columns.
    /// </summary>
    static void Tile<M, V, T>(T* from, nint stepFrom, T* to, nint stepTo, int height, int width, T* tile, V factor)
        where M : struct, IMove where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Fill<V, T>(tile, from, stepFrom, height, width);
        for (int i = 0; i < height; i += 4, to += 4 * stepTo)
        {
            Quads(tile + i, out V a, out V b, out V c, out V d);
            int rows = height - i;
            if (width == V.Count && rows >= 4)
            {
                Move<M, V, T>(a, to, factor);
                Move<M, V, T>(b, to + stepTo, factor);
                Move<M, V, T>(c, to + 2 * stepTo, factor);
                Move<M, V, T>(d, to + 3 * stepTo, factor);
                continue;
            }
            MovePart<M, V, T>(a, to, factor, width);
            if (rows > 1) MovePart<M, V, T>(b, to + stepTo, factor, width);
            if (rows > 2) MovePart<M, V, T>(c, to + 2 * stepTo, factor, width);
            if (rows > 3) MovePart<M, V, T>(d, to + 3 * stepTo, factor, width);
        }
    }

    static void Fill<V, T>(T* tile, T* from, nint stepFrom, int height, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (height >= V.Count)
            for (int j = 0; j < width; j++) V.Store(tile + j * V.Count, V.Load(from + j * stepFrom));
        else
            for (int j = 0; j < width; j++) V.Store(tile + j * V.Count, V.LoadPartial(from + j * stepFrom, height, T.Zero));
    }

    /// <summary>Whether <see cref="Quads"/> knows vectors of this width.</summary>
    static bool HasQuads<V>() => typeof(V) == typeof(Float32x16) || typeof(V) == typeof(Float32x8) || (typeof(V) == typeof(Float32x4) && Quad.IsSupported);

    /// <summary>Four columns of a tile, whose rows are as long as a vector: each quarter, or half, of the vectors is a block of four by four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Quads<V, T>(T* tile, out V a, out V b, out V c, out V d) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        float* p = (float*)tile;
        if (typeof(V) == typeof(Float32x16))
        {
            Vector512<float> r0 = Four(p), r1 = Four(p + 16), r2 = Four(p + 32), r3 = Four(p + 48);
            Quad.Transpose(ref r0, ref r1, ref r2, ref r3);
            (a, b, c, d) = (Unsafe.BitCast<Vector512<float>, V>(r0), Unsafe.BitCast<Vector512<float>, V>(r1), Unsafe.BitCast<Vector512<float>, V>(r2), Unsafe.BitCast<Vector512<float>, V>(r3));
        }
        else if (typeof(V) == typeof(Float32x8))
        {
            Vector256<float> r0 = Two(p), r1 = Two(p + 8), r2 = Two(p + 16), r3 = Two(p + 24);
            Quad.Transpose(ref r0, ref r1, ref r2, ref r3);
            (a, b, c, d) = (Unsafe.BitCast<Vector256<float>, V>(r0), Unsafe.BitCast<Vector256<float>, V>(r1), Unsafe.BitCast<Vector256<float>, V>(r2), Unsafe.BitCast<Vector256<float>, V>(r3));
        }
        else
        {
            Vector128<float> r0 = Vector128.Load(p), r1 = Vector128.Load(p + 4), r2 = Vector128.Load(p + 8), r3 = Vector128.Load(p + 12);
            Quad.Transpose(ref r0, ref r1, ref r2, ref r3);
            (a, b, c, d) = (Unsafe.BitCast<Vector128<float>, V>(r0), Unsafe.BitCast<Vector128<float>, V>(r1), Unsafe.BitCast<Vector128<float>, V>(r2), Unsafe.BitCast<Vector128<float>, V>(r3));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<float> Two(float* p) => Vector256.Create(Vector128.Load(p), Vector128.Load(p + 32));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<float> Four(float* p) =>
        Vector512.Create(Vector256.Create(Vector128.Load(p), Vector128.Load(p + 64)), Vector256.Create(Vector128.Load(p + 128), Vector128.Load(p + 192)));
}
