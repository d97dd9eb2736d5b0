using System.Runtime.CompilerServices;
using ILGPU;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Gpu;

/// <summary>
/// Rung 3, blocks in registers: a group of 256 threads makes a square tile, each thread a block of it, 8 x 8 or 4 x 4, that stays in registers. A thread reads 16 numbers from shared memory,
/// as four 128-bit reads, for 64 multiplications; in rung 2 it was 5 numbers for 4. Shared memory has two stages: while one is multiplied the reads for the other are under way, and one
/// barrier a step is enough.
/// </summary>
/// <typeparam name="T">A thread's block, which also says how large the tile is.</typeparam>
/// <typeparam name="CA">How a's panels come to shared memory.</typeparam>
/// <typeparam name="CB">How b's panels do.</typeparam>
readonly struct BlockedGemm<T, CA, CB>(GemmProblem p) : IGpuKernel
    where T : struct, IThreadBlock where CA : struct, IPanelCopy where CB : struct, IPanelCopy
{
    // Four more than there are vectors: what the threads of a warp write below each other falls into other banks, and rows still start at multiples of 16 bytes.
    static int Row => T.Vectors + 4;

    static int Panel => T.Depth * Row;

    public void Run()
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(4 * Panel);                  // [stage][a, b][k][vector]
        ArrayView<Float4> fours = shared.Cast<Float4>();
        GemmTile tile = new(p, Grid.IdxX, T.Vectors, T.Vectors);
        GemmSteps steps = new(p, tile, T.Depth);
        int fromA = tile.I * p.A.Across, fromB = tile.J * p.B.Across, vectorsA = p.M - tile.I, vectorsB = p.N - tile.J;

        // Warps stand 2 x 4 on the tile, threads 8 x 4 on a warp's part of it: a warp reads as little from shared memory as can be.
        int warp = Group.IdxX / 32, lane = Group.IdxX % 32;
        int row = warp / 4 * (T.Vectors / 2) + lane / 4 * 4, column = warp % 4 * (T.Vectors / 4) + lane % 4 * 4;

        T block = default;
        if (steps.Any)
        {
            CA.Write<T>(p.A, shared, 0, Row, CA.Read<T>(p.A, steps.A + fromA, vectorsA, steps.Depths));
            CB.Write<T>(p.B, shared, Panel, Row, CB.Read<T>(p.B, steps.B + fromB, vectorsB, steps.Depths));
            Group.Barrier();
            int stage = 0;
            steps.Next(p, tile, T.Depth);
            while (steps.Any)
            {
                Float4 nextA = CA.Read<T>(p.A, steps.A + fromA, vectorsA, steps.Depths), nextB = CB.Read<T>(p.B, steps.B + fromB, vectorsB, steps.Depths);
                block.Multiply(fours.SubView((stage + row) / 4), fours.SubView((stage + Panel + column) / 4));
                stage = 2 * Panel - stage;
                CA.Write<T>(p.A, shared, stage, Row, nextA);                                // all have read this stage before the last barrier
                CB.Write<T>(p.B, shared, stage + Panel, Row, nextB);
                Group.Barrier();
                steps.Next(p, tile, T.Depth);
            }
            block.Multiply(fours.SubView((stage + row) / 4), fours.SubView((stage + Panel + column) / 4));
        }
        block.Write(p, tile.C, tile.I + row, tile.J + column);
    }
}

/// <summary>A thread's block of the result, in registers, and the tile that 256 of them make.</summary>
interface IThreadBlock : IPanelSize
{
    /// <summary>Adds the products of a panel of a and one of b, each from the thread's first vector on.</summary>
    void Multiply(ArrayView<Float4> a, ArrayView<Float4> b);

    /// <summary>Writes or adds the block to c, where the thread's first row and column are (i, j).</summary>
    void Write(in GemmProblem p, int c, int i, int j);
}

