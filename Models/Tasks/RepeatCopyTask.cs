namespace NeuralMemory.Tasks;

/// <summary>
/// Section 4.2, Repeat copy: random binary vectors and how often to say them, then that many copies one after the other, and a marker where the network
/// holds that it is done. A network that kept nothing gets half of the length * repeats * width bits wrong.
/// </summary>
/// <remarks>
/// Length L: the number of vectors; the number of repeats R is drawn beside it, both 1 to 10 in the paper. The count comes on a channel of its own,
/// scaled to mean 0 and variance 1 over the repeats drawn in training; it is no bit, and may be 0, so a flag closes the sequence in the same step.
/// <code>
/// step      0      1 .. L   L+1          L+2 .. L+1+L*R   L+2+L*R
/// input     start  x1..xL   end, count
/// target                                 x1 .. xL, ...    end marker
/// </code>
/// Input channels: the bits, the start flag, the end flag, the count. Output channels: the bits, the end marker.
/// </remarks>
/// <param name="width">Bits a vector.</param>
/// <param name="minLength">The fewest vectors in training.</param>
/// <param name="maxLength">The most.</param>
/// <param name="minRepeats">The fewest copies in training.</param>
/// <param name="maxRepeats">The most.</param>
public sealed class RepeatCopyTask(int width = 8, int minLength = 1, int maxLength = 10, int minRepeats = 1, int maxRepeats = 10)
    : SequenceTask(AtLeast(1, width) + 3, width + 1, minLength, maxLength)
{
    // n equally likely whole numbers have variance (n^2 - 1) / 12.
    readonly double mean = ((double)minRepeats + maxRepeats) / 2;
    readonly double deviation = Math.Sqrt((Math.Pow((double)maxRepeats - minRepeats + 1, 2) - 1) / 12);

    /// <summary>The fewest copies drawn in training.</summary>
    public int MinRepeats { get; } = AtLeast(1, minRepeats);

    /// <summary>The most copies drawn in training.</summary>
    public int MaxRepeats { get; } = AtLeast(minRepeats, maxRepeats);

    /// <inheritdoc/>
    public override string Name => "repeat-copy";

    /// <inheritdoc/>
    public override bool VariesByBatch => true;

    /// <summary>How the network is told a number of copies: less the mean, by the standard deviation (or by 1 where there is only one number).</summary>
    public float Normalize(int repeats) => (float)((repeats - mean) / (deviation > 0 ? deviation : 1));

    /// <summary>The next episode of a given number of vectors, its number of copies uniform in <see cref="MinRepeats"/> to <see cref="MaxRepeats"/>.</summary>
    /// <inheritdoc/>
    public override Episode Next(Philox random, int batch, int length) => Next(random, batch, length, Uniform(random, MinRepeats, MaxRepeats));

    /// <summary>The next episode of a given number of vectors and of copies: the two directions in which figure 8 tests generalisation.</summary>
    /// <param name="random">Where everything is drawn from.</param>
    /// <param name="batch">How many sequences to make, each drawn by itself.</param>
    /// <param name="length">Vectors, at least 1.</param>
    /// <param name="repeats">Copies, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is smaller, or no tensor could hold the episode.</exception>
    public Episode Next(Philox random, int batch, int length, int repeats)
    {
        AtLeast(1, repeats);
        int width = OutputWidth - 1, start = width, end = width + 1, count = width + 2, marker = width, outputStart = length + 2;
        int steps = Begin(length + 3L + (long)length * repeats, batch, length);
        for (int b = 0; b < batch; b++)
        {
            Input(0, b)[start] = 1;
            Input(length + 1, b)[end] = 1;
            Input(length + 1, b)[count] = Normalize(repeats);
            for (int i = 0; i < length; i++)
            {
                Span<float> x = Input(1 + i, b)[..width];
                DrawBits(random, x);
                for (int r = 0; r < repeats; r++) x.CopyTo(Target(outputStart + r * length + i, b));
            }
            Target(steps - 1, b)[marker] = 1;
        }
        return End(outputStart, length);
    }
}
