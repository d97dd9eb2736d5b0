using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Simd;

/// <summary>Four floats in 128 bits.</summary>
/// <param name="value">The lanes.</param>
public readonly unsafe struct Float32x4(Vector128<float> value) : IFloat32Bits<Float32x4>
{
    readonly Vector128<float> value = value;

    /// <inheritdoc/>
    public static int Count { [MethodImpl(AggressiveInlining)] get => 4; }
    /// <inheritdoc/>
    public static Float32x4 Zero { [MethodImpl(AggressiveInlining)] get => new(Vector128<float>.Zero); }
    /// <inheritdoc/>
    public static Float32x4 One { [MethodImpl(AggressiveInlining)] get => new(Vector128<float>.One); }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Constant(double value) => new(Vector128.Create((float)value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Create(float value) => new(Vector128.Create(value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Load(float* source) => new(Vector128.Load(source));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x4 LoadPartial(float* source, int count, float fill)
    {
        if (Avx512F.VL.IsSupported) return new(Avx512F.VL.MaskLoad(source, First(count), Vector128.Create(fill)));
        if (Avx.IsSupported)
            return new(Vector128.ConditionalSelect(First(count), Avx.MaskLoad(source, First(count)), Vector128.Create(fill)));
        var lanes = stackalloc float[4];
        for (int i = 0; i < 4; i++) lanes[i] = i < count ? source[i] : fill;
        return Load(lanes);
    }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void Store(float* destination, Float32x4 value) => value.value.Store(destination);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void StoreStreaming(float* destination, Float32x4 value) => value.value.StoreAlignedNonTemporal(destination);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(float* destination, Float32x4 value, int count)
    {
        if (Avx512F.VL.IsSupported) Avx512F.VL.MaskStore(destination, First(count), value.value);
        else if (Avx.IsSupported) Avx.MaskStore(destination, First(count), value.value);
        else for (int i = 0; i < count; i++) destination[i] = value.value.GetElement(i);
    }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 operator +(Float32x4 a, Float32x4 b) => new(a.value + b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 operator -(Float32x4 a, Float32x4 b) => new(a.value - b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 operator *(Float32x4 a, Float32x4 b) => new(a.value * b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 operator /(Float32x4 a, Float32x4 b) => new(a.value / b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 operator -(Float32x4 a) => new(-a.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x4 Fma(Float32x4 a, Float32x4 b, Float32x4 c) => new(Vector128.MultiplyAddEstimate(a.value, b.value, c.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Min(Float32x4 a, Float32x4 b) => new(Vector128.Min(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Max(Float32x4 a, Float32x4 b) => new(Vector128.Max(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Larger(Float32x4 a, Float32x4 b) => new(Vector128.MaxNative(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Abs(Float32x4 a) => new(Vector128.Abs(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Sqrt(Float32x4 a) => new(Vector128.Sqrt(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x4 IfLess(Float32x4 a, Float32x4 b, Float32x4 then, Float32x4 otherwise) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x4 IfLessOrEqual(Float32x4 a, Float32x4 b, Float32x4 then, Float32x4 otherwise) =>
        new(Vector128.ConditionalSelect(Vector128.LessThanOrEqual(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float32x4 IfEqual(Float32x4 a, Float32x4 b, Float32x4 then, Float32x4 otherwise) =>
        new(Vector128.ConditionalSelect(Vector128.Equals(a.value, b.value), then.value, otherwise.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Exp(Float32x4 x) => Float32Math.Exp(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Log(Float32x4 x) => Float32Math.Log(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Tanh(Float32x4 x) => Float32Math.Tanh(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Sigmoid(Float32x4 x) => Float32Math.Sigmoid(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Softplus(Float32x4 x) => Float32Math.Softplus(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Erf(Float32x4 x) => Float32Math.Erf(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 NormalProbability(Float32x4 x) => Float32Math.NormalProbability(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Sin(Float32x4 x) => Float32Math.Sin(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Cos(Float32x4 x) => Float32Math.Cos(x);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x4 Pow(Float32x4 x, Float32x4 y) => Float32Math.Pow(x, y);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static float Sum(Float32x4 a)
    {
        var halves = a.value + Vector128.Shuffle(a.value, Vector128.Create(2, 3, 0, 1));
        return halves.GetElement(0) + halves.GetElement(1);
    }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static float MaxLane(Float32x4 a)
    {
        var halves = Vector128.Max(a.value, Vector128.Shuffle(a.value, Vector128.Create(2, 3, 0, 1)));
        return MathF.Max(halves.GetElement(0), halves.GetElement(1));
    }

    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static int FirstNonZero(Float32x4 a) => LaneMask.First(~Vector128.Equals(a.value, Vector128<float>.Zero).ExtractMostSignificantBits());

    // All bits set in the first count lanes: the mask of a partial load or store.
    [MethodImpl(AggressiveInlining)]
    static Vector128<float> First(int count) => Vector128.LessThan(Vector128<int>.Indices, Vector128.Create(count)).AsSingle();

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.AtLeast(Float32x4 bound, Float32x4 x) => new(Vector128.MaxNative(bound.value, x.value));

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.AtMost(Float32x4 bound, Float32x4 x) => new(Vector128.MinNative(bound.value, x.value));

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.FlipSign(Float32x4 x, Float32x4 sign) =>
        new(x.value ^ (sign.value & Vector128.Create(-0f)));

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.IfOdd(Float32x4 n, Float32x4 then, Float32x4 otherwise)
    {
        var even = Vector128.Equals(Vector128.ConvertToInt32Native(n.value) & Vector128<int>.One, Vector128<int>.Zero);
        return new(Vector128.ConditionalSelect(even.AsSingle(), otherwise.value, then.value));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.NegateIfBit1(Float32x4 x, Float32x4 n) =>
        new(x.value ^ ((Vector128.ConvertToInt32Native(n.value) << 30).AsSingle() & Vector128.Create(-0f)));

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.PowerOfTwo(Float32x4 n) =>
        Avx512F.VL.IsSupported ? new(Avx512F.VL.Scale(Vector128<float>.One, n.value)) : new(Power(Vector128.ConvertToInt32Native(n.value)));

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.Scale(Float32x4 x, Float32x4 n)
    {
        if (Avx512F.VL.IsSupported) return new(Avx512F.VL.Scale(x.value, n.value));
        var exponent = Vector128.ConvertToInt32Native(n.value);
        var half = exponent >> 1;
        return new(x.value * Power(half) * Power(exponent - half));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.Exponent(Float32x4 x)
    {
        if (Avx512F.VL.IsSupported)
        {
            var exponent = Avx512F.VL.GetExponent(x.value);
            var mantissa = Avx512F.VL.GetMantissa(x.value, Float32Bits.ThreeQuartersOrNaN);
            return new(Vector128.ConditionalSelect(Vector128.LessThan(mantissa, Vector128<float>.One), exponent + Vector128<float>.One, exponent));
        }
        var subnormal = Vector128.LessThan(x.value, Vector128.Create(Float32Bits.SmallestNormal));
        var normal = Vector128.ConditionalSelect(subnormal, x.value * Float32Bits.TwoTo24, x.value).AsInt32();
        var binades = Vector128.ConvertToSingle((normal - Vector128.Create(Float32Bits.ThreeQuarters)) >> 23);
        var result = binades - (subnormal & Vector128.Create(24f));
        result = Vector128.ConditionalSelect(Vector128.Equals(x.value, Vector128<float>.Zero), Vector128.Create(float.NegativeInfinity), result);
        return new(Vector128.ConditionalSelect(Vector128.Equals(x.value, Vector128.Create(float.PositiveInfinity)), x.value, result));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.Mantissa(Float32x4 x)
    {
        if (Avx512F.VL.IsSupported) return new(Avx512F.VL.GetMantissa(x.value, Float32Bits.ThreeQuartersOrNaN));
        var subnormal = Vector128.LessThan(x.value, Vector128.Create(Float32Bits.SmallestNormal));
        var normal = Vector128.ConditionalSelect(subnormal, x.value * Float32Bits.TwoTo24, x.value).AsInt32();
        var binades = (normal - Vector128.Create(Float32Bits.ThreeQuarters)) & Vector128.Create(-1 << 23);
        var domain = Vector128.GreaterThanOrEqual(x.value, Vector128<float>.Zero);
        return new(Vector128.ConditionalSelect(domain, (normal - binades).AsSingle(), Vector128.Create(float.NaN)));
    }

    [MethodImpl(AggressiveInlining)]
    static Float32x4 IFloat32Bits<Float32x4>.Fused(Float32x4 a, Float32x4 b, Float32x4 c) =>
        new(FusedInDoubles.IsNeeded ? FusedInDoubles.Run(a.value, b.value, c.value) : Vector128.FusedMultiplyAdd(a.value, b.value, c.value));

    [MethodImpl(AggressiveInlining)]
    static bool IFloat32Bits<Float32x4>.AnyGreater(Float32x4 a, Float32x4 b) => Vector128.GreaterThanAny(a.value, b.value);

    [MethodImpl(AggressiveInlining)]
    static Vector128<float> Power(Vector128<int> exponent) => ((exponent + Vector128.Create(Float32Bits.Bias)) << 23).AsSingle();
}
