namespace NeuralMemory;

/// <summary>y = min(max(x, minimum), maximum); dy/dx = 1 from minimum to maximum, both included, else 0.</summary>
/// <param name="minimum">The least value.</param>
/// <param name="maximum">The greatest.</param>
public readonly struct Clamp(double minimum, double maximum) : IUnary
{
    /// <inheritdoc/>
    public static string Name => "Clamp";

    /// <inheritdoc/>
    public V Value<V>(V x) where V : struct, Simd.ISimd<V> => V.Min(V.Max(x, V.Constant(minimum)), V.Constant(maximum));

    /// <inheritdoc/>
    public V Slope<V>(V x, V y) where V : struct, Simd.ISimd<V> =>
        V.IfLessOrEqual(V.Constant(minimum), x, V.IfLessOrEqual(x, V.Constant(maximum), V.One, V.Zero), V.Zero);
}

/// <summary>Adds the limitation to a range to <see cref="Tensor"/>.</summary>
public static class ClampOperation
{
    extension(Tensor x)
    {
        /// <summary>Every element, or the nearest of the bounds where it is beyond them; an infinite bound is none.</summary>
        /// <exception cref="ArgumentException"><paramref name="minimum"/> is more than <paramref name="maximum"/>, or one is NaN.</exception>
        public Tensor Clamp(double minimum, double maximum)
        {
            if (!(minimum <= maximum)) throw new ArgumentException($"Clamp: the minimum {minimum} is not below the maximum {maximum}.");
            return Unary<Clamp>.Apply(x, new(minimum, maximum));
        }
    }
}
