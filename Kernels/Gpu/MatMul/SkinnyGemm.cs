using ILGPU;
using static NeuralMemory.Gpu.SkinnyGemm;

namespace NeuralMemory.Gpu;

/// <summary>
/// Rungs for results of few rows, a vector times a matrix first of all: a tile would be all but empty, and reading b is what takes the time. Each element of b is read once for four rows.
/// </summary>
static class SkinnyGemm
{
    /// <summary>Rows of a tile, all of which each thread makes.</summary>
    public const int Rows = 4;

    /// <summary>From the first row of a tile to those it has; rows that a lacks are its last.</summary>
    public static int Row(in GemmProblem p, in GemmTile tile, int row) => Math.Min(tile.I + row, p.M - 1) * p.A.Across;
}

/// <summary>Few rows, and b's columns lie in one piece (a weight [out, in] in y = x W^T): a warp sums a column, its threads side by side along K, and joins their sums by shuffles.</summary>
readonly struct SkinnyDots(GemmProblem p) : IGpuKernel
{
    public const int Columns = 8, Depth = 128;

    public void Run()
    {
        GemmTile tile = new(p, Grid.IdxX, Rows, Columns);
        int lane = Group.IdxX % 32, column = tile.J + Group.IdxX / 32;
        int row0 = Row(p, tile, 0), row1 = Row(p, tile, 1), row2 = Row(p, tile, 2), row3 = Row(p, tile, 3), columnB = Math.Min(column, p.N - 1) * p.B.Across;
        Float4 sums = default;
        for (GemmSteps steps = new(p, tile, Depth); steps.Any; steps.Next(p, tile, Depth))
            for (int k = lane; k < Math.Min(Depth, steps.Depths); k += 32)
            {
                int a = steps.A + k * p.A.Along;
                ArrayView<float> x = p.A.Values;
                sums = Float4.ScaleAdd(p.B.Values[steps.B + columnB + k * p.B.Along], new(x[a + row0], x[a + row1], x[a + row2], x[a + row3]), sums);
            }
        sums = new(WarpReduce.Sum(sums.X), WarpReduce.Sum(sums.Y), WarpReduce.Sum(sums.Z), WarpReduce.Sum(sums.W));
        if (lane > 0) return;
        p.Write(tile.C, tile.I, column, sums.X);
        p.Write(tile.C, tile.I + 1, column, sums.Y);
        p.Write(tile.C, tile.I + 2, column, sums.Z);
        p.Write(tile.C, tile.I + 3, column, sums.W);
    }
}

/// <summary>Few rows, and b's rows lie in one piece: the threads of a warp stand side by side on 32 columns, the warps take turns along K and join their sums in shared memory.</summary>
readonly struct SkinnyColumns(GemmProblem p) : IGpuKernel
{
    public const int Columns = 32, Depth = 64;

    const int Warps = 8;

    public void Run()
    {
        ArrayView<float> all = SharedMemory.Allocate<float>(Warps * Rows * Columns);
        GemmTile tile = new(p, Grid.IdxX, Rows, Columns);
        int lane = Group.IdxX % 32, warp = Group.IdxX / 32;
        int row0 = Row(p, tile, 0), row1 = Row(p, tile, 1), row2 = Row(p, tile, 2), row3 = Row(p, tile, 3), columnB = Math.Min(tile.J + lane, p.N - 1) * p.B.Across;
        Float4 sums = default;
        for (GemmSteps steps = new(p, tile, Depth); steps.Any; steps.Next(p, tile, Depth))
            for (int k = warp; k < Math.Min(Depth, steps.Depths); k += Warps)
            {
                int a = steps.A + k * p.A.Along;
                ArrayView<float> x = p.A.Values;
                sums = Float4.ScaleAdd(p.B.Values[steps.B + columnB + k * p.B.Along], new(x[a + row0], x[a + row1], x[a + row2], x[a + row3]), sums);
            }

        int at = warp * Rows * Columns + lane;
        all[at] = sums.X;
        all[at + Columns] = sums.Y;
        all[at + 2 * Columns] = sums.Z;
        all[at + 3 * Columns] = sums.W;
        Group.Barrier();                                    // every warp's sums are there
        if (warp >= Rows) return;
        float sum = 0;
        for (int w = 0; w < Warps; w++) sum += all[(w * Rows + warp) * Columns + lane];
        p.Write(tile.C, tile.I + warp, tile.J + lane, sum);
    }
}
