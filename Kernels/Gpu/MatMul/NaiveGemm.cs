using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>
/// Rung 1, the definition: a thread makes one element, c_ij = sum over k of a_ik b_kj, and reads everything from global memory. Each element of a is read N times, each of b M times, and
/// two are read for every multiplication: memory is all that counts. Where K is a few, there is little to read, and no rung is faster.
/// </summary>
readonly struct NaiveGemm(GemmProblem p) : IGpuKernel
{
    public const int Rows = 8, Columns = 32, Depth = 64;

    public void Run()
    {
        GemmTile tile = new(p, Grid.IdxX, Rows, Columns);
        int i = tile.I + Group.IdxX / Columns, j = tile.J + Group.IdxX % Columns;
        if (i >= p.M || j >= p.N) return;
        float sum = 0;
        for (GemmSteps steps = new(p, tile, Depth); steps.Any; steps.Next(p, tile, Depth))
        {
            int a = steps.A + i * p.A.Across, b = steps.B + j * p.B.Across;
            for (int k = 0; k < Math.Min(steps.Depths, Depth); k++) sum = GpuMath.Fma(p.A.Values[a + k * p.A.Along], p.B.Values[b + k * p.B.Along], sum);
        }
        p.Write(tile.C, i, j, sum);
    }
}
