using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// <c>y = P v</c> with <c>S = q k^T / sqrt(d) + mask</c> and P the softmax of the rows of S (Vaswani et al. 2017, equation 1), without S or P ever being whole in
/// memory (Dao et al. 2022, "FlashAttention", algorithms 1 and 4; Milakov and Gimelshein 2018 for the online softmax).
/// </summary>
/// <remarks>
/// <para>
/// A tile of S, one block of queries by one block of keys, is computed at a time and stays in the cache. Of the row's part so far m is the largest score, z the sum
/// of e^(S - m), and y the sum of e^(S - m) v; where a tile raises m, z and y are multiplied by e^(m - m'). What is kept for the way back are m and 1 / z,
/// from which P = e^(S - m) / z is computed again, tile by tile: their logarithm in one number would lose digits that the gradients need.
/// </para>
/// <para>
/// With g = dL/dy and D_i = g_i . y_i: dL/dv = P^T g, dL/dS = P * (g v^T - D), dL/dq = dL/dS k / sqrt(d) and dL/dk = (dL/dS)^T q / sqrt(d). Sums over blocks are
/// taken in the order of the blocks, however the work is shared among threads.
/// </para>
/// </remarks>
public sealed unsafe partial class ScaledDotProductAttention : Operation<ScaledDotProductAttention>
{
    const string Title = nameof(ScaledDotProductAttention);

    // A tile of 96 x 128 floats takes 48 KB of the level 2 cache; the products with it are deep enough to be worth their packing.
    const int QueryBlock = 96, KeyBlock = 128;

    AttentionMask mask;
    Tensor normalizers;

    /// <summary>Computes <c>q.ScaledDotProductAttention(k, v, mask, causal, keyPadding, window)</c>, each head of q with its own keys and values.</summary>
    public static Tensor Apply(Tensor q, Tensor k, Tensor v, Tensor? mask, bool causal, Tensor? keyPadding, int? window)
    {
        Check(q, k, v);
        AttentionMask.Check(q, k, mask, keyPadding, window);
        if (Tape.IsRecording && (mask is { RequiresGradient: true } || keyPadding is { RequiresGradient: true }))
            throw new ShapeException(Title, "a mask requires a gradient, and attention computes none for it. Detach it, or compose attention of AttentionWeights and MatMul.");
        AttentionMask masks = new(q, k, mask, keyPadding, causal, window);
        Tensor y = Tensor.Zeros(q.Shape.With(q.Rank - 1, v.Shape[^1]), q.DType);
        Tensor normalizers = Tensor.Empty(q.Shape.With(q.Rank - 1, 2), q.DType);
        if (GpuBackend.Current is { } gpu) Forwards(gpu, q, k, v, masks, y, normalizers);
        else
        {
            Tiles tiles = new(q, k, v, masks, normalizers);
            Cpu.For(q.DType, tiles.Matrices * tiles.QueryBlocks, 1, new Forward(tiles, y));
        }
        if (Record(y, q, k, v, mask ?? q, keyPadding ?? q) is { } operation) (operation.mask, operation.normalizers) = (masks, normalizers);
        return y;
    }

    /// <exception cref="ShapeException">The shapes or types do not fit.</exception>
    internal static void Check(Tensor q, Tensor k, Tensor v)
    {
        Require.SameFloat(Title, q, k);
        Require.SameFloat(Title, q, v);
        string? wrong =
            q.Rank < 2 || k.Rank != q.Rank || v.Rank != q.Rank ? "[.., Lq, d], [.., Lk, d] and [.., Lk, dv] were expected" :
            q.Shape[^1] == 0 || q.Shape[^1] != k.Shape[^1] ? $"q has vectors of {q.Shape[^1]} numbers and k of {k.Shape[^1]}" :
            k.Shape[^2] != v.Shape[^2] ? $"there are {k.Shape[^2]} keys but {v.Shape[^2]} values" :
            Leading(q) != Leading(k) || Leading(q) != Leading(v) ? "all dimensions but the last two must be the same" : null;
        if (wrong is not null) throw new ShapeException(Title, $"q {q.Shape}, k {k.Shape} and v {v.Shape}: {wrong}.");
    }

    static Shape Leading(Tensor x) => x.Shape.Without(x.Rank - 1).Without(x.Rank - 2);

