using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>y = x (1 + t) / 2 with t = tanh(k (x + c x^3)), k = sqrt(2 / pi), c = 0.044715; dy/dx = (1 + t) / 2 + x (1 - t^2) k (1 + 3 c x^2) / 2.</summary>
public readonly struct GeluTanh : IUnary
{
    const double K = 0.79788456080286536, C = 0.044715;

    /// <inheritdoc/>
    public static string Name => "GeluTanh";

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Constant(0.5) * x * (V.One + Tanh(x));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V>
    {
        // With p = (1 + t) / 2 = y / x, 1 - t^2 = 4 p (1 - p). Beyond 10 p is 0 or 1 in every digit, and x^2 must not overflow against that 0.
        V p = Gelu.Factor(x, y);
        V bend = p * (V.One - p) * (x * V.Constant(2 * K)) * V.Fma(V.Constant(3 * C) * x, x, V.One);
        return V.IfLess(V.Constant(10), V.Abs(x), V.IfLess(x, V.Zero, V.Zero, V.One), p + bend);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Tanh<V>(V x) where V : struct, Simd.ISimd<V> => V.Tanh(V.Constant(K) * V.Fma(V.Constant(C) * x * x, x, x));
}

/// <summary>Adds the approximate Gaussian error linear unit to <see cref="Tensor"/>.</summary>
public static class GeluTanhOperation
{
    extension(Tensor x)
    {
        /// <summary>GELU with the tanh approximation of its authors, as GPT-2 and BERT use it (Hendrycks and Gimpel 2016).</summary>
        public Tensor GeluTanh() => Unary<GeluTanh>.Apply(x);
    }
}
