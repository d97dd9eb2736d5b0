using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The product of two matrices of any strides, after BLIS (Van Zee and van de Geijn, 2015). This file cuts it into blocks for the caches and shares them out;
/// <see cref="GemmPacking"/> copies operands into order, <see cref="GemmMicroKernel"/> multiplies tiles in registers, <see cref="GemmDot"/> takes few rows.
/// </summary>
public static unsafe class Gemm
{
    // k at a time: a tile's rows of A, 12 x 512 floats, then stay in the level 1 cache (32 KB) while the columns of B pass by from level 2.
    // Against 256 with B's columns in level 1, squares of 1000 and 2048 gain 6% and 4%; shorter blocks pass over C more often, and 128 loses 5%.
    const int BlockK = 512;

    // Packed rows of A and columns of B at a time: 8 MB each in float, of the level 3 cache.
    const int BlockRows = 4080, BlockColumns = 4096;

    // Rows of A that one chunk of work goes through while its columns of B stay in the level 2 cache.
    const int ChunkRows = 120;

    // Up to this many columns of C, A^T is read in place, as is B up to this many rows: packing is a pass over memory, worth it only if what it makes is read
    // often afterwards. The gradients of a linear map's weights, 512 x 768 x 128 and 128 x 768 x 512 with A^T, gain 15% and 8% against packing from 64 on.
    const int UnpackedColumns = 512, UnpackedRows = 512;

    // The same where what a tile needs at a time falls into one set of the level 1 cache.
    const int CollidingColumns = 64, CollidingRows = 100;

    // Steps of k that are packed for all tiles before the next ones, where a step is contiguous: memory is then read in its order.
    const int PackedSteps = 8;

    // Multiply-adds, two operations each, below which a product whose operands have just been packed is one chunk: another core would have to fetch what this one has in its level 1 cache.
    // 64 x 64 x 64 and 32 x 100 x 92 with B transposed take 40% and 30% less.
    const double SmallPackedWork = 1.5e6;

    const int MaxTile = 12 * GemmMicroKernel.Vectors * 16;

