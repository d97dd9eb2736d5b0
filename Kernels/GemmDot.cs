using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// A product of a few contiguous rows with contiguous columns, as of a vector with a transposed matrix: each element is a dot product, the lanes of which
/// are summed at the end. It reads B in place, where <see cref="GemmPacking"/> would read, transpose and write it first.
/// </summary>
/// <remarks>
/// Float32 on one core in GFLOP/s, packed and this way: [1, 100] x [100, 400] 11 and 30, [4, 256] x [256, 1024] 33 and 81, [16, 512] x [512, 512] 69 and 96.
/// Summing the lanes of four dot products together gave a quarter of the first.
/// </remarks>
static unsafe class GemmDot
{
    // Multiplications that are worth another thread.
    const long Grain = 64 * 1024;

    /// <summary>Whether A and B lie as this kernel needs them, and A has few rows for its length: packing costs as much for few rows, summing lanes for short ones.</summary>
    public static bool Fits<T>(Matrix<T> a, Matrix<T> b) where T : unmanaged =>
        (a.ColumnStride == 1 || a.Columns == 1) && (b.RowStride == 1 || b.Rows == 1) && b.ColumnStride != 1 && a.Rows <= Math.Clamp(a.Columns / 12, 2, 32);

    /// <summary>C = A B, C += A B, or A B + bias, shared out by columns.</summary>
    public static void Run<V, T>(Matrix<T> a, Matrix<T> b, Matrix<T> c, bool accumulate, T* bias)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int grain = Math.Max(4, (int)(Grain / ((long)a.Rows * a.Columns + 1)) & -4);
        ThreadTeam.For(c.Columns, grain, new Body<V, T> { A = a, B = b, C = c, Accumulate = accumulate, Bias = bias });
    }

    struct Body<V, T> : IParallelBody where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        public Matrix<T> A, B, C;
        public T* Bias;
        public bool Accumulate;

        public readonly void Run(int start, int end)
        {
            for (int j = start; j < end; j += 4)
            {
                int columns = Math.Min(4, end - j);
                for (int i = 0; i < A.Rows; i += 2)
                {
                    if (A.Rows - i >= 2) Four<Two>(i, j, columns);
                    else Four<One>(i, j, columns);
                }
            }
        }

        /// <summary>One or two rows times four columns; a column that is not there is read as the last one.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        readonly void Four<R>(int i, int j, int columns) where R : struct, IRows
        {
            nint k = A.Columns, p = 0;
            T* a0 = A.At(i, 0), a1 = a0 + (R.IsTwo ? A.RowStride : 0), c = C.At(i, j);
            T* b0 = B.At(0, j), b1 = b0 + (columns > 1 ? B.ColumnStride : 0);
            T* b2 = b1 + (columns > 2 ? B.ColumnStride : 0), b3 = b2 + (columns > 3 ? B.ColumnStride : 0);
            V c00 = V.Zero, c01 = V.Zero, c02 = V.Zero, c03 = V.Zero, c10 = V.Zero, c11 = V.Zero, c12 = V.Zero, c13 = V.Zero;
            for (; p <= k - V.Count; p += V.Count)
            {
                V x0 = V.Load(a0 + p), x1 = R.IsTwo ? V.Load(a1 + p) : V.Zero;
                V y = V.Load(b0 + p);
                c00 = V.Fma(x0, y, c00);
                if (R.IsTwo) c10 = V.Fma(x1, y, c10);
                y = V.Load(b1 + p);
                c01 = V.Fma(x0, y, c01);
                if (R.IsTwo) c11 = V.Fma(x1, y, c11);
                y = V.Load(b2 + p);
                c02 = V.Fma(x0, y, c02);
                if (R.IsTwo) c12 = V.Fma(x1, y, c12);
                y = V.Load(b3 + p);
                c03 = V.Fma(x0, y, c03);
                if (R.IsTwo) c13 = V.Fma(x1, y, c13);
            }
            if (p < k)
            {
                int rest = (int)(k - p);
                V x0 = V.LoadPartial(a0 + p, rest, T.Zero), x1 = R.IsTwo ? V.LoadPartial(a1 + p, rest, T.Zero) : V.Zero;
                V y0 = V.LoadPartial(b0 + p, rest, T.Zero), y1 = V.LoadPartial(b1 + p, rest, T.Zero);
                V y2 = V.LoadPartial(b2 + p, rest, T.Zero), y3 = V.LoadPartial(b3 + p, rest, T.Zero);
                (c00, c01, c02, c03) = (V.Fma(x0, y0, c00), V.Fma(x0, y1, c01), V.Fma(x0, y2, c02), V.Fma(x0, y3, c03));
                if (R.IsTwo) (c10, c11, c12, c13) = (V.Fma(x1, y0, c10), V.Fma(x1, y1, c11), V.Fma(x1, y2, c12), V.Fma(x1, y3, c13));
            }
            Put(c, j, columns, c00, c01, c02, c03);
            if (R.IsTwo) Put(c + C.RowStride, j, columns, c10, c11, c12, c13);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        readonly void Put(T* c, int j, int columns, V sums0, V sums1, V sums2, V sums3)
        {
            T* sums = stackalloc T[4];
            Sum(sums0, sums1, sums2, sums3, sums);
            nint stride = C.ColumnStride;
            if (Accumulate) for (int column = 0; column < columns; column++, c += stride) *c += sums[column];
            else if (Bias != null) for (int column = 0; column < columns; column++, c += stride) *c = Bias[j + column] + sums[column];
            else for (int column = 0; column < columns; column++, c += stride) *c = sums[column];
        }

        /// <summary>The sums of four vectors' lanes, each in the order of <c>V.Sum</c> but the last two steps of all four at once.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Sum(V a, V b, V c, V d, T* sums)
        {
            if (typeof(T) == typeof(float) && V.Count >= 4 && Quad.IsSupported)
            {
                Vector128<float> a4 = Fold(a), b4 = Fold(b), c4 = Fold(c), d4 = Fold(d);
                Vector128<float> ac = Quad.Low(a4, c4) + Quad.High(a4, c4), bd = Quad.Low(b4, d4) + Quad.High(b4, d4);
                (Quad.Low(ac, bd) + Quad.High(ac, bd)).Store((float*)sums);
            }
            else (sums[0], sums[1], sums[2], sums[3]) = (V.Sum(a), V.Sum(b), V.Sum(c), V.Sum(d));
        }

        /// <summary>Halves added until four lanes are left.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector128<float> Fold(V a)
        {
            if (typeof(V) == typeof(Float32x4)) return Unsafe.BitCast<V, Vector128<float>>(a);
            Vector256<float> half;
            if (typeof(V) == typeof(Float32x8)) half = Unsafe.BitCast<V, Vector256<float>>(a);
            else
            {
                Vector512<float> whole = Unsafe.BitCast<V, Vector512<float>>(a);
                half = whole.GetLower() + whole.GetUpper();
            }
            return half.GetLower() + half.GetUpper();
        }
    }

    interface IRows
    {
        static abstract bool IsTwo { get; }
    }

    struct One : IRows { public static bool IsTwo => false; }
    struct Two : IRows { public static bool IsTwo => true; }
}
