namespace NeuralMemory;

/// <summary>y = a / b, dy/da = 1 / b, dy/db = -y / b.</summary>
public readonly struct Div : IBinary
{
    /// <inheritdoc/>
    public static string Name => "Div";

    /// <inheritdoc/>
    public V Value<V>(V a, V b) where V : struct, Simd.ISimd<V> => a / b;

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.One / b;

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => -y / b;
}

/// <summary>y = x / c for a constant c, dy/dx = 1 / c.</summary>
/// <param name="c">The constant.</param>
public readonly struct DivByConstant(double c) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Div";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x / V.Constant(c);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.Constant(1 / c);
}

/// <summary>y = c / x for a constant c, dy/dx = -y / x.</summary>
/// <param name="c">The constant.</param>
public readonly struct DivConstant(double c) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Div";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Constant(c) / x;

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => -y / x;
}

/// <summary>Adds / to <see cref="Tensor"/>.</summary>
public static class DivOperation
{
    extension(Tensor)
    {
        /// <summary>Quotients of elements, the shapes broadcast to one another.</summary>
        public static Tensor operator /(Tensor a, Tensor b) => Binary<Div>.Apply(a, b);

        /// <summary>Every element divided by <paramref name="c"/>.</summary>
        public static Tensor operator /(Tensor a, double c) => Unary<DivByConstant>.Apply(a, new(c));

        /// <summary><paramref name="c"/> divided by every element.</summary>
        public static Tensor operator /(double c, Tensor a) => Unary<DivConstant>.Apply(a, new(c));
    }
}
