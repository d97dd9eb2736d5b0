using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Simd;

/// <summary>One float: the tail of a loop, and the lane of hardware without vectors.</summary>
/// <param name="value">The only lane.</param>
public readonly unsafe struct Float32x1(float value) : IFloat32Bits<Float32x1>
{
    readonly float value = value;

    /// <inheritdoc/>
    public static int Count { [MethodImpl(AggressiveInlining)] get => 1; }
    /// <inheritdoc/>
    public static Float32x1 Zero { [MethodImpl(AggressiveInlining)] get => new(0); }
    /// <inheritdoc/>
    public static Float32x1 One { [MethodImpl(AggressiveInlining)] get => new(1); }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Constant(double value) => new((float)value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Create(float value) => new(value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Load(float* source) => new(*source);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 LoadPartial(float* source, int count, float fill) => new(count > 0 ? *source : fill);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void Store(float* destination, Float32x1 value) => *destination = value.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void StoreStreaming(float* destination, Float32x1 value) => *destination = value.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(float* destination, Float32x1 value, int count) { if (count > 0) *destination = value.value; }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 operator +(Float32x1 a, Float32x1 b) => new(a.value + b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 operator -(Float32x1 a, Float32x1 b) => new(a.value - b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 operator *(Float32x1 a, Float32x1 b) => new(a.value * b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 operator /(Float32x1 a, Float32x1 b) => new(a.value / b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 operator -(Float32x1 a) => new(-a.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x1 Fma(Float32x1 a, Float32x1 b, Float32x1 c) => new(float.MultiplyAddEstimate(a.value, b.value, c.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Min(Float32x1 a, Float32x1 b) => new(MathF.Min(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Max(Float32x1 a, Float32x1 b) => new(MathF.Max(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Larger(Float32x1 a, Float32x1 b) => a.value > b.value ? a : b;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Abs(Float32x1 a) => new(MathF.Abs(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Sqrt(Float32x1 a) => new(MathF.Sqrt(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x1 IfLess(Float32x1 a, Float32x1 b, Float32x1 then, Float32x1 otherwise) => a.value < b.value ? then : otherwise;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x1 IfLessOrEqual(Float32x1 a, Float32x1 b, Float32x1 then, Float32x1 otherwise) => a.value <= b.value ? then : otherwise;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x1 IfEqual(Float32x1 a, Float32x1 b, Float32x1 then, Float32x1 otherwise) => a.value == b.value ? then : otherwise;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Exp(Float32x1 x) => Float32Math.Exp(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Log(Float32x1 x) => Float32Math.Log(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Tanh(Float32x1 x) => Float32Math.Tanh(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Sigmoid(Float32x1 x) => Float32Math.Sigmoid(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Softplus(Float32x1 x) => Float32Math.Softplus(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Erf(Float32x1 x) => Float32Math.Erf(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 NormalProbability(Float32x1 x) => Float32Math.NormalProbability(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Sin(Float32x1 x) => Float32Math.Sin(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Cos(Float32x1 x) => Float32Math.Cos(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x1 Pow(Float32x1 x, Float32x1 y) => Float32Math.Pow(x, y);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static float Sum(Float32x1 a) => a.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static float MaxLane(Float32x1 a) => a.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static int FirstNonZero(Float32x1 a) => a.value != 0 ? 0 : 1;

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.AtLeast(Float32x1 bound, Float32x1 x) => x.value < bound.value ? bound : x;

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.AtMost(Float32x1 bound, Float32x1 x) => x.value > bound.value ? bound : x;

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.FlipSign(Float32x1 x, Float32x1 sign) =>
        new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(x.value) ^ (BitConverter.SingleToInt32Bits(sign.value) & int.MinValue)));

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.IfOdd(Float32x1 n, Float32x1 then, Float32x1 otherwise) => ((int)n.value & 1) != 0 ? then : otherwise;

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.NegateIfBit1(Float32x1 x, Float32x1 n) => ((int)n.value & 2) != 0 ? -x : x;

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.PowerOfTwo(Float32x1 n) => new(Power((int)n.value));

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.Scale(Float32x1 x, Float32x1 n)
    {
        int exponent = (int)n.value, half = exponent >> 1;
        return new(x.value * Power(half) * Power(exponent - half));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.Exponent(Float32x1 x)
    {
        if (x.value == 0) return new(float.NegativeInfinity);
        if (x.value == float.PositiveInfinity) return x;
        bool subnormal = x.value < Float32Bits.SmallestNormal;
        int normal = BitConverter.SingleToInt32Bits(subnormal ? x.value * Float32Bits.TwoTo24 : x.value);
        return new(((normal - Float32Bits.ThreeQuarters) >> 23) - (subnormal ? 24 : 0));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.Mantissa(Float32x1 x)
    {
        if (!(x.value >= 0)) return new(float.NaN);
        int normal = BitConverter.SingleToInt32Bits(x.value < Float32Bits.SmallestNormal ? x.value * Float32Bits.TwoTo24 : x.value);
        return new(BitConverter.Int32BitsToSingle(normal - ((normal - Float32Bits.ThreeQuarters) & (-1 << 23))));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x1 IFloat32Bits<Float32x1>.Fused(Float32x1 a, Float32x1 b, Float32x1 c) => new(MathF.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)] static bool IFloat32Bits<Float32x1>.AnyGreater(Float32x1 a, Float32x1 b) => a.value > b.value;

    [MethodImpl(AggressiveInlining)] static float Power(int exponent) => BitConverter.Int32BitsToSingle((exponent + Float32Bits.Bias) << 23);
}
