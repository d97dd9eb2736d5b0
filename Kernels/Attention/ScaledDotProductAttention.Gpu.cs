using System.Runtime.CompilerServices;
using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

// On a GPU a group of 256 threads has one block of 64 queries (on the way back also: one of 64 keys) and walks over the blocks of the others. Of a tile of 64 x 64 scores every thread has 4 x 4 in
// registers, and of the block's results 4 rows by 4 or 8 columns. The factors of a product come through shared memory, 16 deep at a time; the tile itself goes there to be a factor of the next one.
public sealed unsafe partial class ScaledDotProductAttention
{
    /// <summary>Queries, and keys, of a tile.</summary>
    const int Tile = 64;

    /// <summary>How deep the parts of the factors are that lie in shared memory at once.</summary>
    const int Depth = 16;

    /// <summary>Numbers of a head at most: what a thread's registers can add up.</summary>
    const int MaxWidth = 128;

    const int GroupThreads = 256;

    /// <summary>The matrices [rows, width] of a tensor [.., rows, width].</summary>
    readonly struct GpuMatrices(GpuBackend gpu, Tensor x)
    {
        readonly ArrayView<float> data = gpu.View(x);
        readonly GpuLoop loop = new(new StridedLoop(Leading(x), x.Strides.Without(x.Rank - 1).Without(x.Rank - 2)));
        readonly int row = x.Strides[^2], column = x.Strides[^1];

        /// <summary>Rows and columns.</summary>
        public readonly int Rows = x.Shape[^2], Width = x.Shape[^1];

        public int Begin(int matrix)
        {
            loop.Locate(matrix, out int offset, out _, out _, out _);
            return offset;
        }

        /// <summary>An element of the matrix that begins at <paramref name="begin"/>; zero outside of it.</summary>
        public float At(int begin, int i, int j) => i < Rows && j < Width ? data[begin + i * row + j * column] : 0;

        /// <summary>Writes, or adds to, an element; outside of the matrix nothing happens.</summary>
        public void Set(int begin, int i, int j, float value, int adds)
        {
            if (i >= Rows || j >= Width) return;
            int at = begin + i * row + j * column;
            data[at] = adds != 0 ? data[at] + value : value;
        }
    }

    /// <summary>A thread's 4 x 4 of a tile.</summary>
    struct Scores
    {
        public Float4 Row0, Row1, Row2, Row3;

        /// <summary>Adds the outer product of 4 numbers of the rows and 4 of the columns.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Float4 a, Float4 b)
        {
            Row0 = Float4.ScaleAdd(a.X, b, Row0);
            Row1 = Float4.ScaleAdd(a.Y, b, Row1);
            Row2 = Float4.ScaleAdd(a.Z, b, Row2);
            Row3 = Float4.ScaleAdd(a.W, b, Row3);
        }

        /// <summary>Multiplies each row by a number.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Scale(float r0, float r1, float r2, float r3)
        {
            Float4 zero = default;
            Row0 = Float4.ScaleAdd(r0, Row0, zero);
            Row1 = Float4.ScaleAdd(r1, Row1, zero);
            Row2 = Float4.ScaleAdd(r2, Row2, zero);
            Row3 = Float4.ScaleAdd(r3, Row3, zero);
        }
    }

    /// <summary>A thread's 4 rows of a block's results: 4 columns of the first 64, and 4 of the second where there are more.</summary>
    struct Sums
    {
        public Scores Low, High;

        /// <summary>Adds tile^T-by-matrix: the tile [64 inner, 64 rows] in shared memory, the matrix's rows from <paramref name="first"/> on.</summary>
        public void Add<W>(ArrayView<float> tile, in GpuMatrices matrix, int begin, int first, ArrayView<float> part) where W : struct, IWidth
        {
            int row = Group.IdxX / 16, column = Group.IdxX % 16;
            for (int inner = 0; inner < Tile; inner += Depth)
            {
                for (int i = Group.IdxX; i < Depth * W.Columns; i += GroupThreads) part[i] = matrix.At(begin, first + inner + i / W.Columns, i % W.Columns);
                Group.Barrier();
                for (int k = 0; k < Depth; k++)
                {
                    Float4 a = tile.Cast<Float4>()[(inner + k) * (Tile / 4) + row];
                    Low.Add(a, part.Cast<Float4>()[k * (W.Columns / 4) + column]);
                    if (W.Columns > Tile) High.Add(a, part.Cast<Float4>()[k * (W.Columns / 4) + Tile / 4 + column]);
                }
                Group.Barrier();
            }
        }

