namespace NeuralMemory;

/// <summary>Adds the choice of the largest elements to <see cref="Tensor"/>.</summary>
public static class TopKOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The <paramref name="k"/> largest elements along <paramref name="dimension"/>, the largest first and of equal ones the first, and where each of them
        /// stands (Int32): [.., N, ..] -> [.., k, ..]. NaN is above every number. The gradient of a value goes to where it stands.
        /// </summary>
        /// <exception cref="ShapeException">k is not within 0 to N; there is no such dimension; the elements are integers.</exception>
        public (Tensor Values, Tensor Indices) TopK(int k, int dimension = -1)
        {
            Require.Float("TopK", x);
            int d = x.Shape.Dimension(dimension, "TopK");
            if ((uint)k > (uint)x.Shape[d]) throw new ShapeException("TopK", $"k = {k} along dimension {dimension} of {x.Shape}: 0 to {x.Shape[d]} was expected.");
            Tensor indices = Lists.Of(x, d, k, descending: true);
            return (x.Gather(d, indices), indices);
        }
    }
}
