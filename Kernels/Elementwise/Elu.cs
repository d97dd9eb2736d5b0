using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>y = x above 0, else alpha (e^x - 1); dy/dx = 1 above 0, else alpha e^x = y + alpha.</summary>
/// <param name="alpha">-alpha is the limit at -infinity.</param>
public readonly struct Elu(double alpha) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Elu";

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.IfLess(V.Zero, x, x, V.Constant(alpha) * (V.Exp(x) - V.One));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.IfLess(V.Zero, x, V.One, y + V.Constant(alpha));
}

/// <summary>Adds the exponential linear unit to <see cref="Tensor"/>.</summary>
public static class EluOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element, or <paramref name="alpha"/> (e^x - 1) where it is negative (Clevert et al. 2016).</summary>
        public Tensor Elu(double alpha = 1) => Unary<Elu>.Apply(x, new(alpha));
    }
}
