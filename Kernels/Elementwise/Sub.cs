namespace NeuralMemory;

/// <summary>y = a - b, dy/da = 1, dy/db = -1.</summary>
public readonly struct Sub : IBinary
{
    /// <inheritdoc/>
    public static string Name => "Sub";

    /// <inheritdoc/>
    public static bool HasConstantSlopes => true;

    /// <inheritdoc/>
    public V Value<V>(V a, V b) where V : struct, Simd.ISimd<V> => a - b;

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.One;

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => -V.One;
}

/// <summary>y = c - x for a constant c, dy/dx = -1.</summary>
/// <param name="c">The constant.</param>
public readonly struct SubFromConstant(double c) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Sub";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Constant(c) - x;

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => -V.One;
}

/// <summary>Adds - to <see cref="Tensor"/>.</summary>
public static class SubOperation
{
    extension(Tensor)
    {
        /// <summary>Differences of elements, the shapes broadcast to one another.</summary>
        public static Tensor operator -(Tensor a, Tensor b) => Binary<Sub>.Apply(a, b);

        /// <summary>Every element minus <paramref name="c"/>.</summary>
        public static Tensor operator -(Tensor a, double c) => Unary<AddConstant>.Apply(a, new(-c));

        /// <summary><paramref name="c"/> minus every element.</summary>
        public static Tensor operator -(double c, Tensor a) => Unary<SubFromConstant>.Apply(a, new(c));
    }
}
