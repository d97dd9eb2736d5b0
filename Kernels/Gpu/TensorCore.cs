using ILGPU;
using ILGPU.IR.Intrinsics;

namespace NeuralMemory.Gpu;

/// <summary>
/// Products of small matrices, c += a b, by a whole warp in one instruction (mma.sync; PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions"). c is [16, 8] in float32; a is [16, k] and
/// b [k, 8], in tf32 with k = 8 or in bfloat16 with k = 16. On a GPU each method is one instruction of compute capability 8.0; the bodies say what they compute, and run on the emulator.
/// </summary>
/// <remarks>
/// Each lane holds a part. With g = lane / 4 and t = lane % 4, c.X and c.Y are c[g, 2t] and c[g, 2t + 1], and c.Z and c.W are c[g + 8, 2t] and c[g + 8, 2t + 1]. The order of the
/// sums is the hardware's. All lanes must come to the same call.
/// </remarks>
static class TensorCore
{
    /// <summary>The nearest number of 11 significant bits, ties away from zero: what <see cref="MultiplyTf32"/> takes.</summary>
    [IntrinsicImplementation]
    public static uint ToTf32(float x) => float.IsNaN(x) ? 0x7FFFFFFF : (Interop.FloatAsInt(x) + 0x1000) & Tf32Bits;

    /// <summary>c + a b in tf32; other than the first 11 significant bits of an operand are ignored. a0 = a[g, t], a1 = a[g + 8, t], a2 = a[g, t + 4], a3 = a[g + 8, t + 4]; b0 = b[t, g], b1 = b[t + 4, g].</summary>
    [IntrinsicImplementation]
    public static Float4 MultiplyTf32(Float4 c, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1)
    {
        int row = Warp.LaneIdx / 4 * 4, column = Warp.LaneIdx % 4 * 8;       // the first lanes that hold a[g, .], and b[., 2t]; b[., 2t + 1] is 4 lanes further
        for (int k = 0; k < 8; k++)
        {
            float top = Tf32(Warp.Shuffle(k < 4 ? a0 : a2, row + k % 4)), bottom = Tf32(Warp.Shuffle(k < 4 ? a1 : a3, row + k % 4));
            float left = Tf32(Warp.Shuffle(k < 4 ? b0 : b1, column + k % 4)), right = Tf32(Warp.Shuffle(k < 4 ? b0 : b1, column + 4 + k % 4));
            c = new(c.X + top * left, c.Y + top * right, c.Z + bottom * left, c.W + bottom * right);
        }
        return c;
    }

    /// <summary>Two numbers in bfloat16, rounded to the nearest, ties to even: <paramref name="first"/> in the low half.</summary>
    [IntrinsicImplementation]
    public static uint ToBf16(float first, float second) => Bf16(first) | Bf16(second) << 16;

    /// <summary>
    /// c + a b in bfloat16, two numbers of neighbouring k in each register. a0 = a[g, 2t..], a1 = a[g + 8, 2t..], a2 = a[g, 2t + 8..], a3 = a[g + 8, 2t + 8..]; b0 = b[2t.., g], b1 = b[2t + 8.., g].
    /// </summary>
    [IntrinsicImplementation]
    public static Float4 MultiplyBf16(Float4 c, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1)
    {
        int row = Warp.LaneIdx / 4 * 4, column = Warp.LaneIdx % 4 * 8;
        for (int k = 0; k < 8; k++)                                          // k is a pair of columns of a
        {
            uint top = Warp.Shuffle(k < 4 ? a0 : a2, row + k % 4), bottom = Warp.Shuffle(k < 4 ? a1 : a3, row + k % 4);
            uint left = Warp.Shuffle(k < 4 ? b0 : b1, column + k % 4), right = Warp.Shuffle(k < 4 ? b0 : b1, column + 4 + k % 4);
            c = new(
                c.X + First(top) * First(left) + Second(top) * Second(left), c.Y + First(top) * First(right) + Second(top) * Second(right),
                c.Z + First(bottom) * First(left) + Second(bottom) * Second(left), c.W + First(bottom) * First(right) + Second(bottom) * Second(right));
        }
        return c;
    }

    const uint Tf32Bits = 0xFFFFE000;

    static float Tf32(uint bits) => Interop.IntAsFloat(bits & Tf32Bits);

    static uint Bf16(float x)
    {
        uint bits = Interop.FloatAsInt(x);
        return float.IsNaN(x) ? 0x7FFF : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    }

    static float First(uint pair) => Interop.IntAsFloat(pair << 16);

    static float Second(uint pair) => Interop.IntAsFloat(pair & 0xFFFF0000);
}
