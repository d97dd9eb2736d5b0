using System.Runtime.CompilerServices;
using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>
/// A batch of products c[i] (+)= sum over s of a[i, s] b[i, s] as kernels take it: c is [M, N], a [M, K], b [K, N], each with strides of its own.
/// </summary>
/// <remarks>
/// All of a kernel's sums over K and over s run in one fixed order, so the bits of a result depend on the shapes and the rung alone.
/// </remarks>
readonly struct GpuGemm
{
    /// <summary>The operands, the result, and what is added to every row of it, or nothing.</summary>
    public readonly ArrayView<float> A, B, C, Bias;

    /// <summary>The sizes of one product.</summary>
    public readonly int M, N, K;

    /// <summary>From one element to the next along M, N and K.</summary>
    public readonly int AlongM, AlongN, AK, BK, CM, CN, BiasM, BiasN;

    /// <summary>The products, with offsets in a, b and c, and the summands of each, with offsets in a and b.</summary>
    public readonly GpuLoop Products, Summands;

    /// <summary>1 to add to c, 0 to overwrite it.</summary>
    public readonly int Accumulate;

    public GpuGemm(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> bias,
        int m, int n, int k, MatrixLayout layoutA, MatrixLayout layoutB, MatrixLayout layoutC, StridedLoop products, StridedLoop summands, bool accumulate)
    {
        (A, B, C, Bias, M, N, K) = (a, b, c, bias, m, n, k);
        (AlongM, AK, BK, AlongN) = ((int)layoutA.Row, (int)layoutA.Column, (int)layoutB.Row, (int)layoutB.Column);
        (CM, CN, BiasM, BiasN) = ((int)layoutC.Row, (int)layoutC.Column, 0, 1);
        (Products, Summands, Accumulate) = (new(products), new(summands), accumulate ? 1 : 0);
    }

    /// <summary>Writes or adds a finished sum to element (<paramref name="i"/>, <paramref name="j"/>) of the product that starts at <paramref name="c"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Write(int c, int i, int j, float sum)
    {
        int at = c + i * CM + j * CN;
        if (Bias.Length > 0) sum += Bias[i * BiasM + j * BiasN];
        if (Accumulate != 0) sum += C[at];
        C[at] = sum;
    }
}
