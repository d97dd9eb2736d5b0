using System.Runtime.CompilerServices;

namespace NeuralMemory.Gpu;

/// <summary>What kernels need of a device's instructions beyond ILGPU's own.</summary>
static partial class GpuMath
{
#if !ILGPU
    /// <summary>a b + c with one rounding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Fma(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);
#endif
}
