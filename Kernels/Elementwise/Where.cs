namespace NeuralMemory;

/// <summary>y = a where c is not 0, else b; dy/da = 1 where y is a, dy/db = 1 where y is b, else 0.</summary>
public readonly struct Where : ITernary
{
    /// <inheritdoc/>
    public static string Name => "Where";

    /// <inheritdoc/>
    public V Value<V>(V a, V b, V c) where V : struct, Simd.ISimd<V> => V.IfEqual(c, V.Zero, b, a);

    /// <inheritdoc/>
    public V SlopeA<V>(V a, V b, V c) where V : struct, Simd.ISimd<V> => V.IfEqual(c, V.Zero, V.Zero, V.One);

    /// <inheritdoc/>
    public V SlopeB<V>(V a, V b, V c) where V : struct, Simd.ISimd<V> => V.IfEqual(c, V.Zero, V.One, V.Zero);

    /// <inheritdoc/>
    public V SlopeC<V>(V a, V b, V c) where V : struct, Simd.ISimd<V> => V.Zero;
}

/// <summary>Adds the choice between two to <see cref="Tensor"/>.</summary>
public static class WhereOperation
{
    extension(Tensor)
    {
        /// <summary>
        /// Elements of <paramref name="a"/> where <paramref name="condition"/> is not 0, of <paramref name="b"/> elsewhere, all shapes broadcast to one another.
        /// </summary>
        /// <param name="condition">Int32, as comparisons give it, or real. No gradient flows into it.</param>
        /// <param name="a">What is taken where the condition holds.</param>
        /// <param name="b">What is taken elsewhere.</param>
        /// <example><c>Tensor.Where(scores &gt; 0, scores, 0 * scores)</c></example>
        public static Tensor Where(Tensor condition, Tensor a, Tensor b) => Ternary<Where>.Apply(a, b, condition.Detach().To(a.DType));
    }
}