        /// <summary>Writes or adds the results to a matrix, where the block's first row is <paramref name="first"/>.</summary>
        public readonly void Store(in GpuMatrices to, int begin, int first, int adds)
        {
            Store(Low, to, begin, first, 0, adds);
            Store(High, to, begin, first, Tile, adds);
        }

        static void Store(in Scores from, in GpuMatrices to, int begin, int first, int column, int adds)
        {
            int i = first + Group.IdxX / 16 * 4, j = column + Group.IdxX % 16 * 4;
            Store(from.Row0, to, begin, i, j, adds);
            Store(from.Row1, to, begin, i + 1, j, adds);
            Store(from.Row2, to, begin, i + 2, j, adds);
            Store(from.Row3, to, begin, i + 3, j, adds);
        }

        static void Store(Float4 from, in GpuMatrices to, int begin, int i, int j, int adds)
        {
            to.Set(begin, i, j, from.X, adds);
            to.Set(begin, i, j + 1, from.Y, adds);
            to.Set(begin, i, j + 2, from.Z, adds);
            to.Set(begin, i, j + 3, from.W, adds);
        }
    }

    /// <summary>How many columns the results have room for.</summary>
    interface IWidth
    {
        static abstract int Columns { get; }
    }

    readonly struct UpTo64 : IWidth
    {
        public static int Columns => 64;
    }

    readonly struct UpTo128 : IWidth
    {
        public static int Columns => 128;
    }

    /// <summary>A tile of a b^T, both row by row: a thread's rows of a are 4 from row <paramref name="i"/> on, of b from <paramref name="j"/> on.</summary>
    static Scores Product(in GpuMatrices a, int beginA, int i, in GpuMatrices b, int beginB, int j, ArrayView<float> parts)
    {
        Scores sums = default;
        int row = Group.IdxX / 16, column = Group.IdxX % 16;
        for (int depth = 0; depth < a.Width; depth += Depth)
        {
            for (int e = Group.IdxX; e < Depth * Tile; e += GroupThreads)
            {
                int r = e / Depth, k = e % Depth;                                // neighbouring threads read along a row
                parts[k * Tile + r] = a.At(beginA, i + r, depth + k);
                parts[(Depth + k) * Tile + r] = b.At(beginB, j + r, depth + k);
            }
            Group.Barrier();
            for (int k = 0; k < Depth; k++) sums.Add(parts.Cast<Float4>()[k * (Tile / 4) + row], parts.Cast<Float4>()[(Depth + k) * (Tile / 4) + column]);
            Group.Barrier();
        }
        return sums;
    }

    /// <summary>Lays a thread's part of a tile into shared memory, transposed: [columns, rows].</summary>
    static void Transpose(in Scores from, ArrayView<float> tile)
    {
        int row = Group.IdxX / 16, column = Group.IdxX % 16 * 4;
        ArrayView<Float4> to = tile.Cast<Float4>();
        to[column * (Tile / 4) + row] = new(from.Row0.X, from.Row1.X, from.Row2.X, from.Row3.X);
        to[(column + 1) * (Tile / 4) + row] = new(from.Row0.Y, from.Row1.Y, from.Row2.Y, from.Row3.Y);
        to[(column + 2) * (Tile / 4) + row] = new(from.Row0.Z, from.Row1.Z, from.Row2.Z, from.Row3.Z);
        to[(column + 3) * (Tile / 4) + row] = new(from.Row0.W, from.Row1.W, from.Row2.W, from.Row3.W);
    }

    /// <summary>q, k and v, and how S follows from them.</summary>
    readonly struct GpuScores(GpuBackend gpu, Tensor q, Tensor k, Tensor v, in AttentionMask mask)
    {
        public readonly GpuMatrices Q = new(gpu, q), K = new(gpu, k), V = new(gpu, v);
        public readonly GpuAttentionMask Mask = mask.On(gpu);
        public readonly float Scale = (float)(1 / Math.Sqrt(q.Shape[^1]));

        /// <summary>S of a query and four keys from q . k or, where <paramref name="rowIsKey"/>, of four queries and a key; -infinity beyond the last of either.</summary>
        public Float4 Masked(Float4 products, int query, int key, bool rowIsKey, int mask, int padding)
        {
            int q = rowIsKey ? 1 : 0, k = 1 - q;
            return new(
                One(products.X, query, key, mask, padding), One(products.Y, query + q, key + k, mask, padding),
                One(products.Z, query + 2 * q, key + 2 * k, mask, padding), One(products.W, query + 3 * q, key + 3 * k, mask, padding));
        }

        float One(float product, int query, int key, int mask, int padding) =>
            key < K.Rows && query < Q.Rows ? Mask.Apply(product * Scale, query, key, mask, padding) : float.NegativeInfinity;
    }

