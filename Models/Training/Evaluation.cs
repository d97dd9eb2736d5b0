using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>How a model does on fresh sequences of one length.</summary>
/// <param name="Length">Their length.</param>
/// <param name="Sequences">How many there were.</param>
/// <param name="OutputBits">What a network that knows nothing pays for a sequence, in bits: the mean, where sequences differ in it.</param>
/// <param name="MedianBits">The median of their cross-entropies, in bits.</param>
/// <param name="MeanBits">The mean of their cross-entropies, in bits.</param>
/// <param name="MedianWrongBits">The median of their numbers of wrong bits.</param>
/// <param name="MeanWrongBits">The mean of their numbers of wrong bits.</param>
public sealed record EvaluationResult(
    int Length, int Sequences, double OutputBits, double MedianBits, double MeanBits, double MedianWrongBits, double MeanWrongBits);

/// <summary>Tests a model on sequences that it has not seen, drawn from a stream that training never draws from.</summary>
public static class Evaluation
{
    /// <summary>Runs the model over fresh sequences. Modes of the module and the tape are as before afterwards.</summary>
    /// <param name="model">The model.</param>
    /// <param name="task">Makes the sequences.</param>
    /// <param name="length">Their length, in the task's unit.</param>
    /// <param name="sequences">How many.</param>
    /// <param name="seed">Which: the same seed, length and batch give the same sequences.</param>
    /// <param name="batch">How many side by side: more are faster and need more memory. A task that <see cref="SequenceTask.VariesByBatch"/> is run one by one.</param>
    /// <param name="stream">The stream of the seed that they are drawn from.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive, or the length not one that the task has.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static EvaluationResult Run(
        SequenceModel model, SequenceTask task, int length, int sequences = 100, ulong seed = 1, int batch = 10, ulong stream = RandomStreams.Evaluation,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        double[] bits = new double[sequences], wrong = new double[sequences];
        double outputBits = 0;
        if (task.VariesByBatch) batch = 1;
        Philox random = new(seed, stream);
        using Tape.Scope device = Backend.Use(model.Backend);
        bool training = model.IsTraining;
        model.IsTraining = false;
        try
        {
            for (int done = 0, count; done < sequences; done += count)
            {
                cancellationToken.ThrowIfCancellationRequested();
                count = Math.Min(batch, sequences - done);
                using (Tape.Step())
                using (Tape.NoGradient())
                {
                    Episode episode = task.Next(random, count, length);
                    Tensor logits = model.Forward(episode.Inputs);
                    episode.CrossEntropyBits(logits, bits.AsSpan(done, count));
                    episode.ErrorBits(logits, wrong.AsSpan(done, count));
                    outputBits += (double)episode.OutputBits * count;
                }
            }
        }
        finally
        {
            model.IsTraining = training;
        }
        return new(length, sequences, outputBits / sequences, Median(bits), bits.Average(), Median(wrong), wrong.Average());
    }

    static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }
}
