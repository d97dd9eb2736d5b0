namespace NeuralMemory;

/// <summary>Adds sorting to <see cref="Tensor"/>.</summary>
public static class SortOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The elements in ascending order along <paramref name="dimension"/>, and where each of them stood (Int32). Equal elements keep their order; NaN is
        /// above every number. The gradient of a value goes to where it stood.
        /// </summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public (Tensor Values, Tensor Indices) Sort(int dimension = -1, bool descending = false)
        {
            Tensor indices = x.ArgSort(dimension, descending);
            return (x.Gather(dimension, indices), indices);
        }

        /// <summary>Where the elements in ascending order along <paramref name="dimension"/> stand: Int32, equal ones in their order. It has no gradient.</summary>
        /// <exception cref="ShapeException">There is no such dimension; the elements are integers.</exception>
        public Tensor ArgSort(int dimension = -1, bool descending = false)
        {
            Require.Float("Sort", x);
            int d = x.Shape.Dimension(dimension, "Sort");
            return Lists.Of(x, d, x.Shape[d], descending);
        }
    }
}
