using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>y = x s with s = sigmoid x, dy/dx = s (1 + x (1 - s)).</summary>
public readonly struct Silu : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Silu";

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x * V.Sigmoid(x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V>
    {
        V s = V.Sigmoid(x);
        return s * V.Fma(x, V.One - s, V.One);
    }
}

/// <summary>Adds the sigmoid linear unit to <see cref="Tensor"/>.</summary>
public static class SiluOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element times its sigmoid: SiLU, or Swish (Elfwing et al. 2017; Ramachandran et al. 2017).</summary>
        public Tensor Silu() => Unary<Silu>.Apply(x);
    }
}
