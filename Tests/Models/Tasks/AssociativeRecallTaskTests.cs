using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class AssociativeRecallTaskTests
{
    [Test]
    public void Layout()
    {
        AssociativeRecallTask task = new();
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(1), 50, 4);
        Assert.That((task.InputWidth, task.OutputWidth, episode.Steps, episode.OutputStart, episode.OutputSteps), Is.EqualTo((8, 6, 24, 21, 3)));
        HashSet<int> asked = [];
        for (int b = 0; b < 50; b++)
        {
            Tensor inputs = episode.Inputs.Select(1, b);
            float[] Item(int at) => inputs.Slice(0, at, at + 3).Slice(1, 0, 6).ToArray();
            int[] Marked(int channel) => [.. Enumerable.Range(0, 24).Where(t => inputs[t, channel] == 1)];
            Assert.That(Marked(6), Is.EqualTo(new[] { 0, 4, 8, 12 }), "a delimiter before every item");
            Assert.That(Marked(7), Is.EqualTo(new[] { 16, 20 }), "a delimiter on either side of the query");
            foreach (int t in (int[])[0, 4, 8, 12, 16, 20]) Assert.That(inputs.Select(0, t).Slice(0, 0, 6).ToArray(), Is.All.Zero, "no bits beside a delimiter");
            Assert.That(inputs.Slice(0, 21, 24).ToArray(), Is.All.Zero, "no help during the output");
            int item = Enumerable.Range(0, 4).First(i => Item(4 * i + 1).SequenceEqual(Item(17)));
            asked.Add(item);
            Assert.That(item, Is.LessThan(3), "the last item has no next");
            Assert.That(episode.Output(episode.Targets).Select(1, b).ToArray(), Is.EqualTo(Item(4 * (item + 1) + 1)), "the item after the query");
        }
        Assert.That(asked, Is.EquivalentTo(new[] { 0, 1, 2 }));
    }

    [Test]
    public void Every_item_but_the_last_is_asked_for_equally_often()
    {
        using var _ = Tape.Step();
        Episode episode = new AssociativeRecallTask().Next(new Philox(2), 1000, 6);
        double[] asked = new double[5];
        for (int b = 0; b < 1000; b++)
        {
            Tensor inputs = episode.Inputs.Select(1, b).Slice(1, 0, 6);
            float[] query = inputs.Slice(0, 25, 28).ToArray();
            asked[Enumerable.Range(0, 5).First(i => inputs.Slice(0, 4 * i + 1, 4 * i + 4).ToArray().SequenceEqual(query))]++;
        }
        Assert.That(asked, Is.All.EqualTo(200).Within(65));
    }

    [Test]
    public void Other_sizes()
    {
        AssociativeRecallTask task = new(width: 2, vectors: 1);
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(3), 1, 2);
        float[] first = episode.Inputs.Select(1, 0).Select(0, 1).ToArray(), second = episode.Inputs.Select(1, 0).Select(0, 3).ToArray();
        Assert.That(episode.Inputs.ToArray(), Is.EqualTo((float[])[0, 0, 1, 0, .. first, 0, 0, 1, 0, .. second, 0, 0, 0, 1, .. first, 0, 0, 0, 1, 0, 0, 0, 0]));
        Assert.That(episode.Output(episode.Targets).ToArray(), Is.EqualTo(second[..2]));
    }

    [Test]
    public void Defaults_are_the_papers()
    {
        AssociativeRecallTask task = new();
        Assert.That((task.OutputWidth, task.Vectors, task.MinLength, task.MaxLength), Is.EqualTo((6, 3, 2, 6)));
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        Assert.That(() => new AssociativeRecallTask(width: 0), SequenceTaskTests.Refused("width"));
        Assert.That(() => new AssociativeRecallTask(vectors: 0), SequenceTaskTests.Refused("vectors"));
        Assert.That(() => new AssociativeRecallTask(minLength: 1), SequenceTaskTests.Refused("minLength"));
        Assert.That(() => new AssociativeRecallTask(maxLength: 1), SequenceTaskTests.Refused("maxLength"));
    }
}
