using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class RepeatCopyRoundsTaskTests
{
    [Test]
    public void Every_round_shows_its_vectors_once_and_asks_for_its_copies()
    {
        RepeatCopyRoundsTask task = new(width: 3, maxVectors: 4, maxRepeats: 3);
        Philox random = new(1);
        HashSet<(int, int)> rounds = [];
        for (int n = 0; n < 30; n++)
            using (Tape.Step())
            {
                Episode episode = task.Next(random, 2, length: 3);
                for (int b = 0; b < 2; b++)
                {
                    float[] In(int t) => episode.Inputs.Select(1, b).Select(0, t).ToArray();
                    float[] Out(int t) => episode.Targets.Select(1, b).Select(0, t).ToArray();
                    int t = 0, said = 0;
                    for (int round = 0; round < 3; round++)
                    {
                        Assert.That(In(t), Is.EqualTo(new float[] { 0, 0, 0, 1, 0, 0 }), "start flag");
                        Assert.That(Out(t++), Is.All.Zero);
                        List<float[]> vectors = [];
                        for (; In(t)[4] == 0; t++)
                        {
                            vectors.Add(In(t)[..3]);
                            Assert.That(In(t)[3..], Is.All.Zero);
                            Assert.That(Out(t), Is.All.Zero, "nothing is said while vectors are shown");
                        }
                        int repeats = (int)Math.Round(In(t)[5] * 3);
                        Assert.That(In(t)[..4], Is.All.Zero);
                        Assert.That(Out(t++), Is.All.Zero);
                        if (round == 0) Assert.That(episode.OutputStart, Is.EqualTo(t));
                        rounds.Add((vectors.Count, repeats));
                        for (int copy = 0; copy < repeats; copy++)
                            foreach (float[] vector in vectors)
                            {
                                Assert.That(In(t), Is.All.Zero, "no help during the output");
                                Assert.That(Out(t++), Is.EqualTo(vector));
                                said += 3;
                            }
                    }
                    Assert.That(t, Is.EqualTo(episode.Steps));
                    Assert.That(task.AskedBits, Is.EqualTo(said));
                }
            }
        Assert.That(rounds, Is.EquivalentTo(from v in Enumerable.Range(1, 4) from r in Enumerable.Range(1, 3) select (v, r)));
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        Assert.That(() => new RepeatCopyRoundsTask(width: 0), SequenceTaskTests.Refused("width"));
        Assert.That(() => new RepeatCopyRoundsTask(maxVectors: 0), SequenceTaskTests.Refused("maxVectors"));
        Assert.That(() => new RepeatCopyRoundsTask(maxRepeats: 0), SequenceTaskTests.Refused("maxRepeats"));
        Assert.That(() => new RepeatCopyRoundsTask(minRounds: 0), SequenceTaskTests.Refused("minLength"));
        Assert.That(() => new RepeatCopyRoundsTask().Next(new Philox(1), 0), SequenceTaskTests.Refused("batch"));
        Assert.That(() => new RepeatCopyRoundsTask().Next(new Philox(1), 1, 0), SequenceTaskTests.Refused("length"));
    }
}
