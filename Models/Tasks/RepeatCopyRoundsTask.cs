namespace NeuralMemory.Tasks;

/// <summary>
/// Repeat copy, round after round: every round shows new vectors and how often to say them. Together the rounds write more than a small memory holds, so that what has been said for
/// the last time must be given up; a network that cannot do so gets half of the later rounds' bits wrong.
/// </summary>
/// <remarks>
/// Length L: the number of rounds. Each draws its number of vectors V and of copies R, the same for the whole batch. While a round is shown the network is to say nothing.
/// <code>
/// step      0      1 .. V   V+1          V+2 .. V+1+V*R   then the next round
/// input     start  x1..xV   end, count
/// target                                 x1 .. xV, ...
/// </code>
/// Input channels: the bits, the start flag, the end flag, the count, scaled to 0 to 1. Output channels: the bits.
/// </remarks>
/// <param name="width">Bits a vector.</param>
/// <param name="maxVectors">The most vectors of a round; 1 is the fewest.</param>
/// <param name="maxRepeats">The most copies of a round; 1 is the fewest.</param>
/// <param name="minRounds">The fewest rounds in training.</param>
/// <param name="maxRounds">The most.</param>
public sealed class RepeatCopyRoundsTask(int width = 8, int maxVectors = 8, int maxRepeats = 2, int minRounds = 1, int maxRounds = 4)
    : SequenceTask(AtLeast(1, width) + 3, width, minRounds, maxRounds)
{
    readonly List<(int Vectors, int Repeats)> rounds = [];

    /// <summary>The most vectors of a round.</summary>
    public int MaxVectors { get; } = AtLeast(1, maxVectors);

    /// <summary>The most copies of a round.</summary>
    public int MaxRepeats { get; } = AtLeast(1, maxRepeats);

    /// <summary>The bits that each sequence of the last episode was to say: those of its copies, without the silence while a round is shown.</summary>
    public int AskedBits { get; private set; }

    /// <inheritdoc/>
    public override string Name => "repeat-copy-rounds";

    /// <inheritdoc/>
    public override bool VariesByBatch => true;

    /// <inheritdoc/>
    public override Episode Next(Philox random, int batch, int length)
    {
        AtLeast(1, length);
        rounds.Clear();
        long steps = 0, copies = 0;
        for (int i = 0; i < length; i++)
        {
            (int Vectors, int Repeats) round = (Uniform(random, 1, MaxVectors), Uniform(random, 1, MaxRepeats));
            rounds.Add(round);
            copies += (long)round.Vectors * round.Repeats;
            steps += 2 + round.Vectors * (1L + round.Repeats);
        }
        int width = OutputWidth, start = width, end = width + 1, count = width + 2;
        Begin(steps, batch, length);
        AskedBits = (int)copies * width;
        for (int b = 0; b < batch; b++)
        {
            int t = 0;
            foreach ((int vectors, int repeats) in rounds)
            {
                Input(t++, b)[start] = 1;
                for (int i = 0; i < vectors; i++, t++)
                {
                    Span<float> x = Input(t, b)[..width];
                    DrawBits(random, x);
                    for (int copy = 0; copy < repeats; copy++) x.CopyTo(Target(t + 1 + vectors * (1 + copy), b));
                }
                Input(t, b)[end] = 1;
                Input(t++, b)[count] = (float)repeats / MaxRepeats;
                t += vectors * repeats;
            }
        }
        return End(rounds[0].Vectors + 2, length);
    }
}
