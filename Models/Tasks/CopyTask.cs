namespace NeuralMemory.Tasks;

/// <summary>
/// Section 4.1, Copy: random binary vectors between two flags, then as many steps without input, in which they are to be said again in order. A network
/// that kept nothing gets half of the length * width bits wrong.
/// </summary>
/// <remarks>
/// Length L: the number of vectors; the paper trains on 1 to 20 and tests up to 120. The paper names the flag that closes the sequence; one that
/// opens it stands here as well.
/// <code>
/// step      0      1 .. L   L+1    L+2 .. 2L+1
/// input     start  x1..xL   end
/// target                           x1 .. xL
/// </code>
/// Input channels: the bits, the start flag, the end flag.
/// </remarks>
/// <param name="width">Bits a vector.</param>
/// <param name="minLength">The fewest vectors in training.</param>
/// <param name="maxLength">The most.</param>
public sealed class CopyTask(int width = 8, int minLength = 1, int maxLength = 20) : SequenceTask(AtLeast(1, width) + 2, width, minLength, maxLength)
{
    /// <inheritdoc/>
    public override string Name => "copy";

    /// <inheritdoc/>
    public override Episode Next(Philox random, int batch, int length)
    {
        int width = OutputWidth, start = width, end = width + 1, outputStart = length + 2;
        Begin(2L * length + 2, batch, length);
        for (int b = 0; b < batch; b++)
        {
            Input(0, b)[start] = 1;
            Input(length + 1, b)[end] = 1;
            for (int i = 0; i < length; i++)
            {
                Span<float> x = Input(1 + i, b)[..width];
                DrawBits(random, x);
                x.CopyTo(Target(outputStart + i, b));
            }
        }
        return End(outputStart, length);
    }
}
