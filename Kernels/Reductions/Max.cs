namespace NeuralMemory;

/// <summary>The largest x along a dimension.</summary>
public readonly struct Max : IExtreme
{
    /// <inheritdoc/>
    public static string Name => "Max";

    /// <inheritdoc/>
    public static V Key<V>(V x) where V : struct, Simd.ISimd<V> => x;
}

/// <summary>Adds the largest elements to <see cref="Tensor"/>.</summary>
public static class MaxOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The largest elements along <paramref name="dimension"/>, which the result is without, or has with size 1. NaN where any is NaN. The gradient
        /// goes to the first of equal ones.
        /// </summary>
        /// <exception cref="ShapeException">It would be the largest of nothing; there is no such dimension; the elements are integers.</exception>
        public Tensor Max(int dimension, bool keepDimension = false) => Extreme<Max>.Apply(x, dimension, keepDimension);

        /// <summary>As above, and where along the dimension they stand: Int32, of equal ones the first.</summary>
        public Tensor Max(int dimension, out Tensor indices, bool keepDimension = false) => Extreme<Max>.Apply(x, dimension, keepDimension, out indices);

        /// <summary>Where along <paramref name="dimension"/> the largest elements stand: Int32, of equal ones the first. It has no gradient.</summary>
        /// <exception cref="ShapeException">There is nothing to choose from; there is no such dimension; the elements are integers.</exception>
        public Tensor ArgMax(int dimension = -1, bool keepDimension = false)
        {
            Extreme<Max>.Apply(x.Detach(), dimension, keepDimension, out Tensor indices);
            return indices;
        }
    }
}
