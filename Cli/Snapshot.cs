using NeuralMemory.Models;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>What the live view shows of a moment of training: numbers of its own, not tensors, which end with their step.</summary>
/// <param name="Length">The sample's length.</param>
/// <param name="Target">[bit, output step], 0 or 1.</param>
/// <param name="Output">[bit, output step], probabilities; those on the wrong side of 1/2 have <see cref="Pixels.Wrong"/> added.</param>
/// <param name="WrongBits">How many those are.</param>
/// <param name="Read">[slot, step]: how much the heads that read look at a slot; null where there are none.</param>
/// <param name="Write">[slot, step]: how much the heads that write look at it; null where there are none.</param>
sealed record Snapshot(int Length, float[,] Target, float[,] Output, int WrongBits, float[,]? Read, float[,]? Write)
{
    public int Steps => Read?.GetLength(1) ?? 0;

    /// <summary>Copies the first sequence of a batch. A Neural Turing Machine runs it once more, for its weightings; nothing that is trained notices.</summary>
    public static Snapshot Of(SequenceObjective sample)
    {
        Tensor logits = sample.Logits.Slice(1, 0, 1);
        (float[,]? read, float[,]? write) = (null, null);
        if (sample.Model is Ntm ntm)
        {
            NtmRun run = ntm.Run(sample.Episode.Inputs.Slice(1, 0, 1));
            logits = run.Output;
            read = Looks(run.Weightings, 0, ntm.Sizes.ReadHeads);
            write = ntm.Sizes.WriteHeads == 0 ? null : Looks(run.Weightings, ntm.Sizes.ReadHeads, ntm.Sizes.Heads);
        }
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
        return new(sample.Episode.Length, target, output, wrong, read, write);
    }

    /// <summary>The most that any of some heads looks at each slot, the root of it, so that little is seen too.</summary>
    static float[,] Looks(Tensor weightings, int firstHead, int endHead)
    {
        int steps = weightings.Shape[0], heads = weightings.Shape[2], slots = weightings.Shape[3];
        float[] w = weightings.ToArray();
        float[,] looks = new float[slots, steps];
        for (int t = 0; t < steps; t++)
            for (int head = firstHead; head < endHead; head++)
                for (int i = 0; i < slots; i++) looks[i, t] = Math.Max(looks[i, t], MathF.Sqrt(w[(t * heads + head) * slots + i]));
        return looks;
    }
}
