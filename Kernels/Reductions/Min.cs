namespace NeuralMemory;

/// <summary>The smallest x along a dimension.</summary>
public readonly struct Min : IExtreme
{
    /// <inheritdoc/>
    public static string Name => "Min";

    /// <inheritdoc/>
    public static V Key<V>(V x) where V : struct, Simd.ISimd<V> => -x;
}

/// <summary>Adds the smallest elements to <see cref="Tensor"/>.</summary>
public static class MinOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The smallest elements along <paramref name="dimension"/>, which the result is without, or has with size 1. NaN where any is NaN. The gradient
        /// goes to the first of equal ones.
        /// </summary>
        /// <exception cref="ShapeException">It would be the smallest of nothing; there is no such dimension; the elements are integers.</exception>
        public Tensor Min(int dimension, bool keepDimension = false) => Extreme<Min>.Apply(x, dimension, keepDimension);

        /// <summary>As above, and where along the dimension they stand: Int32, of equal ones the first.</summary>
        public Tensor Min(int dimension, out Tensor indices, bool keepDimension = false) => Extreme<Min>.Apply(x, dimension, keepDimension, out indices);

        /// <summary>Where along <paramref name="dimension"/> the smallest elements stand: Int32, of equal ones the first. It has no gradient.</summary>
        /// <exception cref="ShapeException">There is nothing to choose from; there is no such dimension; the elements are integers.</exception>
        public Tensor ArgMin(int dimension = -1, bool keepDimension = false)
        {
            Extreme<Min>.Apply(x.Detach(), dimension, keepDimension, out Tensor indices);
            return indices;
        }
    }
}