    /// <summary>C = A B, or C += A B, on all threads; within a loop of the thread team, on this one.</summary>
    /// <param name="a">[m, k].</param>
    /// <param name="b">[k, n].</param>
    /// <param name="c">[m, n], of which no two elements share memory with each other or with a or b.</param>
    /// <param name="accumulate">Whether to add to C instead of overwriting it.</param>
    /// <param name="bias">Null, or n values that are added to every row; not together with <paramref name="accumulate"/>.</param>
    /// <remarks>
    /// The shapes are not checked. Every element of C is the sum over blocks of k of sums in the order of k, and the bits of the result do not depend
    /// on the number of threads.
    /// </remarks>
    public static void Multiply<V, T>(Matrix<T> a, Matrix<T> b, Matrix<T> c, bool accumulate = false, T* bias = null)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (c.Rows == 0 || c.Columns == 0) return;
        bool columnMajor = c.Columns == 1 ? c.Rows > 1 : c.ColumnStride != 1 && c.RowStride == 1;
        if (a.Columns == 0 || (bias != null && columnMajor))
        {
            if (!accumulate) Fill(c, bias);
            if (a.Columns == 0) return;
            accumulate = true;
            bias = null;
        }
        if (columnMajor) (a, b, c) = (b.Transposed, a.Transposed, c.Transposed);      // C^T = B^T A^T
        if (GemmDot.Fits(a, b)) GemmDot.Run<V, T>(a, b, c, accumulate, bias);
        else new Product<V, T>(a, b, c, accumulate, bias).Run();
    }

    /// <summary>C = A B, or C += A B, for tensors of two dimensions and of one type, outside the tape.</summary>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static void Multiply(Tensor a, Tensor b, Tensor c, bool accumulate = false)
    {
        if (a.Rank != 2 || b.Rank != 2 || c.Rank != 2 || a.Shape[1] != b.Shape[0] || c.Shape[0] != a.Shape[0] || c.Shape[1] != b.Shape[1])
            throw new ShapeException("Gemm", $"a {a.Shape} x b {b.Shape} into {c.Shape}: [m, k] x [k, n] into [m, n] was expected.");
        if (a.DType != b.DType || a.DType != c.DType || !a.DType.IsFloat())
            throw new ShapeException("Gemm", $"a {a.DType} x b {b.DType} into {c.DType}: one real type was expected.");
        MatrixLayout Layout(Tensor t) => new(t.Strides[0], t.Strides[1]);
        new BatchedGemm(c.Shape[0], c.Shape[1], a.Shape[1], Layout(a), Layout(b), Layout(c)).Run(a, b, c, accumulate);
    }

    static void Fill<T>(Matrix<T> c, T* row) where T : unmanaged
    {
        for (int i = 0; i < c.Rows; i++)
            for (int j = 0; j < c.Columns; j++) *c.At(i, j) = row == null ? default : row[j];
    }

    /// <summary>One product and the way it is cut into blocks.</summary>
    readonly struct Product<V, T>(Matrix<T> a, Matrix<T> b, Matrix<T> c, bool accumulate, T* bias)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        static int TileWidth => GemmMicroKernel.Vectors * V.Count;

        static bool Collides(Matrix<T> x) => x.RowStride * x.ColumnStride * sizeof(T) % 4096 == 0;

        public void Run()
        {
            int m = c.Rows, n = c.Columns, k = a.Columns;
            bool packA = n > (Collides(a) ? CollidingColumns : a.ColumnStride == 1 ? int.MaxValue : UnpackedColumns);
            bool packB = b.ColumnStride != 1 || m > (Collides(b) ? CollidingRows : UnpackedRows);
            int rowsAtOnce = packA ? Math.Min(m, BlockRows) : m, columnsAtOnce = packB ? Math.Min(n, BlockColumns) : n;
            int depth = Tiles(k, Tiles(k, BlockK));
            long sizeA = packA ? (long)Tiles(rowsAtOnce, GemmMicroKernel.MaxRows<V>()) * Block<V, T>.PackedRows * depth : 0;
            long sizeB = packB ? (long)Tiles(columnsAtOnce, TileWidth) * TileWidth * depth : 0;
            T* scratch = ThreadScratch<BatchedGemm>.Take<T>(sizeA + sizeB);

            for (int j = 0; j < n; j += columnsAtOnce)
                for (int p = 0; p < k; p += depth)
                    for (int i = 0; i < m; i += rowsAtOnce)
                    {
                        int rows = Math.Min(rowsAtOnce, m - i), columns = Math.Min(columnsAtOnce, n - j), length = Math.Min(depth, k - p);
                        Block<V, T> block = new(a.Block(i, p, rows, length), b.Block(p, j, length, columns), c.Block(i, j, rows, columns))
                        {
                            PackedA = packA ? scratch : null,
                            PackedB = packB ? scratch + sizeA : null,
                            Accumulate = accumulate || p > 0,
                            Bias = bias == null ? null : bias + j,
                        };
                        block.Run(packB && i == 0);
                    }
        }
    }

    /// <summary>A block of C and what it needs of A and B: as much as is packed at a time.</summary>
    struct Block<V, T>(Matrix<T> a, Matrix<T> b, Matrix<T> c) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        readonly Matrix<T> a = a, b = b, c = c;
        readonly int tileRows = Tiles(c.Rows, GemmMicroKernel.MaxRows<V>()), tileColumns = Tiles(c.Columns, TileWidth);
        readonly int tileRowsAtLeast = c.Rows / Tiles(c.Rows, GemmMicroKernel.MaxRows<V>());
        int chunkRows, chunkColumns;

        public T* PackedA, PackedB, Bias;
        public bool Accumulate;

        static int TileWidth => GemmMicroKernel.Vectors * V.Count;

        // Packing writes four rows at a time.
        public static int PackedRows => (GemmMicroKernel.MaxRows<V>() + 3) & -4;

        // Tiles differ in height by at most one: a last tile of a row or two would wait for the latency of its own sums.
        readonly int FirstRow(int tile) => tile * tileRowsAtLeast + Math.Min(tile, c.Rows - tileRows * tileRowsAtLeast);

        public void Run(bool packB)
        {
            Pack(PackedA != null, a.RowStride == 1, isB: false);
            Pack(packB, b.ColumnStride == 1, isB: true);

            double work = 2.0 * c.Rows * c.Columns * a.Columns, chunk = Math.Clamp(work / 16, 5e5, 8e6);
            chunkRows = Tiles(tileRows, Tiles(tileRows, ChunkRows / GemmMicroKernel.MaxRows<V>()));
            double column = work / tileRows * chunkRows / tileColumns;
            chunkColumns = (int)Math.Clamp(chunk / column, 1, tileColumns);
            if (column > chunk) chunkRows = (int)Math.Max(1, chunkRows * chunk / column);
            if (work < SmallPackedWork && (packB || PackedA != null)) (chunkRows, chunkColumns) = (tileRows, tileColumns);
            ThreadTeam.For(Tiles(tileRows, chunkRows) * Tiles(tileColumns, chunkColumns), 1, new Compute { Block = this });
        }

        readonly void Pack(bool wanted, bool bySteps, bool isB)
        {
            if (!wanted) return;
            int k = a.Columns, tiles = isB ? tileColumns : tileRows, width = isB ? TileWidth : PackedRows;
            if (bySteps) ThreadTeam.For(Tiles(k, PackedSteps), Math.Max(1, 16384 / (PackedSteps * tiles * width)), new PackSteps { Block = this, IsB = isB });
            else ThreadTeam.For(tiles, Math.Max(1, 16384 / (k * width)), new PackTiles { Block = this, IsB = isB });
        }

        readonly void PackTile(int tile, int step, int steps, bool isB)
        {
            if (isB)
            {
                int column = tile * TileWidth;
                Matrix<T> from = b.Block(step, column, steps, Math.Min(TileWidth, c.Columns - column));
                GemmPacking.Interleave<V, T>(from.Transposed, PackedB + (long)column * b.Rows + (long)step * TileWidth, TileWidth);
            }
            else
            {
                int row = FirstRow(tile);
                GemmPacking.Interleave<V, T>(a.Block(row, step, FirstRow(tile + 1) - row, steps), PackedA + ((long)tile * a.Columns + step) * PackedRows, PackedRows);
            }
        }

        readonly void ComputeChunk(int chunk)
        {
            int across = Tiles(tileColumns, chunkColumns), firstColumn = chunk % across * chunkColumns, firstRow = chunk / across * chunkRows;
            for (int i = firstRow; i < Math.Min(tileRows, firstRow + chunkRows); i++)
                for (int j = firstColumn; j < Math.Min(tileColumns, firstColumn + chunkColumns); j++) ComputeTile(i, j);
        }

        readonly void ComputeTile(int tileRow, int tileColumn)
        {
            int k = a.Columns, i = FirstRow(tileRow), rows = FirstRow(tileRow + 1) - i;
            int j = tileColumn * TileWidth, columns = Math.Min(TileWidth, c.Columns - j);
            Matrix<T> p = PackedA == null ? a.Block(i, 0, rows, k) : new(PackedA + (long)tileRow * PackedRows * k, rows, k, 1, PackedRows);
            Matrix<T> q = PackedB == null ? b.Block(0, j, k, columns) : new(PackedB + (long)j * k, k, columns, TileWidth, 1);
            Matrix<T> to = c.Block(i, j, rows, columns);
            if (c.ColumnStride != 1 && c.Columns != 1)
            {
                Scattered(p, q, to, j);
                return;
            }
            GemmMicroKernel.Prefetch(to);
            T* addend = Accumulate ? to.Address : Bias == null ? null : Bias + j;
            GemmMicroKernel.Run<V, T>(rows, columns, k, p.Address, p.RowStride, p.ColumnStride, q.Address, q.RowStride,
                to.Address, to.RowStride, addend, Accumulate ? to.RowStride : 0);
        }

        /// <summary>A tile none of whose rows is contiguous takes a detour.</summary>
        [SkipLocalsInit]
        readonly void Scattered(Matrix<T> p, Matrix<T> q, Matrix<T> to, int j)
        {
            T* tile = stackalloc T[MaxTile];
            GemmMicroKernel.Run<V, T>(to.Rows, to.Columns, p.Columns, p.Address, p.RowStride, p.ColumnStride, q.Address, q.RowStride, tile, TileWidth, null, 0);
            for (int r = 0; r < to.Rows; r++)
                for (int s = 0; s < to.Columns; s++)
                {
                    T sum = tile[r * TileWidth + s], addend = Accumulate ? *to.At(r, s) : Bias == null ? T.Zero : Bias[j + s];
                    *to.At(r, s) = sum + addend;
                }
        }

        struct PackTiles : IParallelBody
        {
            public Block<V, T> Block;
            public bool IsB;

            public readonly void Run(int start, int end)
            {
                for (int tile = start; tile < end; tile++) Block.PackTile(tile, 0, Block.b.Rows, IsB);
            }
        }

        struct PackSteps : IParallelBody
        {
            public Block<V, T> Block;
            public bool IsB;

            public readonly void Run(int start, int end)
            {
                int tiles = IsB ? Block.tileColumns : Block.tileRows;
                for (int step = start * PackedSteps; step < Math.Min(Block.b.Rows, end * PackedSteps); step += PackedSteps)
                    for (int tile = 0; tile < tiles; tile++) Block.PackTile(tile, step, Math.Min(PackedSteps, Block.b.Rows - step), IsB);
            }
        }

        struct Compute : IParallelBody
        {
            public Block<V, T> Block;

            public readonly void Run(int start, int end)
            {
                for (int chunk = start; chunk < end; chunk++) Block.ComputeChunk(chunk);
            }
        }
    }

    static int Tiles(int count, int size) => (count + size - 1) / size;
}
