namespace NeuralMemory;

/// <summary>y = a b, dy/da = b, dy/db = a.</summary>
public readonly struct Mul : IBinary
{
    /// <inheritdoc/>
    public static string Name => "Mul";

    /// <inheritdoc/>
    public V Value<V>(V a, V b) where V : struct, Simd.ISimd<V> => a * b;

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => b;

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => a;
}

/// <summary>y = c x for a constant c, dy/dx = c.</summary>
/// <param name="c">The constant.</param>
public readonly struct MulConstant(double c) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Mul";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x * V.Constant(c);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.Constant(c);
}

/// <summary>Adds * to <see cref="Tensor"/>.</summary>
public static class MulOperation
{
    extension(Tensor)
    {
        /// <summary>Products of elements, the shapes broadcast to one another. The product of matrices is <c>a.MatMul(b)</c>.</summary>
        public static Tensor operator *(Tensor a, Tensor b) => Binary<Mul>.Apply(a, b);

        /// <summary>Every element times <paramref name="c"/>.</summary>
        public static Tensor operator *(Tensor a, double c) => Unary<MulConstant>.Apply(a, new(c));

        /// <summary>Every element times <paramref name="c"/>.</summary>
        public static Tensor operator *(double c, Tensor a) => Unary<MulConstant>.Apply(a, new(c));
    }
}
