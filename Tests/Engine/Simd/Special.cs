namespace NeuralMemory.Tests.Simd;

static class Special
{
    /// <summary>Zeros, infinities, NaN, the ends of the normal and subnormal ranges, and ordinary numbers.</summary>
    public static readonly float[] Values =
    [
        0, -0f, 1, -1, float.PositiveInfinity, float.NegativeInfinity, float.NaN,
        float.Epsilon, -float.Epsilon, 1.17549421e-38f, -1.17549421e-38f, 1.17549435e-38f, float.MaxValue, -float.MaxValue,
        0.1f, -3.7f, 1 / 3f, 12345.678f, 16777217, -1e-20f, 1.0000001f,
    ];

    /// <summary>Bit for bit, but for NaN: all NaN are one.</summary>
    public static bool SameBits(float a, float b) =>
        BitConverter.SingleToInt32Bits(a) == BitConverter.SingleToInt32Bits(b) || (float.IsNaN(a) && float.IsNaN(b));
}
