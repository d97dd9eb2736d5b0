using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;

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
        /// Nothing has been drawn then. On a GPU none of this is reported: where there is nothing to draw from, the draw is -1.
        /// </exception>
        public Tensor Multinomial(int count, Philox random, bool replacement = true)
        {
            Require.Float("Multinomial", probabilities);
            if (probabilities.Rank == 0) throw new ShapeException("Multinomial", "the probabilities are []; [.., N] was expected.");
            if (count < 0) throw new ShapeException("Multinomial", $"{count} draws; 0 at least was expected.");
            int last = probabilities.Rank - 1;
            if (GpuBackend.Current is { } gpu) return Launch(gpu, probabilities, count, random, replacement);
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

    static Tensor Launch(GpuBackend gpu, Tensor probabilities, int count, Philox random, bool replacement)
    {
        int last = probabilities.Rank - 1, n = probabilities.Shape[last];
        Tensor y = Tensor.Empty(probabilities.Shape.With(last, count), DType.Int32), weights = Tensor.Empty(probabilities.Shape);
        Transfer.Copy(probabilities, weights);
        int draws = replacement ? 1 : count;                              // what a group draws one after the other
        if (y.Count > 0) gpu.Launch(y.Count / draws, 32, new GpuDraw(gpu.View(weights), gpu.View<int>(y), n, count, draws, random.Seed, random.Stream, random.Position));
        random.Position += 2 * (ulong)y.Count;
        return y;
    }

    /// <summary>
    /// A warp draws: each time it sums the weights, and then finds, 32 at a time, the first class whose cumulative weight exceeds u times the sum. Double precision, in which the order of
    /// the sums decides nothing but ties, and the CPU's random numbers: the draws are the CPU's.
    /// </summary>
    readonly struct GpuDraw(ArrayView<float> weights, ArrayView<int> y, int n, int count, int draws, ulong seed, ulong stream, ulong position) : IGpuKernel
    {
        public void Run()
        {
            int first = Grid.IdxX * draws, row = first / count * n, lane = Group.IdxX;
            for (int d = 0; d < draws; d++)
            {
                double total = 0;
                for (int i = lane; i < n; i += 32) total += weights[row + i] >= 0 ? weights[row + i] : double.NaN;
                total = WarpReduce.Of<DoubleSum, double>(total);
                int drawn = total > 0 && total < double.PositiveInfinity ? Find(row, lane, total, (uint)(first + d)) : -1;
                if (lane == 0)
                {
                    y[first + d] = drawn;
                    if (draws > 1 && drawn >= 0) weights[row + drawn] = 0;
                }
                Group.Barrier();
            }
        }

        int Find(int row, int lane, double total, ulong number)
        {
            double threshold = Philox.DoubleAt(seed, stream, position + 2 * number) * total, before = 0;
            int drawn = None, likely = -1;
            for (int start = 0; start < n && drawn == None; start += 32)
            {
                float weight = start + lane < n ? weights[row + start + lane] : 0;
                double sum = lane == 0 ? before + weight : weight;
                for (int delta = 1; delta < 32; delta *= 2)
                {
                    double below = Warp.ShuffleUp(sum, delta);
                    if (lane >= delta) sum += below;
                }
                before = Warp.Shuffle(sum, 31);
                drawn = WarpReduce.Of<Least, int>(weight > 0 && sum > threshold ? start + lane : None);
                if (weight > 0) likely = start + lane;
            }
            likely = -WarpReduce.Of<Least, int>(-likely);                 // the last one, should rounding have left it below the threshold
            return drawn == None ? likely : drawn;
        }

        const int None = int.MaxValue;
    }

    readonly struct DoubleSum : IReduction<double>
    {
        public static double Neutral => 0;

        public static double Join(double a, double b) => a + b;
    }

    readonly struct Least : IReduction<int>
    {
        public static int Neutral => int.MaxValue;

        public static int Join(int a, int b) => Math.Min(a, b);
    }
}