/// <summary>4 x 4 of a tile of 64 x 64, 16 of K at a time: for matrices too small to keep the device busy with tiles of 128 x 128.</summary>
struct Block4x4 : IThreadBlock
{
    Float4 row0, row1, row2, row3;

    public static int Vectors => 64;

    public static int Depth => 16;

    // From one k to the next.
    const int Next = (64 + 4) / 4;

    [MethodImpl(AggressiveInlining)]
    public void Multiply(ArrayView<Float4> a, ArrayView<Float4> b)
    {
        Add(a[0 * Next], b[0 * Next]);
        Add(a[1 * Next], b[1 * Next]);
        Add(a[2 * Next], b[2 * Next]);
        Add(a[3 * Next], b[3 * Next]);
        Add(a[4 * Next], b[4 * Next]);
        Add(a[5 * Next], b[5 * Next]);
        Add(a[6 * Next], b[6 * Next]);
        Add(a[7 * Next], b[7 * Next]);
        Add(a[8 * Next], b[8 * Next]);
        Add(a[9 * Next], b[9 * Next]);
        Add(a[10 * Next], b[10 * Next]);
        Add(a[11 * Next], b[11 * Next]);
        Add(a[12 * Next], b[12 * Next]);
        Add(a[13 * Next], b[13 * Next]);
        Add(a[14 * Next], b[14 * Next]);
        Add(a[15 * Next], b[15 * Next]);
    }

    /// <summary>Adds a column times a row.</summary>
    [MethodImpl(AggressiveInlining)]
    public void Add(Float4 a, Float4 b)
    {
        row0 = Float4.ScaleAdd(a.X, b, row0);
        row1 = Float4.ScaleAdd(a.Y, b, row1);
        row2 = Float4.ScaleAdd(a.Z, b, row2);
        row3 = Float4.ScaleAdd(a.W, b, row3);
    }

    [MethodImpl(AggressiveInlining)]
    public readonly void Write(in GemmProblem p, int c, int i, int j)
    {
        p.Write(c, i, j, row0);
        p.Write(c, i + 1, j, row1);
        p.Write(c, i + 2, j, row2);
        p.Write(c, i + 3, j, row3);
    }
}

/// <summary>8 x 8 of a tile of 128 x 128, 8 of K at a time: four blocks of 4 x 4, side by side with those of the warp's other threads, so that a warp reads without conflicts of banks.</summary>
struct Block8x8 : IThreadBlock
{
    Block4x4 upperLeft, upperRight, lowerLeft, lowerRight;

    public static int Vectors => 128;

    public static int Depth => 8;

    // From one k to the next, and to the second four rows and columns.
    const int Next = (128 + 4) / 4, Lower = 32, Right = 16;

    [MethodImpl(AggressiveInlining)]
    public void Multiply(ArrayView<Float4> a, ArrayView<Float4> b)
    {
        Add(a, b, 0 * Next);
        Add(a, b, 1 * Next);
        Add(a, b, 2 * Next);
        Add(a, b, 3 * Next);
        Add(a, b, 4 * Next);
        Add(a, b, 5 * Next);
        Add(a, b, 6 * Next);
        Add(a, b, 7 * Next);
    }

    [MethodImpl(AggressiveInlining)]
    void Add(ArrayView<Float4> a, ArrayView<Float4> b, int k)
    {
        Float4 upper = a[k], lower = a[k + Lower / 4], left = b[k], right = b[k + Right / 4];
        upperLeft.Add(upper, left);
        upperRight.Add(upper, right);
        lowerLeft.Add(lower, left);
        lowerRight.Add(lower, right);
    }

    [MethodImpl(AggressiveInlining)]
    public readonly void Write(in GemmProblem p, int c, int i, int j)
    {
        upperLeft.Write(p, c, i, j);
        upperRight.Write(p, c, i, j + Right);
        lowerLeft.Write(p, c, i + Lower, j);
        lowerRight.Write(p, c, i + Lower, j + Right);
    }
}
