using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Algorithms;
using NeuralMemory.Simd;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Gpu;

/// <summary>
/// One float of a GPU's thread: the formulas written against <see cref="ISimd{V}"/> run in kernels as they stand, elementary functions included, and give the bits that the CPU gives.
/// </summary>
/// <param name="value">The only lane.</param>
readonly unsafe struct GpuFloat(float value) : IFloat32Bits<GpuFloat>
{
    /// <summary>The number.</summary>
    public readonly float Value = value;

    public static implicit operator GpuFloat(float value) => new(value);

    public static implicit operator float(GpuFloat x) => x.Value;

    public static int Count => 1;

    public static GpuFloat Zero { [MethodImpl(AggressiveInlining)] get => new(0); }

    public static GpuFloat One { [MethodImpl(AggressiveInlining)] get => new(1); }

    [MethodImpl(AggressiveInlining)] public static GpuFloat Constant(double value) => new((float)value);

    [MethodImpl(AggressiveInlining)] public static GpuFloat Create(float value) => new(value);

    [MethodImpl(AggressiveInlining)] public static GpuFloat operator +(GpuFloat a, GpuFloat b) => new(a.Value + b.Value);

    [MethodImpl(AggressiveInlining)] public static GpuFloat operator -(GpuFloat a, GpuFloat b) => new(a.Value - b.Value);

    [MethodImpl(AggressiveInlining)] public static GpuFloat operator *(GpuFloat a, GpuFloat b) => new(a.Value * b.Value);

    [MethodImpl(AggressiveInlining)] public static GpuFloat operator /(GpuFloat a, GpuFloat b) => new(a.Value / b.Value);

    [MethodImpl(AggressiveInlining)] public static GpuFloat operator -(GpuFloat a) => new(-a.Value);

    [MethodImpl(AggressiveInlining)] public static GpuFloat Fma(GpuFloat a, GpuFloat b, GpuFloat c) => new(GpuMath.Fma(a.Value, b.Value, c.Value));

    [MethodImpl(AggressiveInlining)] static GpuFloat IFloat32Bits<GpuFloat>.Fused(GpuFloat a, GpuFloat b, GpuFloat c) => Fma(a, b, c);

    // A device's own minimum may prefer the number to the NaN.
    [MethodImpl(AggressiveInlining)] public static GpuFloat Min(GpuFloat a, GpuFloat b) => a.Value < b.Value || XMath.IsNaN(a.Value) ? a : b;

    [MethodImpl(AggressiveInlining)] public static GpuFloat Max(GpuFloat a, GpuFloat b) => a.Value > b.Value || XMath.IsNaN(a.Value) ? a : b;
    [MethodImpl(AggressiveInlining)] public static GpuFloat Larger(GpuFloat a, GpuFloat b) => a.Value > b.Value ? a : b;

    [MethodImpl(AggressiveInlining)] public static GpuFloat Abs(GpuFloat a) => new(XMath.Abs(a.Value));

    [MethodImpl(AggressiveInlining)] public static GpuFloat Sqrt(GpuFloat a) => new(XMath.Sqrt(a.Value));

    [MethodImpl(AggressiveInlining)] public static GpuFloat IfLess(GpuFloat a, GpuFloat b, GpuFloat then, GpuFloat otherwise) => a.Value < b.Value ? then : otherwise;

    [MethodImpl(AggressiveInlining)] public static GpuFloat IfLessOrEqual(GpuFloat a, GpuFloat b, GpuFloat then, GpuFloat otherwise) => a.Value <= b.Value ? then : otherwise;

    [MethodImpl(AggressiveInlining)] public static GpuFloat IfEqual(GpuFloat a, GpuFloat b, GpuFloat then, GpuFloat otherwise) => a.Value == b.Value ? then : otherwise;

    [MethodImpl(AggressiveInlining)] public static GpuFloat Exp(GpuFloat x) => Float32Math.Exp(x);

    [MethodImpl(AggressiveInlining)] public static GpuFloat Log(GpuFloat x) => Float32Math.Log(x);

    [MethodImpl(AggressiveInlining)] public static GpuFloat Tanh(GpuFloat x) => Float32Math.Tanh(x);

    [MethodImpl(AggressiveInlining)] public static GpuFloat Sigmoid(GpuFloat x) => Float32Math.Sigmoid(x);

    [MethodImpl(AggressiveInlining)] public static GpuFloat Softplus(GpuFloat x) => Float32Math.Softplus(x);

    [MethodImpl(AggressiveInlining)] public static GpuFloat Erf(GpuFloat x) => Float32Math.Erf(x);
    [MethodImpl(AggressiveInlining)] public static GpuFloat NormalProbability(GpuFloat x) => Float32Math.NormalProbability(x);

    [MethodImpl(AggressiveInlining)]
    public static GpuFloat Sin(GpuFloat x) => XMath.Abs(x.Value) <= (float)Float32Math.LargestReduced ? Float32Math.SinNear(x) : new((float)XMath.Sin((double)x.Value));

    [MethodImpl(AggressiveInlining)]
    public static GpuFloat Cos(GpuFloat x) => XMath.Abs(x.Value) <= (float)Float32Math.LargestReduced ? Float32Math.CosNear(x) : new((float)XMath.Cos((double)x.Value));

    [MethodImpl(AggressiveInlining)] public static GpuFloat Pow(GpuFloat x, GpuFloat y) => new(XMath.Pow(x.Value, y.Value));

    // Loops over memory are a kernel's own; nothing calls these.
    public static GpuFloat Load(float* source) => new(*source);

    public static GpuFloat LoadPartial(float* source, int count, float fill) => new(count > 0 ? *source : fill);

    public static void Store(float* destination, GpuFloat value) => *destination = value.Value;
    public static void StoreStreaming(float* destination, GpuFloat value) => *destination = value.Value;

    public static void StorePartial(float* destination, GpuFloat value, int count)
    {
        if (count > 0) *destination = value.Value;
    }

    public static float Sum(GpuFloat a) => a.Value;

    public static float MaxLane(GpuFloat a) => a.Value;
    public static int FirstNonZero(GpuFloat a) => a.Value != 0 ? 0 : 1;

    [MethodImpl(AggressiveInlining)] static GpuFloat IFloat32Bits<GpuFloat>.AtLeast(GpuFloat bound, GpuFloat x) => x.Value < bound.Value ? bound : x;

    [MethodImpl(AggressiveInlining)] static GpuFloat IFloat32Bits<GpuFloat>.AtMost(GpuFloat bound, GpuFloat x) => x.Value > bound.Value ? bound : x;

    [MethodImpl(AggressiveInlining)]
    static GpuFloat IFloat32Bits<GpuFloat>.FlipSign(GpuFloat x, GpuFloat sign) => new(Interop.IntAsFloat(Interop.FloatAsInt(x.Value) ^ (Interop.FloatAsInt(sign.Value) & 0x80000000u)));

    [MethodImpl(AggressiveInlining)] static GpuFloat IFloat32Bits<GpuFloat>.IfOdd(GpuFloat n, GpuFloat then, GpuFloat otherwise) => ((int)n.Value & 1) != 0 ? then : otherwise;

    [MethodImpl(AggressiveInlining)] static GpuFloat IFloat32Bits<GpuFloat>.NegateIfBit1(GpuFloat x, GpuFloat n) => ((int)n.Value & 2) != 0 ? -x : x;

    [MethodImpl(AggressiveInlining)] static GpuFloat IFloat32Bits<GpuFloat>.PowerOfTwo(GpuFloat n) => new(Power((int)n.Value));

    [MethodImpl(AggressiveInlining)]
    static GpuFloat IFloat32Bits<GpuFloat>.Scale(GpuFloat x, GpuFloat n)
    {
        int exponent = (int)n.Value, half = exponent >> 1;
        return new(x.Value * Power(half) * Power(exponent - half));
    }

    [MethodImpl(AggressiveInlining)]
    static GpuFloat IFloat32Bits<GpuFloat>.Exponent(GpuFloat x)
    {
        int subnormal = x.Value < Float32Bits.SmallestNormal ? 1 : 0;
        int normal = (int)Interop.FloatAsInt(subnormal != 0 ? x.Value * Float32Bits.TwoTo24 : x.Value);
        float exponent = ((normal - Float32Bits.ThreeQuarters) >> 23) - 24 * subnormal;
        return new(x.Value == 0 ? float.NegativeInfinity : x.Value == float.PositiveInfinity ? x.Value : exponent);
    }

    [MethodImpl(AggressiveInlining)]
    static GpuFloat IFloat32Bits<GpuFloat>.Mantissa(GpuFloat x)
    {
        int normal = (int)Interop.FloatAsInt(x.Value < Float32Bits.SmallestNormal ? x.Value * Float32Bits.TwoTo24 : x.Value);
        float mantissa = Interop.IntAsFloat((uint)(normal - ((normal - Float32Bits.ThreeQuarters) & (-1 << 23))));
        return new(x.Value >= 0 ? mantissa : float.NaN);
    }

    [MethodImpl(AggressiveInlining)] static bool IFloat32Bits<GpuFloat>.AnyGreater(GpuFloat a, GpuFloat b) => a.Value > b.Value;

    [MethodImpl(AggressiveInlining)] static float Power(int exponent) => Interop.IntAsFloat((uint)((exponent + Float32Bits.Bias) << 23));
}
