using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Simd;

/// <summary>Lanes of vectors interleaved, four by four: in a wider vector each quarter, or half, is on its own.</summary>
static class Quad
{
    /// <summary>Whether the machine can do this with the shortest vectors; those that it has wider ones for need no question.</summary>
    public static bool IsSupported => Sse.IsSupported || AdvSimd.Arm64.IsSupported;

    /// <summary>a0 b0 a1 b1.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector128<float> Low(Vector128<float> a, Vector128<float> b) => Sse.IsSupported ? Sse.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    /// <summary>a2 b2 a3 b3.</summary>
    [MethodImpl(AggressiveInlining)]
    public static Vector128<float> High(Vector128<float> a, Vector128<float> b) => Sse.IsSupported ? Sse.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);

    /// <summary>Four rows become four columns.</summary>
    [MethodImpl(AggressiveInlining)]
    public static void Transpose(ref Vector128<float> a, ref Vector128<float> b, ref Vector128<float> c, ref Vector128<float> d)
    {
        Vector128<float> ac01 = Low(a, c), bd01 = Low(b, d), ac23 = High(a, c), bd23 = High(b, d);                    // a0 c0 a1 c1, ...
        (a, b, c, d) = (Low(ac01, bd01), High(ac01, bd01), Low(ac23, bd23), High(ac23, bd23));
    }

    /// <inheritdoc cref="Transpose(ref Vector128{float}, ref Vector128{float}, ref Vector128{float}, ref Vector128{float})"/>
    [MethodImpl(AggressiveInlining)]
    public static void Transpose(ref Vector256<float> a, ref Vector256<float> b, ref Vector256<float> c, ref Vector256<float> d)
    {
        Vector256<float> ac01 = Avx.UnpackLow(a, c), bd01 = Avx.UnpackLow(b, d), ac23 = Avx.UnpackHigh(a, c), bd23 = Avx.UnpackHigh(b, d);
        (a, b, c, d) = (Avx.UnpackLow(ac01, bd01), Avx.UnpackHigh(ac01, bd01), Avx.UnpackLow(ac23, bd23), Avx.UnpackHigh(ac23, bd23));
    }

    /// <inheritdoc cref="Transpose(ref Vector128{float}, ref Vector128{float}, ref Vector128{float}, ref Vector128{float})"/>
    [MethodImpl(AggressiveInlining)]
    public static void Transpose(ref Vector512<float> a, ref Vector512<float> b, ref Vector512<float> c, ref Vector512<float> d)
    {
        Vector512<float> ac01 = Avx512F.UnpackLow(a, c), bd01 = Avx512F.UnpackLow(b, d), ac23 = Avx512F.UnpackHigh(a, c), bd23 = Avx512F.UnpackHigh(b, d);
        (a, b, c, d) = (Avx512F.UnpackLow(ac01, bd01), Avx512F.UnpackHigh(ac01, bd01), Avx512F.UnpackLow(ac23, bd23), Avx512F.UnpackHigh(ac23, bd23));
    }
}
