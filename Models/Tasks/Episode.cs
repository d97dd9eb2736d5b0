using System.Buffers;

namespace NeuralMemory.Tasks;

/// <summary>
/// A batch of sequences of one length: what a network sees, and what it should say. Its last steps, from <see cref="OutputStart"/> on, are the output,
/// and only they are judged.
/// </summary>
/// <remarks>Its tensors belong to the step of the tape that they were made in, and end with it.</remarks>
/// <param name="Inputs">[time, batch, input width]</param>
/// <param name="Targets">[time, batch, output width]: 0 or 1, and 0 before the output starts.</param>
/// <param name="OutputStart">The first step that counts.</param>
/// <param name="Length">How difficult it is, in the task's own unit.</param>
public readonly record struct Episode(Tensor Inputs, Tensor Targets, int OutputStart, int Length)
{
    /// <summary>The number of steps of time, input and output together.</summary>
    public int Steps => Inputs.Shape[0];

    /// <summary>How many sequences are run side by side.</summary>
    public int Batch => Inputs.Shape[1];

    /// <summary>The number of steps that count.</summary>
    public int OutputSteps => Steps - OutputStart;

    /// <summary>How many bits each sequence asks for: a network that knows nothing pays as many, and gets half of them wrong.</summary>
    public int OutputBits => OutputSteps * Targets.Shape[2];

    /// <summary>The steps that count, of the targets or of anything else with a row for every step: a view, [output steps, ...].</summary>
    /// <exception cref="ShapeException">The sequence has another number of steps.</exception>
    public Tensor Output(Tensor sequence) => sequence.Rank > 0 && sequence.Shape[0] == Steps
        ? sequence.Slice(0, OutputStart, Steps)
        : throw new ShapeException("Output", $"{sequence.Shape} has not the episode's {Steps} steps in its first dimension.");

    /// <summary>
    /// The wrong bits of each sequence: how many output bits differ from the target when a probability above 1/2 (a logit above 0) is read as a one.
    /// A NaN is wrong whatever the target.
    /// </summary>
    /// <param name="logits">[time, batch, output width]: the network's outputs before the logistic function.</param>
    /// <param name="perSequence">Receives a count for each sequence of the batch, 0 to <see cref="OutputBits"/>.</param>
    /// <exception cref="ShapeException">The logits are not shaped as the targets, or there is not one place a sequence.</exception>
    public void ErrorBits(Tensor logits, Span<double> perSequence) => Sum<WrongBit>("ErrorBits", logits, perSequence);

    /// <summary>
    /// The cost of each sequence as the figures of section 4 give it, in bits: the cross-entropy -sum(y log2 p + (1 - y) log2(1 - p)) over all
    /// output bits, with p the logistic function of the logit.
    /// </summary>
    /// <param name="logits">[time, batch, output width]: the network's outputs before the logistic function.</param>
    /// <param name="perSequence">Receives a sum for each sequence of the batch.</param>
    /// <exception cref="ShapeException">The logits are not shaped as the targets, or there is not one place a sequence.</exception>
    public void CrossEntropyBits(Tensor logits, Span<double> perSequence) => Sum<BitCrossEntropy>("CrossEntropyBits", logits, perSequence);

    /// <summary>A price on one output bit.</summary>
    interface IBitCost
    {
        static abstract double Of(float logit, bool target);
    }

    readonly struct WrongBit : IBitCost
    {
        public static double Of(float logit, bool target) => (target ? logit > 0 : logit <= 0) ? 0 : 1;
    }

    readonly struct BitCrossEntropy : IBitCost
    {
        // -ln p = max(-x, 0) + ln(1 + e^-|x|); -ln(1 - p) is the same of -x, and no exponential overflows.
        public static double Of(float logit, bool target) =>
            (Math.Max(target ? -logit : logit, 0) + double.LogP1(Math.Exp(-Math.Abs(logit)))) / Math.Log(2);
    }

    void Sum<TCost>(string operation, Tensor logits, Span<double> perSequence) where TCost : struct, IBitCost
    {
        if (logits.Shape != Targets.Shape) throw new ShapeException(operation, $"logits {logits.Shape} for targets {Targets.Shape}: the shapes must be the same.");
        if (perSequence.Length != Batch) throw new ShapeException(operation, $"{perSequence.Length} places for the results of {Batch} sequences.");
        int count = Targets.Count, width = Targets.Shape[2];
        float[] x = ArrayPool<float>.Shared.Rent(count), y = ArrayPool<float>.Shared.Rent(count);
        logits.CopyTo(x.AsSpan(0, count));
        Targets.CopyTo(y.AsSpan(0, count));
        perSequence.Clear();
        for (int row = OutputStart * Batch, i = row * width; i < count; row++)
            for (int end = i + width; i < end; i++) perSequence[row % Batch] += TCost.Of(x[i], y[i] > .5f);
        ArrayPool<float>.Shared.Return(x);
        ArrayPool<float>.Shared.Return(y);
    }
}
