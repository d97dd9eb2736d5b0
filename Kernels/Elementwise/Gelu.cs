using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>y = x P(x) with the normal distribution P(x) = (1 + erf(x / sqrt 2)) / 2, dy/dx = P(x) + x e^(-x^2 / 2) / sqrt(2 pi).</summary>
public readonly struct Gelu : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Gelu";

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x * V.NormalProbability(x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> =>
        Factor(x, y) + x * V.Constant(1 / Math.Sqrt(2 * Math.PI)) * V.Exp(V.Constant(-0.5) * x * x);

    /// <summary>What x was multiplied by to give y, y / x: a division instead of an elementary function. Near 0, where y has no digits left, it is 1/2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Factor<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.IfLess(V.Abs(x), V.Constant(1e-30), V.Constant(0.5), y / x);
}

/// <summary>Adds the Gaussian error linear unit to <see cref="Tensor"/>.</summary>
public static class GeluOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element times the probability that a normal variable is less: the exact GELU (Hendrycks and Gimpel 2016).</summary>
        public Tensor Gelu() => Unary<Gelu>.Apply(x);
    }
}
