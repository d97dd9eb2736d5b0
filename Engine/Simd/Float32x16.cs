using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Simd;

/// <summary>Sixteen floats in 512 bits. Without AVX-512 the JIT compiles two 256-bit halves.</summary>
/// <param name="value">The lanes.</param>
public readonly unsafe struct Float32x16(Vector512<float> value) : IFloat32Bits<Float32x16>
{
    readonly Vector512<float> value = value;

    /// <inheritdoc/>
    public static int Count { [MethodImpl(AggressiveInlining)] get => 16; }
    /// <inheritdoc/>
    public static Float32x16 Zero { [MethodImpl(AggressiveInlining)] get => new(Vector512<float>.Zero); }
    /// <inheritdoc/>
    public static Float32x16 One { [MethodImpl(AggressiveInlining)] get => new(Vector512<float>.One); }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Constant(double value) => new(Vector512.Create((float)value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Create(float value) => new(Vector512.Create(value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Load(float* source) => new(Vector512.Load(source));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x16 LoadPartial(float* source, int count, float fill)
    {
        if (Avx512F.IsSupported) return new(Avx512F.MaskLoad(source, First(count), Vector512.Create(fill)));
        var lanes = stackalloc float[16];
        for (int i = 0; i < 16; i++) lanes[i] = i < count ? source[i] : fill;
        return Load(lanes);
    }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void Store(float* destination, Float32x16 value) => value.value.Store(destination);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void StoreStreaming(float* destination, Float32x16 value) => value.value.StoreAlignedNonTemporal(destination);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(float* destination, Float32x16 value, int count)
    {
        if (Avx512F.IsSupported) Avx512F.MaskStore(destination, First(count), value.value);
        else for (int i = 0; i < count; i++) destination[i] = value.value.GetElement(i);
    }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 operator +(Float32x16 a, Float32x16 b) => new(a.value + b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 operator -(Float32x16 a, Float32x16 b) => new(a.value - b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 operator *(Float32x16 a, Float32x16 b) => new(a.value * b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 operator /(Float32x16 a, Float32x16 b) => new(a.value / b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 operator -(Float32x16 a) => new(-a.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x16 Fma(Float32x16 a, Float32x16 b, Float32x16 c) => new(Vector512.MultiplyAddEstimate(a.value, b.value, c.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Min(Float32x16 a, Float32x16 b) => new(Vector512.Min(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Max(Float32x16 a, Float32x16 b) => new(Vector512.Max(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Larger(Float32x16 a, Float32x16 b) => new(Vector512.MaxNative(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Abs(Float32x16 a) => new(Vector512.Abs(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Sqrt(Float32x16 a) => new(Vector512.Sqrt(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x16 IfLess(Float32x16 a, Float32x16 b, Float32x16 then, Float32x16 otherwise) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x16 IfLessOrEqual(Float32x16 a, Float32x16 b, Float32x16 then, Float32x16 otherwise) =>
        new(Vector512.ConditionalSelect(Vector512.LessThanOrEqual(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x16 IfEqual(Float32x16 a, Float32x16 b, Float32x16 then, Float32x16 otherwise) =>
        new(Vector512.ConditionalSelect(Vector512.Equals(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Exp(Float32x16 x) => Float32Math.Exp(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Log(Float32x16 x) => Float32Math.Log(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Tanh(Float32x16 x) => Float32Math.Tanh(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Sigmoid(Float32x16 x) => Float32Math.Sigmoid(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Softplus(Float32x16 x) => Float32Math.Softplus(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Erf(Float32x16 x) => Float32Math.Erf(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 NormalProbability(Float32x16 x) => Float32Math.NormalProbability(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Sin(Float32x16 x) => Float32Math.Sin(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Cos(Float32x16 x) => Float32Math.Cos(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x16 Pow(Float32x16 x, Float32x16 y) => Float32Math.Pow(x, y);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static float Sum(Float32x16 a) => Float32x8.Sum(new(a.value.GetLower() + a.value.GetUpper()));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static float MaxLane(Float32x16 a) => Float32x8.MaxLane(new(Vector256.Max(a.value.GetLower(), a.value.GetUpper())));

    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static int FirstNonZero(Float32x16 a) => LaneMask.First(~(uint)Vector512.Equals(a.value, Vector512<float>.Zero).ExtractMostSignificantBits());

    // All bits set in the first count lanes: the mask of a partial load or store.
    [MethodImpl(AggressiveInlining)]
    static Vector512<float> First(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.AtLeast(Float32x16 bound, Float32x16 x) => new(Vector512.MaxNative(bound.value, x.value));

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.AtMost(Float32x16 bound, Float32x16 x) => new(Vector512.MinNative(bound.value, x.value));

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.FlipSign(Float32x16 x, Float32x16 sign) =>
        new(x.value ^ (sign.value & Vector512.Create(-0f)));

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.IfOdd(Float32x16 n, Float32x16 then, Float32x16 otherwise)
    {
        var even = Vector512.Equals(Vector512.ConvertToInt32Native(n.value) & Vector512<int>.One, Vector512<int>.Zero);
        return new(Vector512.ConditionalSelect(even.AsSingle(), otherwise.value, then.value));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.NegateIfBit1(Float32x16 x, Float32x16 n) =>
        new(x.value ^ ((Vector512.ConvertToInt32Native(n.value) << 30).AsSingle() & Vector512.Create(-0f)));

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.PowerOfTwo(Float32x16 n) =>
        Avx512F.IsSupported ? new(Avx512F.Scale(Vector512<float>.One, n.value)) : new(Power(Vector512.ConvertToInt32Native(n.value)));

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.Scale(Float32x16 x, Float32x16 n)
    {
        if (Avx512F.IsSupported) return new(Avx512F.Scale(x.value, n.value));
        var exponent = Vector512.ConvertToInt32Native(n.value);
        var half = exponent >> 1;
        return new(x.value * Power(half) * Power(exponent - half));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.Exponent(Float32x16 x)
    {
        if (Avx512F.IsSupported)
        {
            var exponent = Avx512F.GetExponent(x.value);
            var mantissa = Avx512F.GetMantissa(x.value, Float32Bits.ThreeQuartersOrNaN);
            return new(Vector512.ConditionalSelect(Vector512.LessThan(mantissa, Vector512<float>.One), exponent + Vector512<float>.One, exponent));
        }
        var subnormal = Vector512.LessThan(x.value, Vector512.Create(Float32Bits.SmallestNormal));
        var normal = Vector512.ConditionalSelect(subnormal, x.value * Float32Bits.TwoTo24, x.value).AsInt32();
        var binades = Vector512.ConvertToSingle((normal - Vector512.Create(Float32Bits.ThreeQuarters)) >> 23);
        var result = binades - (subnormal & Vector512.Create(24f));
        result = Vector512.ConditionalSelect(Vector512.Equals(x.value, Vector512<float>.Zero), Vector512.Create(float.NegativeInfinity), result);
        return new(Vector512.ConditionalSelect(Vector512.Equals(x.value, Vector512.Create(float.PositiveInfinity)), x.value, result));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x16 IFloat32Bits<Float32x16>.Mantissa(Float32x16 x)
    {
        if (Avx512F.IsSupported) return new(Avx512F.GetMantissa(x.value, Float32Bits.ThreeQuartersOrNaN));
        var subnormal = Vector512.LessThan(x.value, Vector512.Create(Float32Bits.SmallestNormal));
        var normal = Vector512.ConditionalSelect(subnormal, x.value * Float32Bits.TwoTo24, x.value).AsInt32();
        var binades = (normal - Vector512.Create(Float32Bits.ThreeQuarters)) & Vector512.Create(-1 << 23);
        var domain = Vector512.GreaterThanOrEqual(x.value, Vector512<float>.Zero);
        return new(Vector512.ConditionalSelect(domain, (normal - binades).AsSingle(), Vector512.Create(float.NaN)));
    }

    [MethodImpl(AggressiveInlining)] static Float32x16 IFloat32Bits<Float32x16>.Fused(Float32x16 a, Float32x16 b, Float32x16 c) => new(Vector512.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)]
    static bool IFloat32Bits<Float32x16>.AnyGreater(Float32x16 a, Float32x16 b) => Vector512.GreaterThanAny(a.value, b.value);

    [MethodImpl(AggressiveInlining)]
    static Vector512<float> Power(Vector512<int> exponent) => ((exponent + Vector512.Create(Float32Bits.Bias)) << 23).AsSingle();
}
