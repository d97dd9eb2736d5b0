using System.Runtime.CompilerServices;
using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>Four neighbouring floats, which one instruction reads or writes where their address is a multiple of 16 bytes.</summary>
readonly struct Float4(float x, float y, float z, float w)
{
    public readonly float X = x, Y = y, Z = z, W = w;

    /// <summary>Elements <paramref name="offset"/> to offset + 3; where the <paramref name="step"/> from one to the next is 0, the first four times. The offset is then any, else a multiple of 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 Load(ArrayView<float> view, int offset, int step = 1)
    {
        if (step != 0) return view.Cast<Float4>()[offset >> 2];
        float x = view[offset];
        return new(x, x, x, x);
    }

    /// <summary>Writes elements <paramref name="offset"/>, a multiple of 4, to offset + 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ArrayView<float> view, int offset) => view.Cast<Float4>()[offset >> 2] = this;

    /// <summary>a b + c, each lane with one rounding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 Fma(Float4 a, Float4 b, Float4 c) =>
        new(GpuMath.Fma(a.X, b.X, c.X), GpuMath.Fma(a.Y, b.Y, c.Y), GpuMath.Fma(a.Z, b.Z, c.Z), GpuMath.Fma(a.W, b.W, c.W));

    /// <summary>a b + c, a the same in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 ScaleAdd(float a, Float4 b, Float4 c) => Fma(new Float4(a, a, a, a), b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4 operator +(Float4 a, Float4 b) => new(a.X + b.X, a.Y + b.Y, a.Z + b.Z, a.W + b.W);
}
