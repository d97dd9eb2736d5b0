namespace NeuralMemory.Tasks;

/// <summary>Classes that are made anew for every episode: a prototype of fair coins each, and samples in which every bit is flipped with a small probability. Bits are -1 and 1.</summary>
/// <param name="width">Bits of a prototype.</param>
/// <param name="classes">Classes of an episode.</param>
/// <param name="length">Samples of an episode.</param>
/// <param name="flips">The probability that a bit of a sample is not its prototype's.</param>
public sealed class PrototypeTask(int width = 32, int classes = 5, int length = 50, double flips = .08) : OneShotTask(width, classes, length)
{
    readonly float[] prototypes = new float[classes * width];
    readonly double flips = flips is >= 0 and <= .5 ? flips : throw new ArgumentOutOfRangeException(nameof(flips), flips, "A probability from 0 to 1/2 was expected.");

    /// <inheritdoc/>
    public override string Name => "prototypes";

    private protected override void Begin(Philox random)
    {
        foreach (ref float bit in prototypes.AsSpan()) bit = random.Next(0, 2) * 2 - 1;
    }

    private protected override void Draw(int which, Philox random, Span<float> sample)
    {
        for (int i = 0; i < sample.Length; i++) sample[i] = random.NextDouble() < flips ? -prototypes[which * SampleWidth + i] : prototypes[which * SampleWidth + i];
    }
}
