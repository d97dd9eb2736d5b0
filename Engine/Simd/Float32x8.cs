using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Simd;

/// <summary>Eight floats in 256 bits.</summary>
/// <param name="value">The lanes.</param>
public readonly unsafe struct Float32x8(Vector256<float> value) : IFloat32Bits<Float32x8>
{
    readonly Vector256<float> value = value;

    /// <inheritdoc/>
    public static int Count { [MethodImpl(AggressiveInlining)] get => 8; }
    /// <inheritdoc/>
    public static Float32x8 Zero { [MethodImpl(AggressiveInlining)] get => new(Vector256<float>.Zero); }
    /// <inheritdoc/>
    public static Float32x8 One { [MethodImpl(AggressiveInlining)] get => new(Vector256<float>.One); }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Constant(double value) => new(Vector256.Create((float)value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Create(float value) => new(Vector256.Create(value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Load(float* source) => new(Vector256.Load(source));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x8 LoadPartial(float* source, int count, float fill)
    {
        if (Avx512F.VL.IsSupported) return new(Avx512F.VL.MaskLoad(source, First(count), Vector256.Create(fill)));
        if (Avx.IsSupported)
            return new(Vector256.ConditionalSelect(First(count), Avx.MaskLoad(source, First(count)), Vector256.Create(fill)));
        var lanes = stackalloc float[8];
        for (int i = 0; i < 8; i++) lanes[i] = i < count ? source[i] : fill;
        return Load(lanes);
    }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void Store(float* destination, Float32x8 value) => value.value.Store(destination);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void StoreStreaming(float* destination, Float32x8 value) => value.value.StoreAlignedNonTemporal(destination);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(float* destination, Float32x8 value, int count)
    {
        if (Avx512F.VL.IsSupported) Avx512F.VL.MaskStore(destination, First(count), value.value);
        else if (Avx.IsSupported) Avx.MaskStore(destination, First(count), value.value);
        else for (int i = 0; i < count; i++) destination[i] = value.value.GetElement(i);
    }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 operator +(Float32x8 a, Float32x8 b) => new(a.value + b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 operator -(Float32x8 a, Float32x8 b) => new(a.value - b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 operator *(Float32x8 a, Float32x8 b) => new(a.value * b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 operator /(Float32x8 a, Float32x8 b) => new(a.value / b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 operator -(Float32x8 a) => new(-a.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x8 Fma(Float32x8 a, Float32x8 b, Float32x8 c) => new(Vector256.MultiplyAddEstimate(a.value, b.value, c.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Min(Float32x8 a, Float32x8 b) => new(Vector256.Min(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Max(Float32x8 a, Float32x8 b) => new(Vector256.Max(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Larger(Float32x8 a, Float32x8 b) => new(Vector256.MaxNative(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Abs(Float32x8 a) => new(Vector256.Abs(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Sqrt(Float32x8 a) => new(Vector256.Sqrt(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x8 IfLess(Float32x8 a, Float32x8 b, Float32x8 then, Float32x8 otherwise) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x8 IfLessOrEqual(Float32x8 a, Float32x8 b, Float32x8 then, Float32x8 otherwise) =>
        new(Vector256.ConditionalSelect(Vector256.LessThanOrEqual(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x8 IfEqual(Float32x8 a, Float32x8 b, Float32x8 then, Float32x8 otherwise) =>
        new(Vector256.ConditionalSelect(Vector256.Equals(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Exp(Float32x8 x) => Float32Math.Exp(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Log(Float32x8 x) => Float32Math.Log(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Tanh(Float32x8 x) => Float32Math.Tanh(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Sigmoid(Float32x8 x) => Float32Math.Sigmoid(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Softplus(Float32x8 x) => Float32Math.Softplus(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Erf(Float32x8 x) => Float32Math.Erf(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 NormalProbability(Float32x8 x) => Float32Math.NormalProbability(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Sin(Float32x8 x) => Float32Math.Sin(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Cos(Float32x8 x) => Float32Math.Cos(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Pow(Float32x8 x, Float32x8 y) => Float32Math.Pow(x, y);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static float Sum(Float32x8 a) => Float32x4.Sum(new(a.value.GetLower() + a.value.GetUpper()));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static float MaxLane(Float32x8 a) => Float32x4.MaxLane(new(Vector128.Max(a.value.GetLower(), a.value.GetUpper())));

    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static int FirstNonZero(Float32x8 a) => LaneMask.First(~Vector256.Equals(a.value, Vector256<float>.Zero).ExtractMostSignificantBits());

    // All bits set in the first count lanes: the mask of a partial load or store.
    [MethodImpl(AggressiveInlining)]
    static Vector256<float> First(int count) => Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle();

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.AtLeast(Float32x8 bound, Float32x8 x) => new(Vector256.MaxNative(bound.value, x.value));

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.AtMost(Float32x8 bound, Float32x8 x) => new(Vector256.MinNative(bound.value, x.value));

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.FlipSign(Float32x8 x, Float32x8 sign) =>
        new(x.value ^ (sign.value & Vector256.Create(-0f)));

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.IfOdd(Float32x8 n, Float32x8 then, Float32x8 otherwise)
    {
        var even = Vector256.Equals(Vector256.ConvertToInt32Native(n.value) & Vector256<int>.One, Vector256<int>.Zero);
        return new(Vector256.ConditionalSelect(even.AsSingle(), otherwise.value, then.value));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.NegateIfBit1(Float32x8 x, Float32x8 n) =>
        new(x.value ^ ((Vector256.ConvertToInt32Native(n.value) << 30).AsSingle() & Vector256.Create(-0f)));

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.PowerOfTwo(Float32x8 n) =>
        Avx512F.VL.IsSupported ? new(Avx512F.VL.Scale(Vector256<float>.One, n.value)) : new(Power(Vector256.ConvertToInt32Native(n.value)));

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.Scale(Float32x8 x, Float32x8 n)
    {
        if (Avx512F.VL.IsSupported) return new(Avx512F.VL.Scale(x.value, n.value));
        var exponent = Vector256.ConvertToInt32Native(n.value);
        var half = exponent >> 1;
        return new(x.value * Power(half) * Power(exponent - half));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.Exponent(Float32x8 x)
    {
        if (Avx512F.VL.IsSupported)
        {
            var exponent = Avx512F.VL.GetExponent(x.value);
            var mantissa = Avx512F.VL.GetMantissa(x.value, Float32Bits.ThreeQuartersOrNaN);
            return new(Vector256.ConditionalSelect(Vector256.LessThan(mantissa, Vector256<float>.One), exponent + Vector256<float>.One, exponent));
        }
        var subnormal = Vector256.LessThan(x.value, Vector256.Create(Float32Bits.SmallestNormal));
        var normal = Vector256.ConditionalSelect(subnormal, x.value * Float32Bits.TwoTo24, x.value).AsInt32();
        var binades = Vector256.ConvertToSingle((normal - Vector256.Create(Float32Bits.ThreeQuarters)) >> 23);
        var result = binades - (subnormal & Vector256.Create(24f));
        result = Vector256.ConditionalSelect(Vector256.Equals(x.value, Vector256<float>.Zero), Vector256.Create(float.NegativeInfinity), result);
        return new(Vector256.ConditionalSelect(Vector256.Equals(x.value, Vector256.Create(float.PositiveInfinity)), x.value, result));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x8 IFloat32Bits<Float32x8>.Mantissa(Float32x8 x)
    {
        if (Avx512F.VL.IsSupported) return new(Avx512F.VL.GetMantissa(x.value, Float32Bits.ThreeQuartersOrNaN));
        var subnormal = Vector256.LessThan(x.value, Vector256.Create(Float32Bits.SmallestNormal));
        var normal = Vector256.ConditionalSelect(subnormal, x.value * Float32Bits.TwoTo24, x.value).AsInt32();
        var binades = (normal - Vector256.Create(Float32Bits.ThreeQuarters)) & Vector256.Create(-1 << 23);
        var domain = Vector256.GreaterThanOrEqual(x.value, Vector256<float>.Zero);
        return new(Vector256.ConditionalSelect(domain, (normal - binades).AsSingle(), Vector256.Create(float.NaN)));
    }

    [MethodImpl(AggressiveInlining)] static Float32x8 IFloat32Bits<Float32x8>.Fused(Float32x8 a, Float32x8 b, Float32x8 c) => new(Vector256.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)]
    static bool IFloat32Bits<Float32x8>.AnyGreater(Float32x8 a, Float32x8 b) => Vector256.GreaterThanAny(a.value, b.value);

    [MethodImpl(AggressiveInlining)]
    static Vector256<float> Power(Vector256<int> exponent) => ((exponent + Vector256.Create(Float32Bits.Bias)) << 23).AsSingle();
}
