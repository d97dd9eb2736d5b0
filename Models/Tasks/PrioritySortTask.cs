namespace NeuralMemory.Tasks;

/// <summary>
/// Section 4.5, Priority sort: random binary vectors, each with a priority, and then those of the highest priorities in order, the highest first.
/// </summary>
/// <remarks>
/// Length L: the number of vectors shown, 20 in the paper, which asks for the best 16 of them (fewer where fewer are shown). Priorities are uniform in
/// [-1, 1) and come on a channel of their own.
/// <code>
/// step      0      1 .. L          L+1    L+2 ..
/// input     start  x1, p1 .. xL, pL  end
/// target                                  the x of the highest p, of the second highest, ...
/// </code>
/// Input channels: the bits, the start flag, the end flag, the priority.
/// <para>
/// Chance: half of the 16 * 8 = 128 bits wrong and a cost of 128 bits. A network that kept how many ones each channel had, but no order, gets 52.7 wrong:
/// the rarer bit's share of 20 fair coins is .412 on average.
/// </para>
/// </remarks>
/// <param name="width">Bits a vector.</param>
/// <param name="highest">How many vectors to say.</param>
/// <param name="minLength">The fewest vectors shown in training.</param>
/// <param name="maxLength">The most.</param>
public sealed class PrioritySortTask(int width = 8, int highest = 16, int minLength = 20, int maxLength = 20)
    : SequenceTask(AtLeast(1, width) + 3, width, minLength, maxLength)
{
    float[] keys = [];
    int[] order = [];

    /// <inheritdoc/>
    public override string Name => "priority-sort";

    /// <summary>How many vectors to say, where at least as many are shown.</summary>
    public int Highest { get; } = AtLeast(1, highest);

    /// <inheritdoc/>
    public override Episode Next(Philox random, int batch, int length)
    {
        int width = OutputWidth, start = width, end = width + 1, priority = width + 2, outputStart = length + 2, outputs = Math.Min(Highest, length);
        Begin(length + 2L + outputs, batch, length);
        if (keys.Length < length) (keys, order) = (new float[length], new int[length]);
        for (int b = 0; b < batch; b++)
        {
            Input(0, b)[start] = 1;
            Input(length + 1, b)[end] = 1;
            for (int i = 0; i < length; i++)
            {
                Span<float> input = Input(1 + i, b);
                DrawBits(random, input[..width]);
                input[priority] = 2 * random.NextSingle() - 1;
                (keys[i], order[i]) = (-input[priority], 1 + i);
            }
            Array.Sort(keys, order, 0, length);
            for (int i = 0; i < outputs; i++) Input(order[i], b)[..width].CopyTo(Target(outputStart + i, b));
        }
        return End(outputStart, length);
    }
}
