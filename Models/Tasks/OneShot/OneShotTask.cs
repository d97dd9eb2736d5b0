namespace NeuralMemory.Tasks;

/// <summary>
/// One-shot classification as in Santoro et al. 2016 (arXiv:1605.06065, section 2): an episode shows samples of a few classes that were never seen before, under labels that mean nothing
/// outside the episode. Each sample comes with the label of the one before, so that it must be answered before its own is told: the first of a class can only be guessed, and every
/// further one tells how well the class was remembered.
/// </summary>
public abstract class OneShotTask
{
    float[] inputs = [];
    int[] labels = [], presentations = [], order = [], seen = [];

    /// <summary>A task with samples of so many numbers.</summary>
    /// <param name="sampleWidth">Numbers of a sample.</param>
    /// <param name="classes">Classes of an episode.</param>
    /// <param name="length">Samples of an episode, as many of each class.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, or the length no multiple of the classes.</exception>
    protected OneShotTask(int sampleWidth, int classes, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sampleWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, classes);
        if (length % classes != 0) throw new ArgumentOutOfRangeException(nameof(length), length, $"A multiple of the {classes} classes was expected.");
        (SampleWidth, Classes, Length) = (sampleWidth, classes, length);
    }

    /// <summary>The task as the command line spells it.</summary>
    public abstract string Name { get; }

    /// <summary>Numbers of a sample.</summary>
    public int SampleWidth { get; }

    /// <summary>Classes of an episode: the channels of an output.</summary>
    public int Classes { get; }

    /// <summary>Samples of an episode.</summary>
    public int Length { get; }

    /// <summary>The channels of an input: a sample, and the label of the one before.</summary>
    public int InputWidth => SampleWidth + Classes;

    /// <summary>Draws the classes of an episode.</summary>
    private protected abstract void Begin(Philox random);

    /// <summary>Draws a sample of one of the episode's classes.</summary>
    private protected abstract void Draw(int which, Philox random, Span<float> sample);

    /// <summary>The next episodes, side by side, as tensors of the current step of the tape.</summary>
    /// <param name="random">Where everything is drawn from.</param>
    /// <param name="batch">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch is empty.</exception>
    public OneShotEpisode Next(Philox random, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        int count = Length * batch;
        if (labels.Length != count) (inputs, labels, presentations) = (new float[count * InputWidth], new int[count], new int[count]);
        if (order.Length != Length) (order, seen) = (new int[Length], new int[Classes]);
        Array.Clear(inputs);
        for (int b = 0; b < batch; b++)
        {
            Begin(random);
            Array.Clear(seen);
            for (int t = 0; t < Length; t++) order[t] = t % Classes;
            random.Shuffle(order.AsSpan());
            for (int t = 0; t < Length; t++)
            {
                int at = t * batch + b;
                Span<float> input = inputs.AsSpan(at * InputWidth, InputWidth);
                Draw(order[t], random, input[..SampleWidth]);
                if (t > 0) input[SampleWidth + order[t - 1]] = 1;
                (labels[at], presentations[at]) = (order[t], ++seen[order[t]]);
            }
        }
        return new(Tensor.From(inputs, [Length, batch, InputWidth]), Tensor.From(labels, [Length, batch]), Tensor.From(presentations, [Length, batch]));
    }
}

/// <summary>Episodes side by side.</summary>
/// <param name="Inputs">[time, batch, sample width + classes]: a sample, and the label of the one before, one-hot; none at first.</param>
/// <param name="Labels">Int32 [time, batch]: the class of each sample.</param>
/// <param name="Presentations">Int32 [time, batch]: how often the class has been shown by then, this time included.</param>
public readonly record struct OneShotEpisode(Tensor Inputs, Tensor Labels, Tensor Presentations);
