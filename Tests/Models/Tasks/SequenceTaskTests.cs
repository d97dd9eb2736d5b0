using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

/// <summary>What holds for every task.</summary>
[NonParallelizable]
public class SequenceTaskTests
{
    static IEnumerable<string> Names => SequenceTasks.Names;

    [Test]
    public void Create_gives_the_task_of_that_name([ValueSource(nameof(Names))] string name) => Assert.That(SequenceTasks.Create(name).Name, Is.EqualTo(name));

    [Test]
    public void Create_lists_the_names_when_there_is_no_such_task() =>
        Assert.That(() => SequenceTasks.Create("sort"), Throws.ArgumentException.With.Message.Contains($"'sort'").And.Message.Contains(string.Join(", ", SequenceTasks.Names)));

    [Test]
    public void Shapes_are_time_batch_width([ValueSource(nameof(Names))] string name)
    {
        SequenceTask task = SequenceTasks.Create(name);
        Philox random = new(1);
        using (Tape.Step())
            foreach (int length in (int[])[task.ShortestLength, task.MinLength, task.MaxLength, 2 * task.MaxLength])
            {
                Episode episode = task.Next(random, 3, length);
                Assert.That(episode.Inputs.Shape.Sizes.ToArray(), Is.EqualTo((int[])[episode.Steps, 3, task.InputWidth]));
                Assert.That(episode.Targets.Shape.Sizes.ToArray(), Is.EqualTo((int[])[episode.Steps, 3, task.OutputWidth]));
                Assert.That(episode.Output(episode.Targets).Shape.Sizes.ToArray(), Is.EqualTo((int[])[episode.OutputSteps, 3, task.OutputWidth]));
                Assert.That((episode.Length, episode.Batch, episode.OutputBits), Is.EqualTo((length, 3, episode.OutputSteps * task.OutputWidth)));
                Assert.That(episode.Targets.ToArray(), Is.All.EqualTo(0).Or.EqualTo(1));
                Assert.That(episode.Targets.Slice(0, 0, episode.OutputStart).ToArray(), Is.All.EqualTo(0), "nothing is asked for before the output");
            }
    }

    [Test]
    public void The_same_position_gives_the_same_episodes([ValueSource(nameof(Names))] string name)
    {
        SequenceTask task = SequenceTasks.Create(name);
        Philox random = new(7, 3);
        List<(ulong Position, float[] Inputs, float[] Targets)> run = [];
        for (int i = 0; i < 5; i++)
            using (Tape.Step())
            {
                ulong position = random.Position;
                Episode episode = task.Next(random, 2);
                run.Add((position, episode.Inputs.ToArray(), episode.Targets.ToArray()));
            }
        Assert.That(run[1].Inputs, Is.Not.EqualTo(run[0].Inputs));
        for (int i = 4; i >= 0; i--)
            using (Tape.Step())
            {
                Episode resumed = SequenceTasks.Create(name).Next(new Philox(7, 3) { Position = run[i].Position }, 2);
                Assert.That(resumed.Inputs.ToArray(), Is.EqualTo(run[i].Inputs));
                Assert.That(resumed.Targets.ToArray(), Is.EqualTo(run[i].Targets));
            }
    }

    [Test]
    public void Sequences_of_a_batch_differ([ValueSource(nameof(Names))] string name)
    {
        SequenceTask task = SequenceTasks.Create(name);
        using (Tape.Step())
        {
            Episode episode = task.Next(new Philox(2), 2, task.MaxLength);
            Assert.That(episode.Inputs.Select(1, 0).ToArray(), Is.Not.EqualTo(episode.Inputs.Select(1, 1).ToArray()));
            Assert.That(episode.Output(episode.Targets).Select(1, 0).ToArray(), Is.Not.EqualTo(episode.Output(episode.Targets).Select(1, 1).ToArray()));
        }
    }

    [Test]
    public void Lengths_are_uniform([ValueSource(nameof(Names))] string name)
    {
        SequenceTask task = SequenceTasks.Create(name);
        Philox random = new(3);
        int kinds = task.MaxLength - task.MinLength + 1;
        double[] counts = new double[kinds];
        for (int i = 0; i < 200 * kinds; i++)
            using (Tape.Step())
                counts[task.Next(random, 1).Length - task.MinLength]++;
        Assert.That(counts, Is.All.EqualTo(200).Within(5 * Math.Sqrt(200)));
    }

    [Test]
    public void Target_bits_are_fair([ValueSource(nameof(Names))] string name)
    {
        SequenceTask task = SequenceTasks.Create(name);
        using (Tape.Step())
        {
            Episode episode = task.Next(new Philox(4), 2000, task.MinLength);
            int bits = task is RepeatCopyTask ? task.OutputWidth - 1 : task.OutputWidth;        // the last channel is the end marker
            Tensor output = task is RepeatCopyTask ? episode.Output(episode.Targets).Slice(0, 0, 1) : episode.Output(episode.Targets);
            for (int channel = 0; channel < bits; channel++)
                Assert.That(output.Select(2, channel).ToArray().Average(), Is.EqualTo(.5).Within(.06), $"channel {channel}");
        }
    }

    [Test]
    public void Nothing_is_allocated_once_warm([ValueSource(nameof(Names))] string name)
    {
        SequenceTask task = SequenceTasks.Create(name);
        Philox random = new(5);
        double[] bits = new double[2];
        void Step()
        {
            using (Tape.Step())
            {
                task.Next(random, 2, task.MaxLength);
                Episode episode = task.Next(random, 2);
                episode.ErrorBits(episode.Targets, bits);
                episode.CrossEntropyBits(episode.Targets, bits);
                if (task is DynamicNGramsTask ngrams) ngrams.OptimalLogits(episode);
            }
        }
        for (int i = 0; i < 50; i++) Step();
        Assert.That(Allocated.Least(Step, times: 10, rounds: 5), Is.Zero);
    }

    [Test]
    public void Bad_arguments_are_named([ValueSource(nameof(Names))] string name)
    {
        SequenceTask task = SequenceTasks.Create(name);
        Assert.That(() => task.Next(new Philox(1), 0), Refused("batch"));
        Assert.That(() => task.Next(new Philox(1), 1, task.ShortestLength - 1), Refused("length"));
        Assert.That(() => task.Next(new Philox(1), 100, int.MaxValue), Refused("length"));
    }

    internal static NUnit.Framework.Constraints.Constraint Refused(string argument) =>
        Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property(nameof(ArgumentException.ParamName)).EqualTo(argument);
}
