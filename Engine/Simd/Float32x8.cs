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
    public static Float32x8 Fma(Float32x8 a, Float32x8 b, Float32x8 c) => new(Vector256.FusedMultiplyAdd(a.value, b.value, c.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Min(Float32x8 a, Float32x8 b) => new(Vector256.Min(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float32x8 Max(Float32x8 a, Float32x8 b) => new(Vector256.Max(a.value, b.value));
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

    // All bits set in the first count lanes: the mask of a partial load or store.
    [MethodImpl(AggressiveInlining)]
    static Vector256<float> First(int count) => Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle();
}
