using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models;

/// <summary>The Differentiable Neural Computer learns what only its memory makes possible.</summary>
[Category("Training"), NonParallelizable]
public class DncTrainingTests
{
    static Dnc Train(SequenceTask task, DncSizes sizes, ulong seed, long sequences)
    {
        const double rate = 3e-3;
        const int batch = 16;
        Dnc machine = new(task.InputWidth, task.OutputWidth, sizes, new Philox(seed, RandomStreams.Initialization));
        Trainer trainer = new(machine, task, new Adam(machine.Parameters, rate), new()
        {
            Batch = batch,
            Sequences = sequences,
            Seed = seed,
            ClipNorm = 10,
            Schedule = new LinearDecaySchedule(rate, sequences / batch / 2, sequences / batch),
            LogInterval = sequences,
        });
        trainer.Run();
        return machine;
    }

    [Test]
    public void Copies_up_to_eight_vectors_without_a_fault([Values(1ul, 2ul, 3ul)] ulong seed)
    {
        CopyTask task = new(maxLength: 8);
        Dnc machine = Train(task, new(Hidden: 64, Slots: 16, Width: 16, ReadHeads: 1), seed, 256_000);
        EvaluationResult result = Evaluation.Run(machine, task, length: 8, sequences: 1000, batch: 50);
        Assert.That(result.MeanWrongBits, Is.Zero, result.ToString());
    }

    /// <summary>Four rounds of up to eight vectors in ten slots. Bits that should have been said number 4 rounds * 4.5 vectors * 1.5 copies * 8 on average.</summary>
    [Test]
    public void Gives_up_what_has_been_said_and_writes_more_than_it_has_slots_for([Values(1ul, 2ul, 3ul)] ulong seed)
    {
        RepeatCopyRoundsTask task = new();
        double Error(bool freeGates)
        {
            Dnc machine = Train(task, new(Hidden: 64, Slots: 10, Width: 10, ReadHeads: 1, FreeGates: freeGates), seed, 128_000);
            double wrong = 0, asked = 0;
            Philox random = new(seed, RandomStreams.Evaluation);
            Span<double> perSequence = stackalloc double[50];
            for (int i = 0; i < 20; i++)
                using (Tape.Step())
                using (Tape.NoGradient())
                {
                    Episode episode = task.Next(random, 50, length: 4);
                    episode.ErrorBits(machine.Forward(episode.Inputs), perSequence);
                    foreach (double w in perSequence) wrong += w;
                    asked += 50.0 * task.AskedBits;
                }
            return wrong / asked;
        }
        double with = Error(freeGates: true), without = Error(freeGates: false);
        TestContext.Out.WriteLine($"error {with:g3} with free gates, {without:g3} without");
        Assert.That(with, Is.LessThan(.01));
        Assert.That(without, Is.GreaterThan(.01), "the version without free gates must fail");
    }
}
