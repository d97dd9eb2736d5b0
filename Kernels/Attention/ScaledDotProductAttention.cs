using System.Numerics;
using System.Runtime.CompilerServices;
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
/// On a CPU the tile is S^T, a row for each key and a lane for each query (<see cref="Tiles"/>). Then m, z and D are vectors, no lanes are ever summed, and the five products find
/// k, v, q, dy and the tile itself in the order in which they need them: only q^T and dy^T are packed, once for a block of queries.
/// </para>
/// <para>
/// With g = dL/dy and D_i = g_i . y_i: dL/dv = P^T g, dL/dS = P * (g v^T - D), dL/dq = dL/dS k / sqrt(d) and dL/dk = (dL/dS)^T q / sqrt(d). Sums over blocks are
/// taken in the order of the blocks, however the work is shared among threads.
/// </para>
/// </remarks>
public sealed unsafe partial class ScaledDotProductAttention : Operation<ScaledDotProductAttention>
{
    const string Title = nameof(ScaledDotProductAttention);

    AttentionMask mask;
    Tensor normalizers;

    /// <summary>Computes <c>q.ScaledDotProductAttention(k, v, mask, causal, keyPadding, window)</c>, each head of q with its own keys and values.</summary>
    public static Tensor Apply(Tensor q, Tensor k, Tensor v, Tensor? mask, bool causal, Tensor? keyPadding, int? window)
    {
        Check(q, k, v);
        AttentionMask.Check(q, k, mask, keyPadding, window);
        if (Tape.IsRecording && (mask is { RequiresGradient: true } || keyPadding is { RequiresGradient: true }))
            throw new ShapeException(Title, "a mask requires a gradient, and attention computes none for it. Detach it, or compose attention of AttentionWeights and MatMul.");
        if (GpuBackend.Current is null) (q, k, v) = (WholeRows(q), WholeRows(k), WholeRows(v));
        AttentionMask masks = new(q, k, mask, keyPadding, causal, window);
        Tensor y = Tensor.Empty(q.Shape.With(q.Rank - 1, v.Shape[^1]), q.DType);
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

    /// <summary>x, or a copy of it where rows have gaps.</summary>
    static Tensor WholeRows(Tensor x) => x.Strides[^1] == 1 || x.Shape[^1] == 1 ? x : x.Contiguous();

    static Shape Leading(Tensor x) => x.Shape.Without(x.Rank - 1).Without(x.Rank - 2);

    /// <summary>One block of queries after the other, each against all blocks of keys that it sees.</summary>
    readonly struct Forward(Tiles tiles, Tensor y) : ICpuKernel
    {
        readonly Matrices outputs = new(y);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int d = tiles.Q.Width, panel = Tiles.Panel<V>();
            T* packed = ThreadScratch<ScaledDotProductAttention>.Take<T>(QueryBlock * (d + 3) + KeyBlock * panel);
            V scale = V.Constant(tiles.Scale);
            T* m = packed + QueryBlock * d, z = m + QueryBlock, factors = z + QueryBlock, s = factors + QueryBlock;
            for (; start < end; start++)
            {
                (int matrix, int block) = Math.DivRem(start, tiles.QueryBlocks);
                int query = block * QueryBlock, queries = Math.Min(QueryBlock, tiles.Queries - query);
                Matrix<T> q = tiles.Q.Rows<T>(matrix, query, queries), k = tiles.K.Rows<T>(matrix), v = tiles.V.Rows<T>(matrix), y = outputs.Rows<T>(matrix, query, queries);
                for (int i = 0; i < queries; i += panel) tiles.Pack<V, T>(q.Band(i, Math.Min(panel, queries - i)), packed + i * d);
                new Span<T>(m, QueryBlock).Fill(T.NegativeInfinity);
                new Span<T>(z, QueryBlock).Clear();

                tiles.Mask.Visible(query, queries, tiles.Keys, out int first, out int last);
                for (int key = first; key < last; key += KeyBlock)
                    for (int i = 0; i < queries; i += panel)
                    {
                        int lanes = Math.Min(panel, queries - i);
                        tiles.Mask.Visible(query + i, lanes, tiles.Keys, out int from, out int to);
                        bool begins = from >= key;
                        (from, to) = (Math.Max(from, key), Math.Min(to, key + KeyBlock));
                        if (from >= to) continue;
                        tiles.Scores<V, T>(matrix, query + i, lanes, from, k.Band(from, to - from), packed + i * d, s, panel);
                        for (int j = 0; j < lanes; j += V.Count) Absorb<V, T>(s + j, panel, to - from, scale, m + i + j, z + i + j, factors + j);
                        for (int j = 0; j < lanes && !begins; j++)
                            if (factors[j] != T.One) Scale<V, T>(y.At(i + j, 0), factors[j], y.Columns);
                        Tiles.Product<V, T>(new(s, lanes, to - from, 1, panel), v.Band(from, to - from), y.Band(i, lanes), accumulate: !begins);
                    }
                Finish<V, T>(m, z, tiles.Normalizers<T>(matrix) + query, y);
            }
        }

        /// <summary>For each lane a column of S^T becomes e^(S - m'), and z and m, those of the keys so far, theirs with it. What was summed with m is to be multiplied by the factor.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void Absorb<V, T>(T* scores, int row, int keys, V scale, T* m, T* z, T* factor) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V before = V.Load(m), highest = before, other = before, sum = V.Zero;
            T* score = scores, last = scores + (keys - 1) * row;
            for (; score < last; score += 2 * row)                                         // two at a time: a comparison waits for the one before
            {
                V even = V.Load(score), odd = V.Load(score + row);
                highest = V.Larger(even, highest);
                other = V.Larger(odd, other);
            }
            V rest = V.Load(last);
            highest = V.Larger(V.Larger(rest, highest), other);
            V shift = V.IfEqual(highest, V.Create(T.NegativeInfinity), V.Zero, highest);   // nothing seen so far: e^(-infinity - 0) is 0, and not NaN
            for (score = scores; score <= last; score += row)
            {
                V power = V.Exp((V.Load(score) - shift) * scale);
                sum += power;
                V.Store(score, power);
            }
            V sumBefore = V.Load(z), change = V.IfEqual(sumBefore, V.Zero, V.One, V.Exp((before - shift) * scale));
            V.Store(m, highest);
            V.Store(z, V.Fma(sumBefore, change, sum));
            V.Store(factor, change);
        }