    static GpuMatrices Checked(GpuBackend gpu, Tensor x) => x.Shape[^1] <= MaxWidth ? new(gpu, x)
        : throw new DeviceException($"{Title}: heads of {x.Shape[^1]} numbers, {x.Shape}, on {gpu.Name}: at most {MaxWidth} were expected. Use more heads, or the CPU.");

    static void Forwards(GpuBackend gpu, Tensor q, Tensor k, Tensor v, in AttentionMask mask, Tensor y, Tensor normalizers)
    {
        Checked(gpu, q);
        GpuMatrices outputs = Checked(gpu, y);
        int blocks = (q.Shape[^2] + Tile - 1) / Tile, groups = Leading(q).Count * blocks;
        if (v.Shape[^1] > Tile) gpu.Launch(groups, GroupThreads, new GpuForward<UpTo128>(new(gpu, q, k, v, mask), outputs, gpu.View(normalizers), blocks));
        else gpu.Launch(groups, GroupThreads, new GpuForward<UpTo64>(new(gpu, q, k, v, mask), outputs, gpu.View(normalizers), blocks));
    }

    /// <summary>A row's m and z so far.</summary>
    struct Online
    {
        public float M, Z;

        /// <summary>Takes a row of scores in: they become e^(S - m). 16 neighbouring threads have the row. Returns what the sums so far are to be multiplied by.</summary>
        public float Absorb(ref Float4 scores)
        {
            float highest = Across(new Highest(), scores.Max), before = M;
            M = GpuFloat.Max(M, highest);
            float shift = float.IsNegativeInfinity(M) ? 0 : M;
            scores = new(GpuFloat.Exp(scores.X - shift), GpuFloat.Exp(scores.Y - shift), GpuFloat.Exp(scores.Z - shift), GpuFloat.Exp(scores.W - shift));
            float factor = M == before ? 1 : GpuFloat.Exp(before - M).Value;
            Z = GpuMath.Fma(Z, factor, Across(new Total(), scores.Sum));
            return factor;
        }

        interface IJoin
        {
            float Of(float a, float b);
        }

        readonly struct Highest : IJoin
        {
            public float Of(float a, float b) => GpuFloat.Max(a, b);
        }

        readonly struct Total : IJoin
        {
            public float Of(float a, float b) => a + b;
        }

        static float Across<J>(J join, float x) where J : struct, IJoin
        {
            x = join.Of(x, Warp.ShuffleXor(x, 8));
            x = join.Of(x, Warp.ShuffleXor(x, 4));
            x = join.Of(x, Warp.ShuffleXor(x, 2));
            return join.Of(x, Warp.ShuffleXor(x, 1));
        }
    }

