namespace NeuralMemory;

/// <summary>y = a + w (b - a), dy/da = 1 - w, dy/db = w, dy/dw = b - a.</summary>
public readonly struct Lerp : ITernary
{
    /// <inheritdoc/>
    public static string Name => "Lerp";

    /// <inheritdoc/>
    public V Value<V>(V a, V b, V w) where V : struct, Simd.ISimd<V> => V.Fma(w, b - a, a);

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V w) where V : struct, Simd.ISimd<V> => V.One - w;

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V w) where V : struct, Simd.ISimd<V> => w;

    /// <inheritdoc/>
    public V SlopeC<V>(V a, V b, V w) where V : struct, Simd.ISimd<V> => b - a;
}

/// <summary>y = a + w (b - a) for a constant w, dy/da = 1 - w, dy/db = w.</summary>
/// <param name="w">How far from a to b.</param>
public readonly struct LerpConstant(double w) : IBinary
{
    /// <inheritdoc/>
    public static string Name => "Lerp";

    /// <inheritdoc/>
    public static bool HasConstantSlopes => true;

    /// <inheritdoc/>
    public V Value<V>(V a, V b) where V : struct, Simd.ISimd<V> => V.Fma(V.Constant(w), b - a, a);

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.Constant(1 - w);

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.Constant(w);
}

/// <summary>Adds linear interpolation to <see cref="Tensor"/>.</summary>
public static class LerpOperation
{
    extension(Tensor a)
    {
        /// <summary>From this tensor to <paramref name="b"/>: the one where <paramref name="weight"/> is 0, the other where it is 1. All shapes broadcast to one another.</summary>
        public Tensor Lerp(Tensor b, Tensor weight) => Ternary<Lerp>.Apply(a, b, weight);

        /// <summary>From this tensor to <paramref name="b"/>: the one if <paramref name="weight"/> is 0, the other if it is 1.</summary>
        public Tensor Lerp(Tensor b, double weight) => Binary<LerpConstant>.Apply(a, b, new(weight));
    }
}
