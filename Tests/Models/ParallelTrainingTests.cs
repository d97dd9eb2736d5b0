using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Simd;
using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models;

/// <summary>Two models trained at once, in two threads, come to the same bits as one after the other.</summary>
[NonParallelizable]
public class ParallelTrainingTests
{
    // Without wide vectors a step takes up to fifty times as long.
    static readonly int Steps = SimdWidth.Bits >= 256 ? 20 : 4;

    static float[] TrainNtm()
    {
        CopyTask task = new(minLength: 1, maxLength: 8);
        Philox episodes = new(3);
        Ntm ntm = new(task.InputWidth, task.OutputWidth, Ntm.PaperSizes, new(4));
        RmsProp optimizer = new(ntm.Parameters, 1e-4, alpha: .95, momentum: .9);
        return Train(ntm, optimizer, () =>
        {
            Episode episode = task.Next(episodes, batch: 4);
            return episode.Output(ntm.Forward(episode.Inputs)).BinaryCrossEntropyWithLogits(episode.Output(episode.Targets));
        });
    }

    static float[] TrainGpt()
    {
        Philox tokens = new(5);
        Gpt gpt = new(new(Symbols: 65, Context: 64, Width: 128, Heads: 4, Layers: 1), new(6));
        AdamW optimizer = new(gpt.Parameters, 1e-3);
        int[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => tokens.Next(0, 65))];
        return Train(gpt, optimizer, () => gpt.Forward(Tensor.From(Draw(4 * 64), [4, 64])).Reshape([4 * 64, 65]).CrossEntropy(Tensor.From(Draw(4 * 64), [4 * 64])));
    }

    static float[] Train(Module model, Optimizer optimizer, Func<Tensor> loss)
    {
        for (int i = 0; i < Steps; i++)
        {
            using Tape.Scope step = Tape.Step();
            optimizer.ZeroGradient();
            loss().Backward();
            optimizer.Step();
        }
        return [.. model.Parameters.SelectMany(p => p.ToArray())];
    }

    [Test]
    public void Two_models_in_two_threads_do_not_disturb_each_other([Values(1, 2, 4)] int teamThreads)
    {
        int before = ThreadTeam.Threads;
        ThreadTeam.Threads = teamThreads;
        try
        {
            float[] ntm = TrainNtm(), gpt = TrainGpt();
            float[][] together = new float[4][];
            Func<float[]>[] work = [TrainNtm, TrainGpt, TrainGpt, TrainNtm];
            Thread[] threads = [.. work.Select((train, i) => new Thread(() => together[i] = train()))];
            foreach (Thread thread in threads) thread.Start();
            foreach (Thread thread in threads) thread.Join();
            Assert.That(together[0], Is.EqualTo(ntm));
            Assert.That(together[1], Is.EqualTo(gpt));
            Assert.That(together[2], Is.EqualTo(gpt));
            Assert.That(together[3], Is.EqualTo(ntm));
        }
        finally
        {
            ThreadTeam.Threads = before;
        }
    }
}