    readonly struct GpuForward<W>(GpuScores scores, GpuMatrices y, ArrayView<float> normalizers, int blocks) : IGpuKernel where W : struct, IWidth
    {
        public void Run()
        {
            ArrayView<float> parts = SharedMemory.Allocate<float>(2 * Depth * Tile), tile = SharedMemory.Allocate<float>(Tile * Tile);
            int matrix = Grid.IdxX / blocks, first = (Grid.IdxX - matrix * blocks) * Tile, query = first + Group.IdxX / 16 * 4, column = Group.IdxX % 16 * 4;
            int q = scores.Q.Begin(matrix), k = scores.K.Begin(matrix), v = scores.V.Begin(matrix), keys = scores.K.Rows;
            scores.Mask.Locate(matrix, out int mask, out int padding);
            scores.Mask.Keys(first, first + Tile - 1, keys, out int from, out int to);
            Online row0 = Begin(), row1 = Begin(), row2 = Begin(), row3 = Begin();
            Sums sums = default;
            for (int key = from / Tile * Tile; key < to; key += Tile)
            {
                Scores s = Product(scores.Q, q, first, scores.K, k, key, parts);
                s.Row0 = scores.Masked(s.Row0, query, key + column, rowIsKey: false, mask, padding);
                s.Row1 = scores.Masked(s.Row1, query + 1, key + column, rowIsKey: false, mask, padding);
                s.Row2 = scores.Masked(s.Row2, query + 2, key + column, rowIsKey: false, mask, padding);
                s.Row3 = scores.Masked(s.Row3, query + 3, key + column, rowIsKey: false, mask, padding);
                float f0 = row0.Absorb(ref s.Row0), f1 = row1.Absorb(ref s.Row1), f2 = row2.Absorb(ref s.Row2), f3 = row3.Absorb(ref s.Row3);
                sums.Low.Scale(f0, f1, f2, f3);
                if (W.Columns > Tile) sums.High.Scale(f0, f1, f2, f3);
                Transpose(s, tile);
                Group.Barrier();
                sums.Add<W>(tile, scores.V, v, key, parts);
            }
            float i0 = Inverse(row0), i1 = Inverse(row1), i2 = Inverse(row2), i3 = Inverse(row3);
            sums.Low.Scale(i0, i1, i2, i3);
            if (W.Columns > Tile) sums.High.Scale(i0, i1, i2, i3);
            sums.Store(y, y.Begin(matrix), first, adds: 0);
            if (column != 0) return;
            Keep(matrix, query, row0, i0);
            Keep(matrix, query + 1, row1, i1);
            Keep(matrix, query + 2, row2, i2);
            Keep(matrix, query + 3, row3, i3);
        }

        static Online Begin()
        {
            Online row = default;
            row.M = float.NegativeInfinity;
            return row;
        }

        static float Inverse(Online row) => row.Z == 0 ? 0 : 1 / row.Z;

        /// <summary>m and 1 / z; for a query that has seen nothing both are 0, and P is 0 on the way back.</summary>
        void Keep(int matrix, int query, Online row, float inverse)
        {
            if (query >= y.Rows) return;
            normalizers[2 * (matrix * y.Rows + query)] = row.Z == 0 ? 0 : row.M;
            normalizers[2 * (matrix * y.Rows + query) + 1] = inverse;
        }
    }

    static void Backwards(
        GpuBackend gpu, Tensor q, Tensor k, Tensor v, in AttentionMask mask, Tensor y, Tensor normalizers, Tensor dots, Tensor dy, Tensor? dq, Tensor? dk, Tensor? dv)
    {
        GpuSlopes slopes = new(new(gpu, q, k, v, mask), new(gpu, dy), gpu.View(normalizers), gpu.View(dots));
        gpu.LaunchEach(dots.Count, new GpuRowDots(gpu.View(y), gpu.View(dy), gpu.View(dots), y.Shape[^1]));
        int matrices = Leading(q).Count;
        if (dq is { } toQ) Gradient<OfQueries>(toQ);
        if (dk is { } toK) Gradient<OfKeys>(toK);
        if (dv is { } toV) Gradient<OfValues>(toV);

        void Gradient<G>(Tensor to) where G : struct, IGradient
        {
            int blocks = (to.Shape[^2] + Tile - 1) / Tile;
            if (to.Shape[^1] > Tile) gpu.Launch(matrices * blocks, GroupThreads, new GpuGradient<G, UpTo128>(slopes, new(gpu, to), blocks));
            else gpu.Launch(matrices * blocks, GroupThreads, new GpuGradient<G, UpTo64>(slopes, new(gpu, to), blocks));
        }
    }

