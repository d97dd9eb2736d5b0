using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The innermost part of a matrix product: a tile of C that is held in registers while k runs. The tile's height is a type parameter, so that the JIT
/// compiles one kernel for each height, leaves out the rows it lacks, and keeps the rest in registers.
/// </summary>
/// <remarks>
/// <para>
/// Every step of k reads two vectors of a row of B and one element from each row of A, which is broadcast: 2 x 12 multiply-adds for 14 reads. With 32
/// registers, 24 hold the tile; with 16, heights up to 6 leave room for the operands. The 24 sums hide the latency of a multiply-add (4 cycles)
/// up to 6 of them a cycle.
/// </para>
/// <para>A may have any strides, and rows of B any distance, so the same kernel runs on packed and on unpacked operands.</para>
/// </remarks>
static unsafe class GemmMicroKernel
{
    /// <summary>Vectors in a row of a tile.</summary>
    public const int Vectors = 2;

    // Where A^T is read in place each step is in another line, which the processor does not foresee: it is asked for so many steps ahead. From the level 3 cache,
    // 512 x 768 x 128 and 128 x 768 x 512 gain 20%. Where lines follow each other the processor foresees them by itself.
    const int StepsAhead = 8;

    /// <summary>The largest height of a tile.</summary>
    public static int MaxRows<V>() => typeof(V) == typeof(Float32x16) ? 12 : 6;