    /// <summary>The matrices [rows, width] of a tensor [.., rows, width].</summary>
    readonly struct Matrices(Tensor x)
    {
        readonly StridedLoop loop = new(Leading(x), x.Strides.Without(x.Rank - 1).Without(x.Rank - 2));

        public int Count => loop.Count;

        /// <summary>Rows of one of them.</summary>
        public Matrix<T> Rows<T>(int matrix, int first, int count) where T : unmanaged
        {
            loop.Locate(matrix, out long offset, out _, out _, out _);
            return new(x.Pointer<T>() + offset + (long)first * x.Strides[^2], count, x.Shape[^1], x.Strides[^2], x.Strides[^1]);
        }
    }

    /// <summary>The tiles of all score matrices.</summary>
    readonly struct Tiles(Tensor q, Tensor k, Tensor v, AttentionMask mask, Tensor normalizers)
    {
        public readonly Matrices Q = new(q), K = new(k), V = new(v);
        public readonly AttentionMask Mask = mask;
        public readonly int Queries = q.Shape[^2], Keys = k.Shape[^2];
        public readonly double Scale = 1 / Math.Sqrt(q.Shape[^1]);

        public int Matrices => Q.Count;
        public int QueryBlocks => (Queries + QueryBlock - 1) / QueryBlock;
        public int KeyBlocks => (Keys + KeyBlock - 1) / KeyBlock;

        /// <summary>m and 1 / z of the rows from <paramref name="query"/> on.</summary>
        public T* Normalizers<T>(int matrix, int query) where T : unmanaged => normalizers.Pointer<T>() + 2 * ((long)matrix * Queries + query);

        /// <summary>S for some queries and keys, into <paramref name="tile"/>, each row of which takes <see cref="KeyBlock"/> elements.</summary>
        public Matrix<T> Scores<W, T>(int matrix, int query, int queries, int key, int keys, T* tile)
            where W : struct, ISimd<W, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Matrix<T> scores = new(tile, queries, keys, KeyBlock, 1);
            Gemm.Multiply<W, T>(Q.Rows<T>(matrix, query, queries), K.Rows<T>(matrix, key, keys).Transposed, scores);
            W scale = W.Constant(Scale);
            for (int i = 0; i < queries; i++)
            {
                T* row = tile + i * KeyBlock;
                for (int j = 0; j < keys; j += W.Count) Lanes.Store(row + j, 1, scale * Lanes.Load<W, T>(row + j, 1, keys - j), keys - j);
                Mask.Add<W, T>(matrix, query + i, key, row, keys);
            }
            return scores;
        }
    }

    /// <summary>One block of queries after the other, each against all blocks of keys that it sees.</summary>
    readonly struct Forward(Tiles tiles, Tensor y) : ICpuKernel
    {
        readonly Matrices outputs = new(y);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* tile = ThreadScratch<ScaledDotProductAttention>.Take<T>(QueryBlock * KeyBlock);
            for (; start < end; start++)
            {
                (int matrix, int block) = Math.DivRem(start, tiles.QueryBlocks);
                int query = block * QueryBlock, queries = Math.Min(QueryBlock, tiles.Queries - query);
                T* normalizers = tiles.Normalizers<T>(matrix, query);
                for (int i = 0; i < queries; i++) (normalizers[2 * i], normalizers[2 * i + 1]) = (T.NegativeInfinity, T.Zero);
                Matrix<T> y = outputs.Rows<T>(matrix, query, queries);

                int visible = tiles.Mask.VisibleTo(query + queries - 1, tiles.Keys);
                for (int key = tiles.Mask.VisibleFrom(query, tiles.Keys) / KeyBlock * KeyBlock; key < visible; key += KeyBlock)
                {
                    int keys = Math.Min(KeyBlock, visible - key);
                    Matrix<T> powers = tiles.Scores<V, T>(matrix, query, queries, key, keys, tile);
                    for (int i = 0; i < queries; i++) Absorb<V, T>(powers.At(i, 0), keys, normalizers + 2 * i, y.At(i, 0), y.Columns);
                    Gemm.Multiply<V, T>(powers, tiles.V.Rows<T>(matrix, key, keys), y, accumulate: true);
                }
                for (int i = 0; i < queries; i++) Finish<V, T>(normalizers + 2 * i, y.At(i, 0), y.Columns);
            }
        }

        /// <summary>A row of S becomes e^(S - m'); z and y, the sums so far, pass from m to m'.</summary>
        static void Absorb<V, T>(T* scores, int keys, T* normalizer, T* y, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Fibre<V, T> row = new(scores, 1, 1, keys, taken: 0);
            V highest = V.Create(normalizer[0]), powers = V.Zero;
            for (int j = 0; j < keys; j += V.Count) highest = V.Max(highest, row.Load(j, T.NegativeInfinity));
            T m = V.MaxLane(highest), shift = T.IsNegativeInfinity(m) ? T.Zero : m;       // nothing seen so far: e^(-infinity - 0) is 0, and not NaN
            V shifts = V.Create(shift);
            for (int j = 0; j < keys; j += V.Count)
            {
                V power = V.Exp(row.Load(j, T.NegativeInfinity) - shifts);
                powers += power;
                row.Store(j, power);
            }
            T z = normalizer[1];
            if (z != T.Zero && m != normalizer[0])
            {
                T factor = T.Exp(normalizer[0] - m);
                z *= factor;
                Scale<V, T>(y, factor, width);
            }
            (normalizer[0], normalizer[1]) = (m, z + V.Sum(powers));
        }

        /// <summary>y / z; 0 where nothing was seen, and with m = 0 and 1 / z = 0 the way back gives P = 0.</summary>
        static void Finish<V, T>(T* normalizer, T* y, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            (T m, T z) = (normalizer[0], normalizer[1]);
            T inverse = z == T.Zero ? T.Zero : T.One / z;
            (normalizer[0], normalizer[1]) = (z == T.Zero ? T.Zero : m, inverse);
            Scale<V, T>(y, inverse, width);
        }

        static void Scale<V, T>(T* y, T factor, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V factors = V.Create(factor);
            for (int j = 0; j < width; j += V.Count) Lanes.Store(y + j, 1, factors * Lanes.Load<V, T>(y + j, 1, width - j), width - j);
        }
    }

    /// <summary>The gradients above. Where there are matrices enough for all threads, each is one task; otherwise blocks of keys are, and then blocks of queries.</summary>
    protected override void Backward()
    {
        Tensor q = Input(0), k = Input(1), v = Input(2), y = Output(), dy = OutputGradient();
        if (y.Count == 0 || k.Shape[^2] == 0) return;
        Tensor dots = Tensor.Empty(y.Shape.Without(y.Rank - 1), y.DType);
        if (GpuBackend.Current is { } gpu)
        {
            Backwards(gpu, q, k, v, mask, y, normalizers, dots, dy, NeedsGradient(0) ? InputGradient(0) : null, NeedsGradient(1) ? InputGradient(1) : null, NeedsGradient(2) ? InputGradient(2) : null);
            return;
        }
        Cpu.For(y.DType, dots.Count, Cpu.Rows(y.Shape[^1], 4), new RowDots(y, dy, dots));

        Tensor? dq = NeedsGradient(0) ? InputGradient(0) : null, dk = NeedsGradient(1) ? InputGradient(1) : null, dv = NeedsGradient(2) ? InputGradient(2) : null;
        Tiles tiles = new(q, k, v, mask, normalizers);
        if (tiles.Matrices >= ThreadTeam.Threads)
        {
            Cpu.For(y.DType, tiles.Matrices, 1, new BackwardKernel(tiles, dy, dots, dq, dk, dv, QueryTasks: 1, KeyTasks: 1));
            return;
        }
        if (dk is not null || dv is not null)
            Cpu.For(y.DType, tiles.Matrices * tiles.KeyBlocks, 1, new BackwardKernel(tiles, dy, dots, null, dk, dv, QueryTasks: 1, KeyTasks: tiles.KeyBlocks));
        if (dq is not null)
            Cpu.For(y.DType, tiles.Matrices * tiles.QueryBlocks, 1, new BackwardKernel(tiles, dy, dots, dq, null, null, QueryTasks: tiles.QueryBlocks, KeyTasks: 1));
    }

    /// <summary>D_i = g_i . y_i, in the order in which g v^T is summed: where a query sees one key alone, y = v, and g v^T - D is 0 to the last bit.</summary>
    readonly struct RowDots(Tensor y, Tensor dy, Tensor dots) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int width = y.Shape[^1];
            for (; start < end; start++)
            {
                T* row = y.Pointer<T>() + (long)start * width, g = dy.Pointer<T>() + (long)start * width;
                T dot = T.Zero;
                for (int j = 0; j < width; j++) dot = T.FusedMultiplyAdd(g[j], row[j], dot);
                dots.Pointer<T>()[start] = dot;
            }
        }
    }

    /// <summary>
    /// For each matrix the queries are cut into as many tasks as <paramref name="QueryTasks"/> says, 1 or one for each block, and likewise the keys. What a task adds
    /// to must be its own: dq where the keys are whole, dk and dv where the queries are.
    /// </summary>
    readonly struct BackwardKernel(Tiles tiles, Tensor dy, Tensor dots, Tensor? dq, Tensor? dk, Tensor? dv, int QueryTasks, int KeyTasks) : ICpuKernel
    {
        readonly Matrices outputs = new(dy);
        readonly Matrices dqs = dq is { } a ? new(a) : default, dks = dk is { } b ? new(b) : default, dvs = dv is { } c ? new(c) : default;

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* p = ThreadScratch<ScaledDotProductAttention>.Take<T>(2 * QueryBlock * KeyBlock), ds = p + QueryBlock * KeyBlock;
            for (; start < end; start++)
            {
                (int matrix, int task) = Math.DivRem(start, QueryTasks * KeyTasks);
                int firstQuery = QueryTasks == 1 ? 0 : task * QueryBlock, endQuery = QueryTasks == 1 ? tiles.Queries : Math.Min(firstQuery + QueryBlock, tiles.Queries);
                int firstKey = KeyTasks == 1 ? 0 : task * KeyBlock, endKey = KeyTasks == 1 ? tiles.Keys : Math.Min(firstKey + KeyBlock, tiles.Keys);
                for (int key = firstKey; key < endKey; key += KeyBlock)
                {
                    int seen = Math.Max(firstQuery, tiles.Mask.FirstToSee(key, tiles.Queries) / QueryBlock * QueryBlock);
                    int unseen = Math.Min(endQuery, tiles.Mask.EndToSee(key + KeyBlock - 1, tiles.Queries));
                    for (int query = seen; query < unseen; query += QueryBlock) Tile<V, T>(matrix, query, key, p, ds);
                }
            }
        }

        void Tile<V, T>(int matrix, int query, int key, T* p, T* ds) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int queries = Math.Min(QueryBlock, tiles.Queries - query), visible = tiles.Mask.VisibleTo(query + queries - 1, tiles.Keys);
            int keys = Math.Min(KeyBlock, visible - key);
            if (keys <= 0) return;
            Matrix<T> scores = tiles.Scores<V, T>(matrix, query, queries, key, keys, p), slopes = new(ds, queries, keys, KeyBlock, 1);
            Matrix<T> g = outputs.Rows<T>(matrix, query, queries);
            T* normalizers = tiles.Normalizers<T>(matrix, query);
            if (dq is not null || dk is not null) Gemm.Multiply<V, T>(g, tiles.V.Rows<T>(matrix, key, keys).Transposed, slopes);           // g v^T

            V scale = V.Constant(tiles.Scale);
            T* dot = dots.Pointer<T>() + (long)matrix * tiles.Queries + query;
            for (int i = 0; i < queries; i++)
            {
                V m = V.Create(normalizers[2 * i]), inverse = V.Create(normalizers[2 * i + 1]), d = V.Create(dot[i]);
                Fibre<V, T> pi = new(p + i * KeyBlock, 1, 1, keys, taken: 0), dsi = new(ds + i * KeyBlock, 1, 1, keys, taken: 0);
                for (int j = 0; j < keys; j += V.Count)
                {
                    V probability = V.Exp(pi.Load(j) - m) * inverse;
                    pi.Store(j, probability);
                    dsi.Store(j, scale * probability * (dsi.Load(j) - d));
                }
            }
            if (dv is not null) Gemm.Multiply<V, T>(scores.Transposed, g, dvs.Rows<T>(matrix, key, keys), accumulate: true);
            if (dk is not null) Gemm.Multiply<V, T>(slopes.Transposed, tiles.Q.Rows<T>(matrix, query, queries), dks.Rows<T>(matrix, key, keys), accumulate: true);
            if (dq is not null) Gemm.Multiply<V, T>(slopes, tiles.K.Rows<T>(matrix, key, keys), dqs.Rows<T>(matrix, query, queries), accumulate: true);
        }
    }
}
