using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>What the live view shows of a moment of training: numbers of its own, not tensors, which end with their step.</summary>
/// <param name="Length">The sample's length.</param>
/// <param name="Steps">Its steps of time, input and output together.</param>
/// <param name="Target">[bit, output step], 0 or 1.</param>
/// <param name="Output">[bit, output step], probabilities; those on the wrong side of 1/2 have <see cref="Pixels.Wrong"/> added.</param>
/// <param name="WrongBits">How many those are.</param>
/// <param name="Memory">What the model's memory did, where it has one.</param>
sealed record Snapshot(int Length, int Steps, float[,] Target, float[,] Output, int WrongBits, IReadOnlyList<Picture> Memory)
{
    /// <summary>Copies the first sequence of a batch.</summary>
    public static Snapshot Of(SequenceObjective sample)
    {
        Tensor logits = sample.Logits.Slice(1, 0, 1);
        float[] y = sample.Episode.Output(sample.Episode.Targets.Slice(1, 0, 1)).ToArray(), x = sample.Episode.Output(logits).ToArray();
        int bits = logits.Shape[2], wrong = 0;
        float[,] target = new float[bits, y.Length / bits], output = new float[bits, y.Length / bits];
        for (int i = 0; i < y.Length; i++)
        {
            bool right = x[i] > 0 == y[i] > .5f;
            if (!right) wrong++;
            target[i % bits, i / bits] = y[i];
            output[i % bits, i / bits] = (float)(1 / (1 + Math.Exp(-x[i]))) + (right ? 0 : Pixels.Wrong);
        }
        return new(sample.Episode.Length, sample.Episode.Steps, target, output, wrong, sample.Pictures());
    }
}