        /// <summary>y / z; 0 where nothing was seen, and with m = 0 and 1 / z = 0 the way back gives P = 0.</summary>
        void Finish<V, T>(T* m, T* z, T* normalizers, Matrix<T> y) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int i = 0; i < y.Rows; i++)
            {
                bool seen = z[i] != T.Zero;
                (normalizers[i], normalizers[i + tiles.Queries]) = seen ? (m[i], T.One / z[i]) : (T.Zero, T.Zero);
                if (seen) Scale<V, T>(y.At(i, 0), normalizers[i + tiles.Queries], y.Columns);
                else new Span<T>(y.At(i, 0), y.Columns).Clear();
            }
        }

        static void Scale<V, T>(T* row, T factor, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V factors = V.Create(factor);
            for (; width >= V.Count; width -= V.Count, row += V.Count) V.Store(row, factors * V.Load(row));
            if (width > 0) V.StorePartial(row, factors * V.LoadPartial(row, width, T.Zero), width);
        }
    }

    /// <summary>The gradients above. Where there are matrices enough for all threads, each is one task; otherwise blocks of keys are, and then blocks of queries.</summary>
    protected override void Backward()
    {
        Tensor q = Input(0), k = Input(1), v = Input(2), y = Output(), dy = OutputGradient();
        Tensor? dq = NeedsGradient(0) ? InputGradient(0) : null, dk = NeedsGradient(1) ? InputGradient(1) : null, dv = NeedsGradient(2) ? InputGradient(2) : null;
        if (y.Count == 0 || k.Shape[^2] == 0) return;
        if (GpuBackend.Current is { } gpu)
        {
            Backwards(gpu, q, k, v, mask, y, normalizers, Tensor.Empty(y.Shape.Without(y.Rank - 1), y.DType), dy, dq, dk, dv);
            return;
        }
        Tiles tiles = new(q, k, v, mask, normalizers);
        // What adds up in one element must do so in one order: gradients that share memory take turns. Where keys are the values, a task has the same rows of both.
        bool valuesApart = (dk?.Address == dv?.Address && dk?.Strides == dv?.Strides) || !MayShare(dk, dv);
        if (tiles.Matrices >= ThreadTeam.Threads && valuesApart && !MayShare(dq, dk) && !MayShare(dq, dv))
        {
            Cpu.For(y.DType, tiles.Matrices, 1, new BackwardKernel(tiles, y, dy, dq, dk, dv, QueryTasks: 1, KeyTasks: 1));
            return;
        }
        if (valuesApart) Keys(dk, dv);
        else
        {
            Keys(null, dv);
            Keys(dk, null);
        }
        if (dq is not null)
            Cpu.For(y.DType, tiles.Matrices * tiles.QueryBlocks, 1, new BackwardKernel(tiles, y, dy, dq, null, null, QueryTasks: tiles.QueryBlocks, KeyTasks: 1));

        void Keys(Tensor? dk, Tensor? dv)
        {
            if (dk is not null || dv is not null)
                Cpu.For(y.DType, tiles.Matrices * tiles.KeyBlocks, 1, new BackwardKernel(tiles, y, dy, null, dk, dv, QueryTasks: 1, KeyTasks: tiles.KeyBlocks));
        }
    }

    /// <summary>
    /// Whether an element of one may be an element of the other. It is not where one ends before the other begins; nor where both, seen modulo the distance of rows, do so, as the thirds of one
    /// projection to queries, keys and values.
    /// </summary>
    static bool MayShare(Tensor? x, Tensor? y)
    {
        if (x is not { } a || y is not { } b) return false;
        long distance = (b.Address - a.Address) / a.DType.Size(), period = a.Strides[^2];
        if (distance >= Extent(a, long.MaxValue) || -distance >= Extent(b, long.MaxValue)) return false;
        if (period <= 0) return true;
        distance = (distance % period + period) % period;
        return Extent(a, period) > distance || distance + Extent(b, period) > period;
    }

    /// <summary>The elements from the first to behind the last, dimensions left out along which they are a multiple of <paramref name="period"/> apart.</summary>
    static long Extent(Tensor x, long period)
    {
        long extent = 1;
        for (int d = 0; d < x.Rank; d++)
            if (x.Shape[d] > 1 && x.Strides[d] % period != 0) extent += (x.Shape[d] - 1L) * x.Strides[d];
        return extent;
    }

    /// <summary>
    /// For each matrix the queries are cut into as many tasks as <paramref name="QueryTasks"/> says, 1 or one for each block, and likewise the keys. What a task adds
    /// to must be its own: dq where the keys are whole, dk and dv where the queries are.
    /// </summary>
    readonly struct BackwardKernel(Tiles tiles, Tensor y, Tensor dy, Tensor? dq, Tensor? dk, Tensor? dv, int QueryTasks, int KeyTasks) : ICpuKernel
    {
        // A row of a tile: an odd number of cache lines, so that the lines of a column fall into different sets of the cache.
        const int Row = QueryBlock + 16;

        readonly Matrices ys = new(y), dys = new(dy);
        readonly Matrices dqs = dq is { } a ? new(a) : default, dks = dk is { } b ? new(b) : default, dvs = dv is { } c ? new(c) : default;

        /// <summary>What a thread works with.</summary>
        struct Scratch<V, T> where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            /// <summary>Packed rows of q, of dL/dy and of y; D, m and 1 / z; the tiles P^T and (dL/dS)^T.</summary>
            public T* Q, Dy, Y, Dots, M, Inverse, P, Ds;

            public Scratch(int d, int width)
            {
                Q = ThreadScratch<ScaledDotProductAttention>.Take<T>(QueryBlock * (d + width + 3) + width * Tiles.Panel<V>() + 2 * KeyBlock * Row);
                Dy = Q + QueryBlock * d;
                Y = Dy + QueryBlock * width;
                Dots = Y + width * Tiles.Panel<V>();
                M = Dots + QueryBlock;
                Inverse = M + QueryBlock;
                P = Inverse + QueryBlock;
                Ds = P + KeyBlock * Row;
            }
        }

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Scratch<V, T> scratch = new(tiles.Q.Width, tiles.V.Width);
            for (; start < end; start++)
            {
                (int matrix, int task) = Math.DivRem(start, QueryTasks * KeyTasks);
                int firstKey = KeyTasks == 1 ? 0 : task * KeyBlock, endKey = KeyTasks == 1 ? tiles.Keys : Math.Min(firstKey + KeyBlock, tiles.Keys);
                int firstQuery = QueryTasks == 1 ? 0 : task * QueryBlock, endQuery = QueryTasks == 1 ? tiles.Queries : Math.Min(firstQuery + QueryBlock, tiles.Queries);
                for (int query = firstQuery; query < endQuery; query += QueryBlock)
                {
                    int queries = Math.Min(QueryBlock, endQuery - query);
                    tiles.Mask.Visible(query, queries, tiles.Keys, out int from, out int to);
                    (from, to) = (Math.Max(from / KeyBlock * KeyBlock, firstKey), Math.Min(to, endKey));
                    if (from >= to) continue;
                    Pack<V, T>(matrix, query, queries, scratch);
                    for (int key = from; key < to; key += KeyBlock) Tile<V, T>(matrix, query, queries, key, Math.Min(KeyBlock, to - key), scratch);
                }
            }
        }

        /// <summary>
        /// What the tiles of a block of queries need. D_i = g_i . y_i is summed in the order of g v^T: where a query sees one key alone, y = v, and g v^T - D is 0 to the last bit.
        /// </summary>
        void Pack<V, T>(int matrix, int query, int queries, in Scratch<V, T> to) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int d = tiles.Q.Width, width = tiles.V.Width, panel = Tiles.Panel<V>();
            T* normalizers = tiles.Normalizers<T>(matrix) + query;
            for (int i = 0; i < queries; i += panel)
            {
                int lanes = Math.Min(panel, queries - i);
                T* g = to.Dy + i * width;
                tiles.Pack<V, T>(tiles.Q.Rows<T>(matrix, query + i, lanes), to.Q + i * d);
                tiles.Pack<V, T>(dys.Rows<T>(matrix, query + i, lanes), g);
                tiles.Pack<V, T>(ys.Rows<T>(matrix, query + i, lanes), to.Y);
                tiles.OwnDots<V, T>(g, to.Y, width, lanes, to.Dots + i);
                for (int j = 0; j < panel; j += V.Count)
                {
                    int count = Math.Clamp(lanes - j, 0, V.Count);
                    V.Store(to.M + i + j, V.LoadPartial(normalizers + i + j, count, T.Zero));
                    V.Store(to.Inverse + i + j, V.LoadPartial(normalizers + tiles.Queries + i + j, count, T.Zero));
                }
            }
        }

        void Tile<V, T>(int matrix, int query, int queries, int key, int keys, in Scratch<V, T> x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int d = tiles.Q.Width, width = tiles.V.Width, panel = Tiles.Panel<V>();
            V scale = V.Constant(tiles.Scale);
            Matrix<T> q = tiles.Q.Rows<T>(matrix, query, queries), k = tiles.K.Rows<T>(matrix, key, keys), v = tiles.V.Rows<T>(matrix, key, keys), g = dys.Rows<T>(matrix, query, queries);
            Matrix<T> toQ = dq is null ? default : dqs.Rows<T>(matrix, query, queries);
            for (int i = 0; i < queries; i += panel)
            {
                int lanes = Math.Min(panel, queries - i);
                tiles.Mask.Visible(query + i, lanes, tiles.Keys, out int from, out int to);
                (from, to) = (Math.Clamp(from - key, 0, keys), Math.Clamp(to - key, 0, keys));
                for (int j = 0; j < keys; j++)
                    if (j < from || j >= to)
                    {
                        new Span<T>(x.P + j * Row + i, panel).Clear();
                        new Span<T>(x.Ds + j * Row + i, panel).Clear();
                    }
                if (from >= to) continue;
                T* p = x.P + from * Row + i, ds = x.Ds + from * Row + i;
                tiles.Scores<V, T>(matrix, query + i, lanes, key + from, k.Band(from, to - from), x.Q + i * d, p, Row);
                if (dq is not null || dk is not null) tiles.Dots<V, T>(v.Band(from, to - from), x.Dy + i * width, lanes, ds, Row);                // (g v^T)^T
                for (int j = 0; j < lanes; j += V.Count) Slopes(p + j, ds + j, to - from, scale, V.Load(x.M + i + j), V.Load(x.Inverse + i + j), V.Load(x.Dots + i + j));
                if (dq is not null) Tiles.Product<V, T>(new(ds, lanes, to - from, 1, Row), k.Band(from, to - from), toQ.Band(i, lanes), accumulate: true);
            }
            if (dv is not null) AddToKeys<V, T>(query, key, x.P, g, dvs.Rows<T>(matrix, key, keys));
            if (dk is not null) AddToKeys<V, T>(query, key, x.Ds, q, dks.Rows<T>(matrix, key, keys));
        }

        /// <summary>Adds a tile's product with rows of its queries to rows of its keys, a few keys at a time with the panels of the queries that see them.</summary>
        void AddToKeys<V, T>(int query, int key, T* tile, Matrix<T> rows, Matrix<T> to) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int panel = Tiles.Panel<V>(), group = 4 * GemmMicroKernel.MaxRows<V>();
            for (int j = 0; j < to.Rows; j += group)
            {
                int keys = Math.Min(group, to.Rows - j);
                int first = Math.Clamp(tiles.Mask.FirstToSee(key + j, tiles.Queries) - query, 0, rows.Rows) / panel * panel;
                int last = Math.Clamp(tiles.Mask.EndToSee(key + j + keys - 1, tiles.Queries) - query, first, rows.Rows);
                Tiles.Product<V, T>(new(tile + j * Row + first, keys, last - first, Row, 1), rows.Band(first, last - first), to.Band(j, keys), accumulate: true);
            }
        }

        /// <summary>For each lane a column of S^T becomes one of P^T, and one of (g v^T)^T one of (dL/dS)^T.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void Slopes<V, T>(T* p, T* ds, int keys, V scale, V m, V inverse, V dot) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (; keys > 0; keys--, p += Row, ds += Row)
            {
                V probability = V.Exp((V.Load(p) - m) * scale) * inverse;
                V.Store(p, probability);
                V.Store(ds, scale * probability * (V.Load(ds) - dot));
            }
        }
    }
}
