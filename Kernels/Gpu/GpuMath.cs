using System.Runtime.CompilerServices;
using ILGPU.IR.Intrinsics;

namespace NeuralMemory.Gpu;

/// <summary>What kernels need of a device's instructions beyond ILGPU's own. On a GPU each method is one instruction; its body says what that computes, and runs on the emulator.</summary>
static class GpuMath
{
    /// <summary>a b + c with one rounding.</summary>
    [IntrinsicImplementation, MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Fma(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);
}
