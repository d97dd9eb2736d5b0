using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public sealed class ReverseTaskTests
{
    [Test]
    public void Labels_are_the_source_reversed_and_inputs_are_one_behind()
    {
        ReverseTask task = new(alphabet: 4, minLength: 2, maxLength: 6);
        Philox random = new(1);
        HashSet<int> lengths = [], symbols = [];
        for (int i = 0; i < 200; i++)
        {
            using var step = Tape.Step();
            Translation pairs = task.Next(random, 3);
            int longest = pairs.Source.Shape[1];
            Assert.That(pairs.Inputs.Shape, Is.EqualTo(new Shape([3, longest + 1])));
            Assert.That(pairs.Labels.Shape, Is.EqualTo(pairs.Inputs.Shape));
            Assert.That(pairs.Lengths.ToArray<int>().Max(), Is.EqualTo(longest));
            for (int b = 0; b < 3; b++)
            {
                int length = (int)pairs.Lengths[b];
                lengths.Add(length);
                int[] source = pairs.Source.Select(0, b).ToArray<int>(), inputs = pairs.Inputs.Select(0, b).ToArray<int>(), labels = pairs.Labels.Select(0, b).ToArray<int>();
                int[] reversed = [.. source[..length].Reverse()];
                symbols.UnionWith(reversed);
                Assert.That(source[length..], Is.All.EqualTo(EncoderDecoder.Padding));
                Assert.That(inputs, Is.EqualTo((int[])[EncoderDecoder.Begin, .. reversed, .. new int[longest - length]]));
                Assert.That(labels, Is.EqualTo((int[])[.. reversed, EncoderDecoder.End, .. new int[longest - length]]));
            }
        }
        Assert.That(lengths.Order(), Is.EqualTo(new[] { 2, 3, 4, 5, 6 }));
        Assert.That(symbols.Order(), Is.EqualTo(new[] { 3, 4, 5, 6 }));
        Assert.That(task.Symbols, Is.EqualTo(7));
    }

    [Test]
    public void The_same_seed_gives_the_same_batch_and_a_length_is_kept()
    {
        using var step = Tape.Step();
        int[] Draw(ulong seed) => new ReverseTask().Next(new(seed), 4, 20).Source.ToArray<int>();
        int[] first = Draw(1);
        Assert.That(Draw(1), Has.Length.EqualTo(80).And.EqualTo(first).And.Not.EqualTo(Draw(2)).And.All.GreaterThan(EncoderDecoder.End));
    }

    [Test]
    public void Numbers_out_of_range()
    {
        Assert.That(() => new ReverseTask(alphabet: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new ReverseTask(minLength: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new ReverseTask(minLength: 5, maxLength: 4), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new ReverseTask().Next(new(1), 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new ReverseTask().Next(new(1), 10, 2_000_000_000), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
