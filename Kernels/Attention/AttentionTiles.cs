using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

public sealed unsafe partial class ScaledDotProductAttention
{
    // Rows of k and v that a block of queries meets at a time: 64 KB with 64 numbers each, which stay in the level 2 cache while the panels of the queries pass by.
    // Blocks of 96 to 256 are within 3% of each other; small ones give more tasks.
    const int QueryBlock = 128, KeyBlock = 128;

    /// <summary>The matrices [rows, width] of a tensor [.., rows, width].</summary>
    readonly struct Matrices(Tensor x)
    {
        readonly StridedLoop loop = new(Leading(x), x.Strides.Without(x.Rank - 1).Without(x.Rank - 2));
        readonly int row = x.Strides[^2];

        public readonly int Width = x.Shape[^1];

        public int Count => loop.Count;

        /// <summary>One of them, each row contiguous.</summary>
        public Matrix<T> Rows<T>(int matrix) where T : unmanaged
        {
            loop.Locate(matrix, out long offset, out _, out _, out _);
            return new(x.Pointer<T>() + offset, x.Shape[^2], Width, row, 1);
        }

        /// <summary>Some rows of it.</summary>
        public Matrix<T> Rows<T>(int matrix, int first, int count) where T : unmanaged => Rows<T>(matrix).Band(first, count);
    }

    /// <summary>
    /// The tiles of all score matrices. A block of queries is cut into panels of two vectors; a panel of S^T has a row for each key and a lane for each query.
    /// </summary>
    /// <remarks>
    /// Against tiles of S, for which k^T and v^T were packed anew in every block of queries and P^T, dL/dS^T, q and dy on the way back, 8 heads of 1024 x 64 gain on one core 31.6 to 23.7 ms forward
    /// and 114 to 80 ms with the way back; 48 of 64 x 32 0.48 to 0.34 and 2.2 to 1.1. Packed rows are scaled when the scores are exponentiated, not by another pass over them: 8% of the last.
    /// </remarks>
    readonly struct Tiles(Tensor q, Tensor k, Tensor v, AttentionMask mask, Tensor normalizers)
    {
        public readonly Matrices Q = new(q), K = new(k), V = new(v);
        public readonly AttentionMask Mask = mask;
        public readonly int Queries = q.Shape[^2], Keys = k.Shape[^2];
        public readonly double Scale = 1 / Math.Sqrt(q.Shape[^1]);

        // So few queries leave most lanes empty: their products with the keys are summed along the rows instead.
        readonly bool few = q.Shape[^2] <= 4;

        public int Matrices => Q.Count;
        public int QueryBlocks => (Queries + QueryBlock - 1) / QueryBlock;
        public int KeyBlocks => (Keys + KeyBlock - 1) / KeyBlock;

        /// <summary>The queries in a panel.</summary>
        public static int Panel<W>() where W : struct, ISimd<W> => GemmMicroKernel.Vectors * W.Count;

        /// <summary>m of all queries of a matrix, and then 1 / z.</summary>
        public T* Normalizers<T>(int matrix) where T : unmanaged => normalizers.Pointer<T>() + 2L * matrix * Queries;

        /// <summary>The rows of a panel in the order that <see cref="Dots"/> reads: transposed, lanes beyond zero or as those before; or as they are, if they are few.</summary>
        public void Pack<W, T>(Matrix<T> rows, T* to) where W : struct, ISimd<W, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (few)
            {
                for (int i = 0; i < rows.Rows; i++) new Span<T>(rows.At(i, 0), rows.Columns).CopyTo(new(to + i * rows.Columns, rows.Columns));
                return;
            }
            if (rows.Rows < Panel<W>()) new Span<T>(to, rows.Columns * Panel<W>()).Clear();
            GemmPacking.Interleave<W, T>(rows, to, Panel<W>());
        }

        /// <summary>The products of rows with those of a packed panel, transposed: a row for each of <paramref name="a"/>, a lane for each of the panel's.</summary>
        public void Dots<W, T>(Matrix<T> a, T* packed, int lanes, T* to, int row) where W : struct, ISimd<W, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int panel = Panel<W>();
            if (few) GemmDot.Run<W, T>(new(packed, lanes, a.Columns), a.Transposed, new(to, lanes, a.Rows, 1, row), accumulate: false, bias: null);
            else Product<W, T>(a, new(packed, a.Columns, panel), new(to, a.Rows, panel, row, 1), accumulate: false);
        }

        /// <summary>The product of each row of a packed panel with the same row of another one, summed as <see cref="Dots"/> does.</summary>
        public void OwnDots<W, T>(T* packed, T* other, int width, int lanes, T* to) where W : struct, ISimd<W, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (few)
            {
                for (int i = 0; i < lanes; i++)
                    GemmDot.Run<W, T>(new(packed + i * width, 1, width), new(other + i * width, width, 1, 1, width), new(to + i, 1, 1), accumulate: false, bias: null);
                return;
            }
            int panel = Panel<W>();
            for (int i = 0; i < panel; i += W.Count)
            {
                W dot = W.Zero;
                for (int p = 0; p < width; p++) dot = W.Fma(W.Load(packed + p * panel + i), W.Load(other + p * panel + i), dot);
                W.Store(to + i, dot);
            }
        }

        /// <summary>S^T of some keys and a packed panel of queries, not yet divided by sqrt(d), into a tile with the given distance of rows.</summary>
        public void Scores<W, T>(int matrix, int query, int queries, int key, Matrix<T> keys, T* packed, T* tile, int row)
            where W : struct, ISimd<W, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Dots<W, T>(keys, packed, queries, tile, row);
            Mask.Add<W, T>(matrix, query, queries, key, keys.Rows, tile, row, 1 / Scale);
        }

        /// <summary>C = A B, or C += A B, on this thread and with the operands where they are: all are in the caches, and lie as the micro-kernel reads them.</summary>
        public static void Product<W, T>(Matrix<T> a, Matrix<T> b, Matrix<T> c, bool accumulate) where W : struct, ISimd<W, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int tiles = (c.Rows + GemmMicroKernel.MaxRows<W>() - 1) / GemmMicroKernel.MaxRows<W>();
            for (int j = 0; j < c.Columns; j += Panel<W>())
                for (int tile = 0, i = 0; tile < tiles; tile++)
                {
                    int rows = (c.Rows - i) / (tiles - tile);
                    T* to = c.At(i, j);
                    GemmMicroKernel.Run<W, T>(rows, Math.Min(Panel<W>(), c.Columns - j), a.Columns, a.At(i, 0), a.RowStride, a.ColumnStride, b.At(0, j), b.RowStride,
                        to, c.RowStride, accumulate ? to : null, accumulate ? c.RowStride : 0);
                    i += rows;
                }
        }
    }
}
