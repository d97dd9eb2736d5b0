using System.Buffers;

namespace NeuralMemory.Tasks;

/// <summary>
/// Section 4.4, Dynamic N-grams: bits drawn from a table that gives, for each history of N - 1 bits, the probability that a one follows. Every sequence
/// has a new table, and the network, which sees one bit after the other, predicts the next by counting what followed which history.
/// </summary>
/// <remarks>
/// Length: the number of bits, 200 in the paper. At step t the input is bit t and the target bit t + 1, so every one of the length - 1 steps counts. The
/// first N - 1 bits have too little history and are fair coins.
/// <para>
/// Chance costs 1 bit a step: 199. The least that any network can reach on average is the cost of <see cref="OptimalLogits"/>: 132.5 bits a sequence and
/// 47.3 wrong ones, over 1000 sequences of 200.
/// </para>
/// </remarks>
/// <param name="order">N: bits of history, and the one that follows; 1 to 16.</param>
/// <param name="minLength">The fewest bits in training, at least 2.</param>
/// <param name="maxLength">The most.</param>
public sealed class DynamicNGramsTask(int order = 6, int minLength = 200, int maxLength = 200) : SequenceTask(1, 1, minLength, maxLength, shortest: 2)
{
    readonly double[] table = new double[Histories(order)];
    readonly int[] counts = new int[2 * Histories(order)];                                  // [history, bit]

    /// <inheritdoc/>
    public override string Name => "ngrams";

    /// <summary>N: the bits of history and the one that follows.</summary>
    public int Order => order;

    static int Histories(int order)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, 16);
        return 1 << (AtLeast(1, order) - 1);
    }

    /// <summary>
    /// A new table: P(1 | history) for each of the 2^(N-1) histories, whose last bit is the lowest, by Beta(1/2, 1/2). That is the arcsine law, the law of
    /// sin^2(pi u / 2) for a uniform u.
    /// </summary>
    public static void DrawTable(Philox random, Span<double> table)
    {
        foreach (ref double p in table) p = double.Pow(double.SinPi(random.NextDouble() / 2), 2);
    }

    /// <inheritdoc/>
    public override Episode Next(Philox random, int batch, int length)
    {
        Begin(length - 1L, batch, length);
        for (int b = 0; b < batch; b++)
        {
            DrawTable(random, table);
            int history = 0;
            for (int i = 0; i < length; i++)
            {
                double p = i < order - 1 ? .5 : table[history];
                int bit = random.NextDouble() < p ? 1 : 0;
                if (i < length - 1) Input(i, b)[0] = bit;
                if (i > 0) Target(i - 1, b)[0] = bit;
                history = Append(history, bit);
            }
        }
        return End(0, length);
    }

    /// <summary>The last N - 1 bits, once <paramref name="bit"/> has come.</summary>
    int Append(int history, int bit) => (2 * history + bit) & (table.Length - 1);

    /// <summary>
    /// The logits of the best estimator there is, for <see cref="Episode.CrossEntropyBits"/> and <see cref="Episode.ErrorBits"/> to judge: with N1 ones and
    /// N0 zeros seen after the present history so far,
    /// <code>P(1 | N1, N0) = (N1 + 1/2) / (N1 + N0 + 1)          (equation 10)</code>
    /// the mean of Beta(N1 + 1/2, N0 + 1/2), whose logit is ln((N1 + 1/2) / (N0 + 1/2)). Before there is any history it is 0.
    /// </summary>
    /// <param name="episode">One of this task's.</param>
    /// <returns>[time, batch, 1]</returns>
    public Tensor OptimalLogits(Episode episode)
    {
        int batch = episode.Batch, count = episode.Targets.Count;
        float[] first = ArrayPool<float>.Shared.Rent(batch), next = ArrayPool<float>.Shared.Rent(count), logits = ArrayPool<float>.Shared.Rent(count);
        episode.Inputs.Slice(0, 0, 1).CopyTo(first.AsSpan(0, batch));
        episode.Targets.CopyTo(next.AsSpan(0, count));
        for (int b = 0; b < batch; b++)
        {
            Array.Clear(counts);
            int history = 0;
            for (int i = 0; i <= episode.Steps; i++)
            {
                int bit = (int)(i == 0 ? first[b] : next[(i - 1) * batch + b]);
                bool drawn = i >= order - 1;                                                // from the table, not as a fair coin
                if (i > 0) logits[(i - 1) * batch + b] = drawn ? (float)Math.Log((counts[2 * history + 1] + .5) / (counts[2 * history] + .5)) : 0;
                if (drawn) counts[2 * history + bit]++;
                history = Append(history, bit);
            }
        }
        Tensor result = Tensor.From(logits.AsSpan(0, count), episode.Targets.Shape);
        ArrayPool<float>.Shared.Return(first);
        ArrayPool<float>.Shared.Return(next);
        ArrayPool<float>.Shared.Return(logits);
        return result;
    }
}
