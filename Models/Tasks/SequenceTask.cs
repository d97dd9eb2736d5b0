using System.Runtime.CompilerServices;

namespace NeuralMemory.Tasks;

/// <summary>
/// A task of section 4 of Graves, Wayne and Danihelka 2014, "Neural Turing Machines" (arXiv:1410.5401): an endless stream of episodes drawn from a
/// <see cref="Philox"/>. Its position is all the state there is, so a resumed run sees the very episodes that the killed one would have seen.
/// </summary>
/// <remarks>All sequences of a batch have the same length. A task keeps the buffers that it writes episodes in, so threads do not share one.</remarks>
public abstract class SequenceTask
{
    float[] inputs = [], targets = [];
    int batch, steps;

    /// <summary>A task of the given widths whose episodes are, unless asked for otherwise, <paramref name="minLength"/> to <paramref name="maxLength"/> long.</summary>
    /// <param name="inputWidth">The channels of an input, markers included.</param>
    /// <param name="outputWidth">The channels of an output.</param>
    /// <param name="minLength">The least difficulty drawn, at least <paramref name="shortest"/>.</param>
    /// <param name="maxLength">The greatest difficulty drawn, at least <paramref name="minLength"/>.</param>
    /// <param name="shortest">The least difficulty that makes sense.</param>
    /// <exception cref="ArgumentOutOfRangeException">The lengths are not in that order.</exception>
    protected SequenceTask(int inputWidth, int outputWidth, int minLength, int maxLength, int shortest = 1)
    {
        (InputWidth, OutputWidth, ShortestLength) = (inputWidth, outputWidth, shortest);
        MinLength = AtLeast(shortest, minLength);
        MaxLength = AtLeast(minLength, maxLength);
    }

    /// <summary>The task as the command line spells it: one of <see cref="SequenceTasks.Names"/>.</summary>
    public abstract string Name { get; }

    /// <summary>The channels of an input: bits first, then markers, then a scalar where the task has one.</summary>
    public int InputWidth { get; }

    /// <summary>The channels of an output.</summary>
    public int OutputWidth { get; }

    /// <summary>The least length drawn in training. Each task says what its length counts.</summary>
    public int MinLength { get; }

    /// <summary>The greatest length drawn in training; episodes longer than that test generalisation.</summary>
    public int MaxLength { get; }

    /// <summary>The least length that an episode can have.</summary>
    public int ShortestLength { get; }

    /// <summary>
    /// Whether more than its length is drawn for a whole batch, such as how often to repeat. Sequences side by side are then all alike in it, and who tests such a task should run them one by one.
    /// </summary>
    public virtual bool VariesByBatch => false;

    /// <summary>The next episode: its length uniform in <see cref="MinLength"/> to <see cref="MaxLength"/>, the same for the whole batch.</summary>
    /// <param name="random">Where everything is drawn from.</param>
    /// <param name="batch">How many sequences to make, each drawn by itself.</param>
    public Episode Next(Philox random, int batch) => Next(random, batch, Uniform(random, MinLength, MaxLength));

    /// <summary>The next episode, of a given length.</summary>
    /// <param name="random">Where everything is drawn from.</param>
    /// <param name="batch">How many sequences to make, each drawn by itself.</param>
    /// <param name="length">At least <see cref="ShortestLength"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is empty, or the length too small, or so large that no tensor could hold the episode.</exception>
    public abstract Episode Next(Philox random, int batch, int length);

    /// <summary>Starts an episode: all its inputs and targets are zero, and a task writes what is not.</summary>
    /// <returns>The number of steps.</returns>
    private protected int Begin(long steps, int batch, int length)
    {
        AtLeast(1, batch);
        AtLeast(ShortestLength, length);
        if ((double)steps * batch * Math.Max(InputWidth, OutputWidth) > Array.MaxLength)
            throw new ArgumentOutOfRangeException(nameof(length), length, $"{Name}: {steps} steps of {batch} sequences are more than a tensor can hold.");
        (this.steps, this.batch) = ((int)steps, batch);
        Clear(ref inputs, this.steps * batch * InputWidth);
        Clear(ref targets, this.steps * batch * OutputWidth);
        return this.steps;
    }

    static void Clear(ref float[] buffer, int count)
    {
        if (buffer.Length < count) buffer = new float[Math.Max(count, (int)Math.Min(2L * buffer.Length, Array.MaxLength))];
        else Array.Clear(buffer, 0, count);
    }

    /// <summary>What sequence b is shown at step t: [input width].</summary>
    private protected Span<float> Input(int t, int b) => inputs.AsSpan((t * batch + b) * InputWidth, InputWidth);

    /// <summary>What sequence b should say at step t: [output width].</summary>
    private protected Span<float> Target(int t, int b) => targets.AsSpan((t * batch + b) * OutputWidth, OutputWidth);

    /// <summary>Ends an episode: what was written, as tensors of the current step of the tape.</summary>
    private protected Episode End(int outputStart, int length) => new(
        Tensor.From(inputs.AsSpan(0, steps * batch * InputWidth), [steps, batch, InputWidth]),
        Tensor.From(targets.AsSpan(0, steps * batch * OutputWidth), [steps, batch, OutputWidth]), outputStart, length);

    /// <summary>Fair coins, 32 from each number drawn.</summary>
    private protected static void DrawBits(Philox random, Span<float> bits)
    {
        uint coins = 0;
        for (int i = 0; i < bits.Length; i++, coins >>= 1)
        {
            if (i % 32 == 0) coins = random.NextUInt32();
            bits[i] = coins & 1;
        }
    }

    /// <summary>Uniform in <paramref name="least"/> to <paramref name="most"/>, both included.</summary>
    private protected static int Uniform(Philox random, int least, int most) => least + random.Next(0, most - least + 1);

    /// <summary><paramref name="value"/>, unless it is too small.</summary>
    private protected static int AtLeast(int least, int value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, least, name);
        return value;
    }
}
