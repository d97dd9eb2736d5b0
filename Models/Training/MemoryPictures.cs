using NeuralMemory.Models;

namespace NeuralMemory.Training;

/// <summary>What a model of sequences does with its memory, to look at. Every number is the root of what it stands for, so that little is seen too.</summary>
static class MemoryPictures
{
    /// <summary>Runs the model once more: where its heads wrote and read, what is linked and used, or where its attention looked; none of a model that keeps no memory apart.</summary>
    /// <param name="model">The model.</param>
    /// <param name="input">[time, 1, inputs]: one sequence.</param>
    public static IReadOnlyList<Picture> Of(SequenceModel model, Tensor input)
    {
        using Tape.Scope quiet = Tape.NoGradient();
        switch (model)
        {
            case Ntm ntm:
                Tensor w = ntm.Run(input).Weightings;
                Picture read = OfSlots("read weighting", w.Slice(2, 0, ntm.Sizes.ReadHeads));
                return ntm.Sizes.WriteHeads == 0 ? [read] : [OfSlots("write weighting", w.Slice(2, ntm.Sizes.ReadHeads, ntm.Sizes.Heads)), read];
            case Mann mann:
                MannRun mannRun = mann.Run(input);
                return [OfSlots("write weighting", mannRun.WriteWeights), OfSlots("read weighting", mannRun.ReadWeights)];
            case Dnc dnc:
                DncRun dncRun = dnc.Run(input);
                Picture[] looks = [OfSlots("write weighting", dncRun.Trace.WriteWeightings.Unsqueeze(2)), OfSlots("read weighting", dncRun.Trace.ReadWeightings)];
                Picture usage = OfSlots("usage", dncRun.Trace.Usage.Unsqueeze(2));
                return dnc.Sizes.Links ? [.. looks, new("links, row after column", Matrix(dncRun.State.Links.Select(0, 0))), usage] : [.. looks, usage];
            case SequenceTransformer transformer:
                return [.. transformer.Run(input).Attention.Select((weights, layer) => new Picture($"attention, layer {layer + 1}", Matrix(weights.Select(0, 0).Mean(0))))];
            default:
                return [];
        }
    }

    /// <summary>The most that any head looks at each slot at each step, from [time, 1, heads, slots].</summary>
    static Picture OfSlots(string caption, Tensor weightings)
    {
        int steps = weightings.Shape[0], heads = weightings.Shape[2], slots = weightings.Shape[3];
        float[] w = weightings.ToArray();
        float[,] most = new float[slots, steps];
        for (int i = 0; i < w.Length; i++)
        {
            ref float cell = ref most[i % slots, i / slots / heads];
            cell = Math.Max(cell, MathF.Sqrt(Math.Max(0, w[i])));
        }
        return new(caption, most, IsRing: true);
    }

    static float[,] Matrix(Tensor x)
    {
        float[] values = x.ToArray();
        float[,] matrix = new float[x.Shape[0], x.Shape[1]];
        for (int i = 0; i < values.Length; i++) matrix[i / x.Shape[1], i % x.Shape[1]] = MathF.Sqrt(Math.Max(0, values[i]));
        return matrix;
    }
}
