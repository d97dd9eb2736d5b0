using System.Numerics;

namespace NeuralMemory;

/// <summary>Adds draws from a distribution to <see cref="Tensor"/>.</summary>
public static unsafe class MultinomialOperation
{
    extension(Tensor probabilities)
    {
        /// <summary>
        /// <paramref name="count"/> draws from each distribution along the last dimension: [.., N] -> Int32 [.., count]. They need not add up to 1. Draws are
        /// made row after row, one number of <paramref name="random"/> for each. It has no gradient.
        /// </summary>
        /// <param name="count">Draws from each.</param>
        /// <param name="random">Where they come from; a seed gives the same ones always.</param>
        /// <param name="replacement">Whether one class may be drawn again; if not, each draw is from those that are left.</param>
        /// <exception cref="ShapeException">
        /// A probability is negative, NaN or infinite; all of a row are 0, or, without replacement, fewer than <paramref name="count"/> are not.
        /// Nothing has been drawn then.
        /// </exception>
        public Tensor Multinomial(int count, Philox random, bool replacement = true)
        {
            Require.Float("Multinomial", probabilities);
            if (probabilities.Rank == 0) throw new ShapeException("Multinomial", "the probabilities are []; [.., N] was expected.");
            if (count < 0) throw new ShapeException("Multinomial", $"{count} draws; 0 at least was expected.");
            int last = probabilities.Rank - 1;
            Tensor y = Tensor.Empty(probabilities.Shape.With(last, count), DType.Int32), weights = Tensor.Empty([probabilities.Shape[last]], DType.Float64);
            if (probabilities.DType == DType.Float64) Draw<double>(probabilities, weights, y, random, replacement);
            else Draw<float>(probabilities, weights, y, random, replacement);
            return y;
        }
    }

    static void Draw<T>(Tensor probabilities, Tensor weights, Tensor y, Philox random, bool replacement) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int last = probabilities.Rank - 1, n = probabilities.Shape[last], count = y.Shape[last];
        Fibres rows = new(probabilities.Shape, last, probabilities.Strides, y.Strides);
        Span<double> weight = new(weights.Pointer<double>(), n);
        for (int row = 0; row < rows.Count; row++)
        {
            Read<T>(probabilities, rows, row, weight);
            Check(weight, row, count, replacement, probabilities.Shape);
        }
        for (int row = 0; row < rows.Count; row++)
        {
            Read<T>(probabilities, rows, row, weight);
            Span<int> drawn = new(y.Pointer<int>() + (long)row * count, count);
            if (replacement) WithReplacement(weight, drawn, random);
            else WithoutReplacement(weight, drawn, random);
        }
        Require.Alive(probabilities, weights, y);
    }

    static void Read<T>(Tensor probabilities, in Fibres rows, int row, Span<double> weight) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        rows.Locate(row, out long offset, out _, out _);
        T* from = probabilities.Pointer<T>() + offset;
        for (int i = 0; i < weight.Length; i++) weight[i] = double.CreateTruncating(from[(long)i * rows.Along(0)]);
    }

    static void Check(Span<double> weight, int row, int count, bool replacement, Shape shape)
    {
        int positive = 0;
        for (int i = 0; i < weight.Length; i++)
        {
            if (!(weight[i] >= 0 && double.IsFinite(weight[i])))
                throw new ShapeException("Multinomial", $"probability {weight[i]} at {i} of row {row} of {shape}: none may be negative, NaN or infinite.");
            if (weight[i] > 0) positive++;
        }
        if (positive == 0) throw new ShapeException("Multinomial", $"row {row} of {shape} has no probability above 0.");
        if (!replacement && positive < count)
            throw new ShapeException("Multinomial", $"{count} draws without replacement from row {row} of {shape}, of which {positive} probabilities are above 0.");
    }

    /// <summary>The first class whose cumulative weight exceeds u times the total, by bisection. One of weight 0 exceeds nothing that its predecessor does not.</summary>
    static void WithReplacement(Span<double> weight, Span<int> drawn, Philox random)
    {
        for (int i = 1; i < weight.Length; i++) weight[i] += weight[i - 1];
        foreach (ref int result in drawn)
        {
            double threshold = random.NextDouble() * weight[^1];
            int low = 0, high = weight.Length - 1;
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (weight[middle] > threshold) high = middle;
                else low = middle + 1;
            }
            result = low;
        }
    }

    static void WithoutReplacement(Span<double> weight, Span<int> drawn, Philox random)
    {
        foreach (ref int result in drawn)
        {
            double total = 0, cumulative = 0;
            foreach (double w in weight) total += w;                        // anew for each draw: subtracting would leave the rounding of what is gone
            double threshold = random.NextDouble() * total;
            result = 0;
            while ((cumulative += weight[result]) <= threshold) result++;
            weight[result] = 0;
        }
    }
}
