namespace NeuralMemory;

/// <summary>y = a + b, dy/da = dy/db = 1.</summary>
public readonly struct Add : IBinary
{
    /// <inheritdoc/>
    public static string Name => "Add";

    /// <inheritdoc/>
    public static bool HasConstantSlopes => true;

    /// <inheritdoc/>
    public V Value<V>(V a, V b) where V : struct, Simd.ISimd<V> => a + b;

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.One;

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.One;
}

/// <summary>y = x + c for a constant c, dy/dx = 1.</summary>
/// <param name="c">The constant.</param>
public readonly struct AddConstant(double c) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Add";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => x + V.Constant(c);

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> => V.One;
}

/// <summary>Adds + to <see cref="Tensor"/>.</summary>
public static class AddOperation
{
    extension(Tensor)
    {
        /// <summary>Sums of elements, the shapes broadcast to one another.</summary>
        public static Tensor operator +(Tensor a, Tensor b) => Binary<Add>.Apply(a, b);

        /// <summary>Every element plus <paramref name="c"/>.</summary>
        public static Tensor operator +(Tensor a, double c) => Unary<AddConstant>.Apply(a, new(c));

        /// <summary>Every element plus <paramref name="c"/>.</summary>
        public static Tensor operator +(double c, Tensor a) => Unary<AddConstant>.Apply(a, new(c));
    }
}
