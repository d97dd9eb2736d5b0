namespace NeuralMemory;

/// <summary>
/// y = a^b, dy/da = b a^(b - 1), dy/db = y log a. Where b = 0, y is 1 for every a, and so dy/da = 0; where a = 0, y is 0 for every b above 0, and so dy/db = 0.
/// </summary>
public readonly struct Pow : IBinary
{
    /// <inheritdoc/>
    public static string Name => "Pow";

    /// <inheritdoc/>
    public V Value<V>(V a, V b) where V : struct, Simd.ISimd<V> => V.Pow(a, b);

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.IfEqual(b, V.Zero, V.Zero, b * V.Pow(a, b - V.One));

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.IfEqual(a, V.Zero, V.Zero, y * V.Log(a));
}

/// <summary>y = x^c for a constant c, dy/dx = c x^(c - 1): 0 where c = 0.</summary>
/// <param name="c">The exponent.</param>
public readonly struct PowConstant(double c) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Pow";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Pow(x, V.Constant(c));

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> =>
        c == 0 ? V.Zero : V.Constant(c) * V.Pow(x, V.Constant(c - 1));
}

/// <summary>Adds powers to <see cref="Tensor"/>.</summary>
public static class PowOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element to the power of the other's, the shapes broadcast to one another; NaN for a negative base and a fractional exponent.</summary>
        public Tensor Pow(Tensor exponent) => Binary<Pow>.Apply(x, exponent);

        /// <summary>Every element to the power of <paramref name="exponent"/>.</summary>
        public Tensor Pow(double exponent) => Unary<PowConstant>.Apply(x, new(exponent));
    }
}