    /// <summary>D_i = g_i . y_i.</summary>
    readonly struct GpuRowDots(ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dots, int width) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= dots.IntLength) return;
            float dot = 0;
            for (int j = 0; j < width; j++) dot = GpuMath.Fma(dy[i * width + j], y[i * width + j], dot);
            dots[i] = dot;
        }
    }

    /// <summary>P and dL/dS, computed again from what the way forward kept.</summary>
    readonly struct GpuSlopes(GpuScores scores, GpuMatrices dy, ArrayView<float> normalizers, ArrayView<float> dots)
    {
        public readonly GpuScores Scores = scores;
        public readonly GpuMatrices Dy = dy;

        /// <summary>P of a query and a key, from S.</summary>
        public float Probability(float score, int matrix, int query)
        {
            if (query >= Scores.Q.Rows) return 0;
            int row = 2 * (matrix * Scores.Q.Rows + query);
            return GpuFloat.Exp(score - normalizers[row]).Value * normalizers[row + 1];
        }

        /// <summary>dL/d(q . k) of a query and a key, from P and g . v.</summary>
        public float Slope(float p, float gv, int matrix, int query) => query < Scores.Q.Rows ? Scores.Scale * p * (gv - dots[matrix * Scores.Q.Rows + query]) : 0;
    }

    /// <summary>Which input's gradient: the rows of the tile are that input's.</summary>
    interface IGradient
    {
        /// <summary>Whether rows are keys, and columns queries.</summary>
        static abstract bool RowsAreKeys { get; }

        /// <summary>Whether it follows from P, and not from dL/dS.</summary>
        static abstract bool IsOfValues { get; }
    }

    readonly struct OfQueries : IGradient
    {
        public static bool RowsAreKeys => false;
        public static bool IsOfValues => false;
    }

    readonly struct OfKeys : IGradient
    {
        public static bool RowsAreKeys => true;
        public static bool IsOfValues => false;
    }

    readonly struct OfValues : IGradient
    {
        public static bool RowsAreKeys => true;
        public static bool IsOfValues => true;
    }

    /// <summary>The gradient of a block of queries, keys or values: dL/dS k, (dL/dS)^T q or P^T g, summed over the blocks of the others.</summary>
    readonly struct GpuGradient<G, W>(GpuSlopes slopes, GpuMatrices to, int blocks) : IGpuKernel where G : struct, IGradient where W : struct, IWidth
    {
        public void Run()
        {
            ArrayView<float> parts = SharedMemory.Allocate<float>(2 * Depth * Tile), tile = SharedMemory.Allocate<float>(Tile * Tile);
            int matrix = Grid.IdxX / blocks, first = (Grid.IdxX - matrix * blocks) * Tile, row = first + Group.IdxX / 16 * 4, column = Group.IdxX % 16 * 4;
            GpuScores scores = slopes.Scores;
            int q = scores.Q.Begin(matrix), k = scores.K.Begin(matrix), v = scores.V.Begin(matrix), g = slopes.Dy.Begin(matrix), from, end;
            scores.Mask.Locate(matrix, out int mask, out int padding);
            if (G.RowsAreKeys) scores.Mask.Queries(first, first + Tile - 1, scores.Q.Rows, out from, out end);
            else scores.Mask.Keys(first, first + Tile - 1, scores.K.Rows, out from, out end);
            Sums sums = default;
            for (int other = from / Tile * Tile; other < end; other += Tile)
            {
                Scores s = G.RowsAreKeys ? Product(scores.K, k, first, scores.Q, q, other, parts) : Product(scores.Q, q, first, scores.K, k, other, parts), gv = default;
                if (!G.IsOfValues) gv = G.RowsAreKeys ? Product(scores.V, v, first, slopes.Dy, g, other, parts) : Product(slopes.Dy, g, first, scores.V, v, other, parts);
                s.Row0 = Factor(s.Row0, gv.Row0, matrix, row, other + column, mask, padding);
                s.Row1 = Factor(s.Row1, gv.Row1, matrix, row + 1, other + column, mask, padding);
                s.Row2 = Factor(s.Row2, gv.Row2, matrix, row + 2, other + column, mask, padding);
                s.Row3 = Factor(s.Row3, gv.Row3, matrix, row + 3, other + column, mask, padding);
                Transpose(s, tile);
                Group.Barrier();
                if (G.IsOfValues) sums.Add<W>(tile, slopes.Dy, g, other, parts);
                else if (G.RowsAreKeys) sums.Add<W>(tile, scores.Q, q, other, parts);
                else sums.Add<W>(tile, scores.K, k, other, parts);
            }
            sums.Store(to, to.Begin(matrix), first, adds: 1);
        }

        /// <summary>P, or dL/d(q . k), of a row and four columns of the tile.</summary>
        Float4 Factor(Float4 products, Float4 gv, int matrix, int row, int column, int mask, int padding)
        {
            int query = G.RowsAreKeys ? column : row, key = G.RowsAreKeys ? row : column, step = G.RowsAreKeys ? 1 : 0;
            Float4 s = slopes.Scores.Masked(products, query, key, G.RowsAreKeys, mask, padding);
            return new(
                One(s.X, gv.X, matrix, query), One(s.Y, gv.Y, matrix, query + step), One(s.Z, gv.Z, matrix, query + 2 * step), One(s.W, gv.W, matrix, query + 3 * step));
        }

        float One(float s, float gv, int matrix, int query)
        {
            float p = slopes.Probability(s, matrix, query);
            return G.IsOfValues ? p : slopes.Slope(p, gv, matrix, query);
        }
    }
}
