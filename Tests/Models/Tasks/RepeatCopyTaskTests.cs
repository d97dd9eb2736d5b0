using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class RepeatCopyTaskTests
{
    [Test]
    public void Layout()
    {
        RepeatCopyTask task = new(width: 3);
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(1), 4, length: 2, repeats: 3);
        Assert.That((task.InputWidth, task.OutputWidth, episode.Steps, episode.OutputStart, episode.OutputSteps), Is.EqualTo((6, 4, 11, 4, 7)));
        for (int b = 0; b < 4; b++)
        {
            float[] In(int t) => episode.Inputs.Select(1, b).Select(0, t).ToArray();
            float[] Out(int t) => episode.Targets.Select(1, b).Select(0, t).ToArray();
            Assert.That(In(0), Is.EqualTo(new float[] { 0, 0, 0, 1, 0, 0 }), "start flag");
            Assert.That(In(1)[3..], Is.All.Zero);
            Assert.That(In(2)[3..], Is.All.Zero);
            Assert.That(In(3), Is.EqualTo(new float[] { 0, 0, 0, 0, 1, task.Normalize(3) }), "end flag and count");
            for (int t = 4; t < 11; t++) Assert.That(In(t), Is.All.Zero, "no help during the output");
            for (int r = 0; r < 3; r++)
                for (int i = 0; i < 2; i++) Assert.That(Out(4 + 2 * r + i), Is.EqualTo((float[])[.. In(1 + i)[..3], 0]), $"copy {r}, vector {i}");
            Assert.That(Out(10), Is.EqualTo(new float[] { 0, 0, 0, 1 }), "end marker");
        }
    }

    [Test]
    public void Defaults_are_the_papers()
    {
        RepeatCopyTask task = new();
        Assert.That((task.OutputWidth, task.MinLength, task.MaxLength, task.MinRepeats, task.MaxRepeats), Is.EqualTo((9, 1, 10, 1, 10)));
    }

    [TestCase(1, 10)]
    [TestCase(3, 5)]
    public void The_count_has_mean_0_and_variance_1(int least, int most)
    {
        RepeatCopyTask task = new(minRepeats: least, maxRepeats: most);
        double[] counts = [.. Enumerable.Range(least, most - least + 1).Select(r => (double)task.Normalize(r))];
        Assert.That(counts.Average(), Is.Zero.Within(1e-6));
        Assert.That(counts.Average(x => x * x), Is.EqualTo(1).Within(1e-6));
    }

    [Test]
    public void The_count_stays_finite_where_there_is_only_one() => Assert.That(new RepeatCopyTask(minRepeats: 4, maxRepeats: 4).Normalize(5), Is.EqualTo(1));

    [Test]
    public void Repeats_are_uniform_and_independent_of_the_length()
    {
        RepeatCopyTask task = new(minLength: 1, maxLength: 2, minRepeats: 2, maxRepeats: 4);
        Philox random = new(2);
        double[] counts = new double[6];
        for (int i = 0; i < 1200; i++)
            using (Tape.Step())
            {
                Episode episode = task.Next(random, 1);
                counts[3 * (episode.Length - 1) + (episode.OutputSteps - 1) / episode.Length - 2]++;
            }
        Assert.That(counts, Is.All.EqualTo(200).Within(70));
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        Assert.That(() => new RepeatCopyTask(width: 0), SequenceTaskTests.Refused("width"));
        Assert.That(() => new RepeatCopyTask(minLength: 0), SequenceTaskTests.Refused("minLength"));
        Assert.That(() => new RepeatCopyTask(maxLength: 0), SequenceTaskTests.Refused("maxLength"));
        Assert.That(() => new RepeatCopyTask(minRepeats: 0), SequenceTaskTests.Refused("minRepeats"));
        Assert.That(() => new RepeatCopyTask(maxRepeats: 0), SequenceTaskTests.Refused("maxRepeats"));
        Assert.That(() => new RepeatCopyTask().Next(new Philox(1), 1, 1, 0), SequenceTaskTests.Refused("repeats"));
        Assert.That(() => new RepeatCopyTask().Next(new Philox(1), 1, int.MaxValue, int.MaxValue), SequenceTaskTests.Refused("length"));
    }
}
