using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Simd;

/// <summary>One double: the reference that every float32 result is judged by, and what gradients are checked in.</summary>
/// <param name="value">The only lane.</param>
public readonly unsafe struct Float64x1(double value) : ISimd<Float64x1, double>
{
    readonly double value = value;

    /// <inheritdoc/>
    public static int Count { [MethodImpl(AggressiveInlining)] get => 1; }
    /// <inheritdoc/>
    public static Float64x1 Zero { [MethodImpl(AggressiveInlining)] get => new(0); }
    /// <inheritdoc/>
    public static Float64x1 One { [MethodImpl(AggressiveInlining)] get => new(1); }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Constant(double value) => new(value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Create(double value) => new(value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Load(double* source) => new(*source);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 LoadPartial(double* source, int count, double fill) => new(count > 0 ? *source : fill);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void Store(double* destination, Float64x1 value) => *destination = value.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static void StoreStreaming(double* destination, Float64x1 value) => *destination = value.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static void StorePartial(double* destination, Float64x1 value, int count) { if (count > 0) *destination = value.value; }
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 operator +(Float64x1 a, Float64x1 b) => new(a.value + b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 operator -(Float64x1 a, Float64x1 b) => new(a.value - b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 operator *(Float64x1 a, Float64x1 b) => new(a.value * b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 operator /(Float64x1 a, Float64x1 b) => new(a.value / b.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 operator -(Float64x1 a) => new(-a.value);
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float64x1 Fma(Float64x1 a, Float64x1 b, Float64x1 c) => new(double.MultiplyAddEstimate(a.value, b.value, c.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Min(Float64x1 a, Float64x1 b) => new(Math.Min(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Max(Float64x1 a, Float64x1 b) => new(Math.Max(a.value, b.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Larger(Float64x1 a, Float64x1 b) => a.value > b.value ? a : b;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Abs(Float64x1 a) => new(Math.Abs(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static Float64x1 Sqrt(Float64x1 a) => new(Math.Sqrt(a.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float64x1 IfLess(Float64x1 a, Float64x1 b, Float64x1 then, Float64x1 otherwise) => a.value < b.value ? then : otherwise;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float64x1 IfLessOrEqual(Float64x1 a, Float64x1 b, Float64x1 then, Float64x1 otherwise) => a.value <= b.value ? then : otherwise;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)]
    public static Float64x1 IfEqual(Float64x1 a, Float64x1 b, Float64x1 then, Float64x1 otherwise) => a.value == b.value ? then : otherwise;
    /// <inheritdoc/>
    public static Float64x1 Exp(Float64x1 x) => new(Math.Exp(x.value));
    /// <inheritdoc/>
    public static Float64x1 Log(Float64x1 x) => new(Math.Log(x.value));
    /// <inheritdoc/>
    public static Float64x1 Tanh(Float64x1 x) => new(Math.Tanh(x.value));
    /// <inheritdoc/>
    public static Float64x1 Sigmoid(Float64x1 x) => new(1 / (1 + Math.Exp(-x.value)));
    /// <inheritdoc/>
    public static Float64x1 Softplus(Float64x1 x) => new(Math.Max(x.value, 0) + Float64Math.LogP1(Math.Exp(-Math.Abs(x.value))));
    /// <inheritdoc/>
    public static Float64x1 Erf(Float64x1 x) => new(Float64Math.Erf(x.value));
    /// <inheritdoc/>
    public static Float64x1 NormalProbability(Float64x1 x) => new(.5 + .5 * Float64Math.Erf(x.value * Math.Sqrt(.5)));
    /// <inheritdoc/>
    public static Float64x1 Sin(Float64x1 x) => new(Math.Sin(x.value));
    /// <inheritdoc/>
    public static Float64x1 Cos(Float64x1 x) => new(Math.Cos(x.value));
    /// <inheritdoc/>
    public static Float64x1 Pow(Float64x1 x, Float64x1 y) => new(Math.Pow(x.value, y.value));
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static double Sum(Float64x1 a) => a.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static double MaxLane(Float64x1 a) => a.value;
    /// <inheritdoc/>
    [MethodImpl(AggressiveInlining)] public static int FirstNonZero(Float64x1 a) => a.value != 0 ? 0 : 1;
}