    /// <summary>C = A B + addend for one tile, where the addend is null for zero, C itself to accumulate, or one row for every row (stride 0).</summary>
    /// <param name="rows">The tile's height, 1 to <see cref="MaxRows"/>.</param>
    /// <param name="columns">Its width, 1 to <see cref="Vectors"/> times the lanes. Nothing beyond is read from B or written.</param>
    /// <param name="k">The columns of A and rows of B.</param>
    /// <param name="a">The tile's rows of A.</param>
    /// <param name="aRow">The stride between rows of A.</param>
    /// <param name="aColumn">The stride between columns of A.</param>
    /// <param name="b">The tile's columns of B, each row of which is contiguous.</param>
    /// <param name="bRow">The stride between rows of B.</param>
    /// <param name="c">The tile of C, each row of which is contiguous.</param>
    /// <param name="cRow">The stride between rows of C.</param>
    /// <param name="addend">What is added.</param>
    /// <param name="addendRow">The stride between rows of it.</param>
    public static void Run<V, T>(
        int rows, int columns, int k, T* a, nint aRow, nint aColumn, T* b, nint bRow, T* c, nint cRow, T* addend, nint addendRow)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        switch (rows)
        {
            case 1: Columns<V, T, Rows1>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 2: Columns<V, T, Rows2>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 3: Columns<V, T, Rows3>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 4: Columns<V, T, Rows4>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 5: Columns<V, T, Rows5>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 6: Columns<V, T, Rows6>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 7: Columns<V, T, Rows7>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 8: Columns<V, T, Rows8>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 9: Columns<V, T, Rows9>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 10: Columns<V, T, Rows10>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 11: Columns<V, T, Rows11>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
            case 12: Columns<V, T, Rows12>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow); break;
        }
    }

    /// <summary>
    /// Asks for a tile of C, which may lie in memory or in the level 3 cache, before its product is computed. Squares of 512 and of 1024 gain 6%.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch<T>(Matrix<T> c) where T : unmanaged
    {
        if (!Sse.IsSupported) return;
        for (int i = 0; i < c.Rows; i++)
        {
            T* row = c.At(i, 0);
            Sse.Prefetch0(row);
            Sse.Prefetch0(row + c.Columns - 1);
        }
    }

    static void Columns<V, T, R>(int columns, int k, T* a, nint aRow, nint aColumn, T* b, nint bRow, T* c, nint cRow, T* addend, nint addendRow)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where R : unmanaged
    {
        bool inPlace = aRow == 1 && aColumn > 16;                    // packed rows of A lie closer
        if (columns == 2 * V.Count && inPlace) Tile<V, T, R, TwoVectorsAhead>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow);
        else if (columns == 2 * V.Count) Tile<V, T, R, TwoVectors>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow);
        else if (columns > V.Count) Tile<V, T, R, TwoVectorsPartly>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow);
        else Tile<V, T, R, OneVectorPartly>(columns, k, a, aRow, aColumn, b, bRow, c, cRow, addend, addendRow);
    }

    // Optimised at once: a loop that starts in the lowest tier would be left by on-stack replacement in the middle, with spilled registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Tile<V, T, R, W>(int columns, int k, T* a, nint aRow, nint aColumn, T* b, nint bRow, T* c, nint cRow, T* addend, nint addendRow)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where R : unmanaged where W : struct, IWidth
    {
        V c00 = V.Zero, c01 = V.Zero, c10 = V.Zero, c11 = V.Zero, c20 = V.Zero, c21 = V.Zero, c30 = V.Zero, c31 = V.Zero;
        V c40 = V.Zero, c41 = V.Zero, c50 = V.Zero, c51 = V.Zero, c60 = V.Zero, c61 = V.Zero, c70 = V.Zero, c71 = V.Zero;
        V c80 = V.Zero, c81 = V.Zero, c90 = V.Zero, c91 = V.Zero, cA0 = V.Zero, cA1 = V.Zero, cB0 = V.Zero, cB1 = V.Zero;
        int last = columns - (W.Vectors - 1) * V.Count;

        // Three rows to a pointer: four pointers and two offsets reach twelve rows without an address computed in the loop.
        nint aRow2 = 2 * aRow;
        T* a3 = a + 3 * aRow, a6 = a3 + 3 * aRow, a9 = a6 + 3 * aRow;
        for (; k > 0; k--)
        {
            V b0 = W.Vectors == 2 ? V.Load(b) : V.LoadPartial(b, last, T.Zero), b1 = V.Zero, x;
            if (W.Vectors == 2) b1 = W.Partly ? V.LoadPartial(b + V.Count, last, T.Zero) : V.Load(b + V.Count);
            if (W.Ahead && Sse.IsSupported)
            {
                Sse.Prefetch0(b + StepsAhead * bRow);
                Sse.Prefetch0(b + StepsAhead * bRow + V.Count);
                Sse.Prefetch0(a + StepsAhead * aColumn);
            }
            b += bRow;

            x = V.Create(*a);
            c00 = V.Fma(x, b0, c00);
            if (W.Vectors == 2) c01 = V.Fma(x, b1, c01);
            if (sizeof(R) > 1)
            {
                x = V.Create(a[aRow]);
                c10 = V.Fma(x, b0, c10);
                if (W.Vectors == 2) c11 = V.Fma(x, b1, c11);
            }
            if (sizeof(R) > 2)
            {
                x = V.Create(a[aRow2]);
                c20 = V.Fma(x, b0, c20);
                if (W.Vectors == 2) c21 = V.Fma(x, b1, c21);
            }
            if (sizeof(R) > 3)
            {
                x = V.Create(*a3);
                c30 = V.Fma(x, b0, c30);
                if (W.Vectors == 2) c31 = V.Fma(x, b1, c31);
            }
            if (sizeof(R) > 4)
            {
                x = V.Create(a3[aRow]);
                c40 = V.Fma(x, b0, c40);
                if (W.Vectors == 2) c41 = V.Fma(x, b1, c41);
            }
            if (sizeof(R) > 5)
            {
                x = V.Create(a3[aRow2]);
                c50 = V.Fma(x, b0, c50);
                if (W.Vectors == 2) c51 = V.Fma(x, b1, c51);
            }
            if (sizeof(R) > 6)
            {
                x = V.Create(*a6);
                c60 = V.Fma(x, b0, c60);
                if (W.Vectors == 2) c61 = V.Fma(x, b1, c61);
            }
            if (sizeof(R) > 7)
            {
                x = V.Create(a6[aRow]);
                c70 = V.Fma(x, b0, c70);
                if (W.Vectors == 2) c71 = V.Fma(x, b1, c71);
            }
            if (sizeof(R) > 8)
            {
                x = V.Create(a6[aRow2]);
                c80 = V.Fma(x, b0, c80);
                if (W.Vectors == 2) c81 = V.Fma(x, b1, c81);
            }
            if (sizeof(R) > 9)
            {
                x = V.Create(*a9);
                c90 = V.Fma(x, b0, c90);
                if (W.Vectors == 2) c91 = V.Fma(x, b1, c91);
            }
            if (sizeof(R) > 10)
            {
                x = V.Create(a9[aRow]);
                cA0 = V.Fma(x, b0, cA0);
                if (W.Vectors == 2) cA1 = V.Fma(x, b1, cA1);
            }
            if (sizeof(R) > 11)
            {
                x = V.Create(a9[aRow2]);
                cB0 = V.Fma(x, b0, cB0);
                if (W.Vectors == 2) cB1 = V.Fma(x, b1, cB1);
            }

            a += aColumn;
            if (sizeof(R) > 3) a3 += aColumn;
            if (sizeof(R) > 6) a6 += aColumn;
            if (sizeof(R) > 9) a9 += aColumn;
        }

        Put<V, T, W>(c00, c01, c, addend, last);
        if (sizeof(R) > 1) Put<V, T, W>(c10, c11, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 2) Put<V, T, W>(c20, c21, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 3) Put<V, T, W>(c30, c31, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 4) Put<V, T, W>(c40, c41, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 5) Put<V, T, W>(c50, c51, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 6) Put<V, T, W>(c60, c61, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 7) Put<V, T, W>(c70, c71, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 8) Put<V, T, W>(c80, c81, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 9) Put<V, T, W>(c90, c91, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 10) Put<V, T, W>(cA0, cA1, c += cRow, addend += addendRow, last);
        if (sizeof(R) > 11) Put<V, T, W>(cB0, cB1, c += cRow, addend += addendRow, last);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Put<V, T, W>(V sum0, V sum1, T* c, T* addend, int last)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where W : struct, IWidth
    {
        if (W.Vectors == 2)
        {
            if (addend != null) sum0 += V.Load(addend);
            V.Store(c, sum0);
            if (W.Partly)
            {
                if (addend != null) sum1 += V.LoadPartial(addend + V.Count, last, T.Zero);
                V.StorePartial(c + V.Count, sum1, last);
            }
            else
            {
                if (addend != null) sum1 += V.Load(addend + V.Count);
                V.Store(c + V.Count, sum1);
            }
        }
        else
        {
            if (addend != null) sum0 += V.LoadPartial(addend, last, T.Zero);
            V.StorePartial(c, sum0, last);
        }
    }

    interface IWidth
    {
        static abstract int Vectors { get; }
        static abstract bool Partly { get; }

        /// <summary>Whether later steps are asked for.</summary>
        static abstract bool Ahead { get; }
    }

    // A tile's height is a type's size: the JIT knows that before it reads what depends on it, and skips the rows that are not there. A property's value it learns only after it has read
    // them all: a kernel then takes 11 ms to compile, whatever its height, instead of 4 for five rows and 7 for eleven.
    [StructLayout(LayoutKind.Sequential, Size = 1)] struct Rows1;
    [StructLayout(LayoutKind.Sequential, Size = 2)] struct Rows2;
    [StructLayout(LayoutKind.Sequential, Size = 3)] struct Rows3;
    [StructLayout(LayoutKind.Sequential, Size = 4)] struct Rows4;
    [StructLayout(LayoutKind.Sequential, Size = 5)] struct Rows5;
    [StructLayout(LayoutKind.Sequential, Size = 6)] struct Rows6;
    [StructLayout(LayoutKind.Sequential, Size = 7)] struct Rows7;
    [StructLayout(LayoutKind.Sequential, Size = 8)] struct Rows8;
    [StructLayout(LayoutKind.Sequential, Size = 9)] struct Rows9;
    [StructLayout(LayoutKind.Sequential, Size = 10)] struct Rows10;
    [StructLayout(LayoutKind.Sequential, Size = 11)] struct Rows11;
    [StructLayout(LayoutKind.Sequential, Size = 12)] struct Rows12;

    struct TwoVectors : IWidth { public static int Vectors => 2; public static bool Partly => false; public static bool Ahead => false; }
    struct TwoVectorsAhead : IWidth { public static int Vectors => 2; public static bool Partly => false; public static bool Ahead => true; }
    struct TwoVectorsPartly : IWidth { public static int Vectors => 2; public static bool Partly => true; public static bool Ahead => false; }
    struct OneVectorPartly : IWidth { public static int Vectors => 1; public static bool Partly => true; public static bool Ahead => false; }
}
