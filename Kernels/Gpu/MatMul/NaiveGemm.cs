using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>
/// Rung 1, the definition: a thread makes one element of c, c_ij = sum over k of a_ik b_kj, and reads everything from global memory. The others are held to it.
/// </summary>
readonly struct NaiveGemm(GpuGemm p) : IGpuKernel
{
    public void Run()
    {
        int index = Grid.IdxX * Group.DimX + Group.IdxX, rest = index / p.N, j = index - rest * p.N, product = rest / p.M, i = rest - product * p.M;
        if (product >= p.Products.Count) return;
        p.Products.Locate(product, out int a0, out int b0, out int c0, out _);
        float sum = 0;
        for (int s = 0; s < p.Summands.Count; s++)
        {
            p.Summands.Locate(s, out int a, out int b, out _, out _);
            a += a0 + i * p.AlongM;
            b += b0 + j * p.AlongN;
            for (int k = 0; k < p.K; k++) sum = GpuMath.Fma(p.A[a + k * p.AK], p.B[b + k * p.BK], sum);
        }
        p.Write(c0, i, j, sum);
    }
}
