using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class PrioritySortTaskTests
{
    [Test]
    public void Layout()
    {
        PrioritySortTask task = new();
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(1), 10);
        Assert.That((task.InputWidth, task.OutputWidth, episode.Length, episode.Steps, episode.OutputStart, episode.OutputSteps), Is.EqualTo((11, 8, 20, 38, 22, 16)));
        for (int b = 0; b < 10; b++)
        {
            float[][] input = [.. Enumerable.Range(0, 38).Select(t => episode.Inputs.Select(1, b).Select(0, t).ToArray())];
            Assert.That(input[0], Is.EqualTo(new float[] { 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0 }), "start flag");
            Assert.That(input[21], Is.EqualTo(new float[] { 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 }), "end flag");
            Assert.That(input[1..21].SelectMany(x => x[8..10]), Is.All.Zero, "no flag beside a vector");
            Assert.That(input[1..21].Select(x => x[10]), Is.All.InRange(-1, 1));
            Assert.That(input[22..].SelectMany(x => x), Is.All.Zero, "no help during the output");
            float[] sorted = [.. input[1..21].OrderByDescending(x => x[10]).Take(16).SelectMany(x => x[..8])];
            Assert.That(episode.Output(episode.Targets).Select(1, b).ToArray(), Is.EqualTo(sorted), "the 16 highest, the highest first");
        }
    }

    [Test]
    public void Fewer_vectors_than_are_asked_for_are_all_sorted()
    {
        using var _ = Tape.Step();
        Episode episode = new PrioritySortTask(width: 1).Next(new Philox(2), 1, 3);
        float[] input = episode.Inputs.ToArray();
        int[] order = [.. Enumerable.Range(1, 3).OrderByDescending(t => input[4 * t + 3])];
        Assert.That(episode.Output(episode.Targets).ToArray(), Is.EqualTo(order.Select(t => input[4 * t])));
    }

    [Test]
    public void Priorities_are_uniform_and_independent_of_the_bits()
    {
        using var _ = Tape.Step();
        Episode episode = new PrioritySortTask(width: 1).Next(new Philox(3), 1, 10_000);
        float[] bits = episode.Inputs.Select(2, 0).ToArray()[1..10_001], priorities = episode.Inputs.Select(2, 3).ToArray()[1..10_001];
        foreach (float quantile in (float[])[-.9f, -.5f, 0, .5f, .9f])
            Assert.That(priorities.Average(p => p < quantile ? 1.0 : 0), Is.EqualTo((quantile + 1) / 2).Within(.025));
        Assert.That(bits.Zip(priorities, (x, p) => (x - .5) * p).Average(), Is.Zero.Within(.015));
    }

    [Test]
    public void Knowing_the_ones_of_each_channel_but_no_order_gets_52_7_bits_wrong()
    {
        const int batch = 2000;
        using var _ = Tape.Step();
        Episode episode = new PrioritySortTask().Next(new Philox(4), batch);
        float[] logits = new float[episode.Targets.Count];
        for (int b = 0; b < batch; b++)
            for (int channel = 0; channel < 8; channel++)
            {
                float majority = episode.Inputs.Select(1, b).Select(1, channel).ToArray().Sum() - 10;
                for (int t = episode.OutputStart; t < episode.Steps; t++) logits[(t * batch + b) * 8 + channel] = majority;
            }
        double[] wrong = new double[batch];
        episode.ErrorBits(Tensor.From(logits, episode.Targets.Shape), wrong);
        Assert.That(wrong.Average(), Is.EqualTo(52.7).Within(.8));
    }

    [Test]
    public void Defaults_are_the_papers()
    {
        PrioritySortTask task = new();
        Assert.That((task.OutputWidth, task.Highest, task.MinLength, task.MaxLength), Is.EqualTo((8, 16, 20, 20)));
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        Assert.That(() => new PrioritySortTask(width: 0), SequenceTaskTests.Refused("width"));
        Assert.That(() => new PrioritySortTask(highest: 0), SequenceTaskTests.Refused("highest"));
        Assert.That(() => new PrioritySortTask(minLength: 0), SequenceTaskTests.Refused("minLength"));
        Assert.That(() => new PrioritySortTask(maxLength: 19), SequenceTaskTests.Refused("maxLength"));
    }
}
