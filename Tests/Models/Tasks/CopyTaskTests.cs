using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class CopyTaskTests
{
    [Test]
    public void Layout()
    {
        CopyTask task = new(width: 3);
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(1), 4, 5);
        Assert.That((task.InputWidth, task.OutputWidth, episode.Steps, episode.OutputStart), Is.EqualTo((5, 3, 12, 7)));
        for (int b = 0; b < 4; b++)
            for (int t = 0; t < 12; t++)
            {
                float[] input = episode.Inputs.Select(1, b).Select(0, t).ToArray();
                float[] target = episode.Targets.Select(1, b).Select(0, t).ToArray();
                if (t == 0) Assert.That(input, Is.EqualTo(new float[] { 0, 0, 0, 1, 0 }), "start flag");
                else if (t <= 5) Assert.That(input[3..], Is.All.Zero, "no flag beside a vector");
                else if (t == 6) Assert.That(input, Is.EqualTo(new float[] { 0, 0, 0, 0, 1 }), "end flag");
                else
                {
                    Assert.That(input, Is.All.Zero, "no help during the output");
                    Assert.That(target, Is.EqualTo(episode.Inputs.Select(1, b).Select(0, t - 6).ToArray()[..3]), "the copy");
                }
            }
    }

    [Test]
    public void Defaults_are_the_papers()
    {
        CopyTask task = new();
        Assert.That((task.InputWidth, task.OutputWidth, task.MinLength, task.MaxLength), Is.EqualTo((10, 8, 1, 20)));
    }

    [Test]
    public void Wide_vectors_are_all_random()
    {
        using var _ = Tape.Step();
        Episode episode = new CopyTask(width: 100).Next(new Philox(1), 1, 300);
        for (int channel = 0; channel < 100; channel++)
            Assert.That(episode.Inputs.Select(2, channel).ToArray().Sum(), Is.EqualTo(150).Within(50), $"bit {channel}");
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        Assert.That(() => new CopyTask(width: 0), SequenceTaskTests.Refused("width"));
        Assert.That(() => new CopyTask(minLength: 0), SequenceTaskTests.Refused("minLength"));
        Assert.That(() => new CopyTask(minLength: 5, maxLength: 4), SequenceTaskTests.Refused("maxLength"));
    }
}
