using System.Runtime.Intrinsics;

namespace NeuralMemory.Simd;

/// <summary>The width of vector that this machine runs in hardware.</summary>
public static class SimdWidth
{
    /// <summary>
    /// 512, 256 or 128 bits, or 32 where there are no vectors: the width of <see cref="Float32x16"/>, <see cref="Float32x8"/>,
    /// <see cref="Float32x4"/> or <see cref="Float32x1"/>.
    /// </summary>
    public static int Bits =>
        Vector512.IsHardwareAccelerated ? 512 :
        Vector256.IsHardwareAccelerated ? 256 :
        Vector128.IsHardwareAccelerated ? 128 : 32;
}
