namespace NeuralMemory;

/// <summary>y = min(a, b); dy/da = 1 where a is the smaller, 0 where b is, 1/2 where they are equal; dy/db = 1 - dy/da.</summary>
public readonly struct Minimum : IBinary
{
    /// <inheritdoc/>
    public static string Name => "Minimum";

    /// <inheritdoc/>
    public V Value<V>(V a, V b) where V : struct, Simd.ISimd<V> => V.Min(a, b);

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.IfLess(a, b, V.One, V.IfEqual(a, b, V.Constant(0.5), V.Zero));

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V y) where V : struct, Simd.ISimd<V> => V.IfLess(b, a, V.One, V.IfEqual(a, b, V.Constant(0.5), V.Zero));
}

/// <summary>Adds the smaller of two to <see cref="Tensor"/>.</summary>
public static class MinimumOperation
{
    extension(Tensor x)
    {
        /// <summary>The smaller of every two elements, the shapes broadcast to one another; NaN where either is.</summary>
        public Tensor Minimum(Tensor other) => Binary<Minimum>.Apply(x, other);
    }
}
