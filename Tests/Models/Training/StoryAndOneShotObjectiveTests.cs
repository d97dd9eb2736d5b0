using NeuralMemory.Models;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

[NonParallelizable]
public class StoryAndOneShotObjectiveTests
{
    static BabiObjective Stories(long linearUpdates = 0)
    {
        BabiTask task = BabiTask.Generate(1, 100, 1);
        return new(new MemN2N(task.Words.Count, new() { Width = 8 }, new Philox(1), new Philox(2)), task, 1, linearUpdates);
    }

    static OneShotObjective Mann() => new(new Mann(13, 5, new(8, 9, 4, 2), new Philox(1)), new PrototypeTask(8, 5, 15));

    static IEnumerable<TestCaseData> Objectives => [new TestCaseData(Stories()).SetArgDisplayNames("stories"), new TestCaseData(Mann()).SetArgDisplayNames("one-shot")];

    [TestCaseSource(nameof(Objectives))]
    public void An_update_allocates_nothing_once_warm(Objective objective)
    {
        Philox random = new(1);
        double[] sums = new double[objective.Metrics.Count];
        void Update()
        {
            using (Tape.Step())
            {
                Tensor loss = objective.Loss(random, 4);
                loss.Backward();
                objective.Measure(loss.Item(), sums);
            }
        }
        for (int i = 0; i < 500; i++) Update();
        Assert.That(Allocated.Least(Update, times: 20, rounds: 10), Is.Zero);
    }

    [Test]
    public void Linear_start_lasts_as_many_updates_as_asked_for()
    {
        BabiObjective begun = Stories(linearUpdates: 10), never = Stories();
        foreach (long updates in (long[])[0, 9, 10, 50])
        {
            (begun.Updates, never.Updates) = (updates, updates);
            (begun.Model.IsTraining, never.Model.IsTraining) = (false, false);
            using (Tape.Step())
            {
                double linear = begun.Loss(new Philox(3), 8).Item(), soft = never.Loss(new Philox(3), 8).Item();
                Assert.That(linear, updates < 10 ? Is.Not.EqualTo(soft).Within(1e-3) : Is.EqualTo(soft), $"update {updates}");
            }
            Assert.That(((MemN2N)begun.Model).IsLinear, Is.False, "whoever asks it next gets the softmax");
        }
    }

    [Test]
    public void A_tenth_of_the_stories_is_held_out_and_the_cost_is_summed()
    {
        BabiObjective objective = Stories();
        Assert.That(objective.TrainingCount, Is.EqualTo(objective.Task.Training.Count - objective.Task.Training.Count / 10));
        using (Tape.Step())
            Assert.That(objective.Loss(new Philox(1), 16).Item(), Is.EqualTo(16 * Math.Log(objective.Task.Words.Count)).Within(5), "it knows nothing yet");
        double validation = objective.Validate(new(), 1);
        Assert.That(objective.Validate(new(), 1), Is.EqualTo(validation), "the same each time");
        Assert.That(objective.Model.IsTraining);
        Assert.That(objective.Test().Accuracy, Is.InRange(0, .6));
        Assert.That(() => new BabiObjective(new MemN2N(3, new(), new Philox(1), new Philox(2)), objective.Task, 1, 0), Throws.ArgumentException.With.Message.Contains("knows 3 words"));
    }

    /// <summary>Always the same answer.</summary>
    sealed class Stubborn : SequenceModel
    {
        readonly Tensor answer;

        public Stubborn() => answer = Parameter("answer", [5], (values, _, _) => values[2] = 1, new Philox(1));

        public override int Inputs => 13;
        public override int Outputs => 5;

        public override Tensor Forward(Tensor input) => answer.Expand([input.Shape[0], input.Shape[1], 5]).Contiguous();
    }

    [Test]
    public void Whoever_always_says_the_same_is_right_once_in_five_at_every_presentation()
    {
        OneShotObjective objective = new(new Stubborn(), new PrototypeTask(8, 5, 25));
        Assert.That(objective.Metrics, Is.EqualTo(new[] { "accuracy", "accuracy_1", "accuracy_2", "accuracy_5" }));
        double[] sums = new double[4];
        using (Tape.Step())
        {
            double loss = objective.Loss(new Philox(1), 3).Item();
            objective.Measure(loss, sums);
        }
        Assert.That(sums, Is.All.EqualTo(3 * .2).Within(1e-9), "the sum over three sequences");
        Assert.That(objective.Test(7, 3, new Philox(1)), Has.Length.EqualTo(6).And.All.EqualTo(.2).Within(1e-9));
        Assert.That(() => new OneShotObjective(new Stubborn(), new PrototypeTask(9)), Throws.ArgumentException.With.Message.Contains("13 inputs").And.Message.Contains("14"));
    }

    [Test]
    public void Where_was_looked_can_be_seen()
    {
        foreach (Objective objective in (Objective[])[Stories(), Mann()])
            using (Tape.Step())
            {
                objective.Loss(new Philox(1), 2);
                IReadOnlyList<Picture> pictures = objective.Pictures();
                Assert.That(pictures, Is.Not.Empty);
                foreach (Picture picture in pictures) Assert.That(picture.Values.Cast<float>(), Is.All.InRange(0, 1).And.Some.GreaterThan(0));
            }
    }

    [Test]
    public void The_pictures_of_a_memory_are_what_it_did()
    {
        CopyTask task = new();
        Dnc dnc = new(task.InputWidth, task.OutputWidth, new(6, 5, 4, 2), new Philox(1));
        SequenceObjective objective = new(dnc, task);
        using (Tape.Step())
        {
            objective.Loss(new Philox(2), 2);
            DncRun run = dnc.Run(objective.Episode.Inputs);
            IReadOnlyList<Picture> pictures = objective.Pictures();
            Assert.That(pictures.Select(picture => picture.Caption), Is.EqualTo(new[] { "write weighting", "read weighting", "links, row after column", "usage" }));
            Assert.That(pictures.Select(picture => picture.IsRing), Is.EqualTo(new[] { true, true, false, true }));
            for (int t = 0; t < objective.Episode.Steps; t++)
                for (int i = 0; i < 5; i++)
                {
                    Assert.That(Math.Pow(pictures[0].Values[i, t], 2), Is.EqualTo(run.Trace.WriteWeightings[t, 0, i]).Within(1e-6));
                    Assert.That(Math.Pow(pictures[1].Values[i, t], 2), Is.EqualTo(Math.Max(run.Trace.ReadWeightings[t, 0, 0, i], run.Trace.ReadWeightings[t, 0, 1, i])).Within(1e-6));
                    Assert.That(Math.Pow(pictures[3].Values[i, t], 2), Is.EqualTo(run.Trace.Usage[t, 0, i]).Within(1e-6));
                }
            for (int i = 0; i < 5; i++)
                for (int j = 0; j < 5; j++) Assert.That(Math.Pow(pictures[2].Values[i, j], 2), Is.EqualTo(run.State.Links[0, i, j]).Within(1e-6));
        }
        Ntm reader = new(task.InputWidth, task.OutputWidth, new(6, 5, 4, 1, 0, 3, NtmController.Lstm), new Philox(1));
        Assert.That(Captions(reader), Is.EqualTo(new[] { "read weighting" }));
        Assert.That(Captions(new Dnc(task.InputWidth, task.OutputWidth, new(6, 5, 4, 1, Links: false), new Philox(1))), Is.EqualTo(new[] { "write weighting", "read weighting", "usage" }));
        Assert.That(Captions(new SequenceTransformer(task.InputWidth, task.OutputWidth, new(8, 2, 8, 2), new Philox(1))), Is.EqualTo(new[] { "attention, layer 1", "attention, layer 2" }));
        Assert.That(Captions(new LstmModel(task.InputWidth, task.OutputWidth, 4, 1, new Philox(1))), Is.Empty);

        string[] Captions(SequenceModel model)
        {
            using Tape.Scope step = Tape.Step();
            SequenceObjective other = new(model, task);
            other.Loss(new Philox(2), 1);
            return [.. other.Pictures().Select(picture => picture.Caption)];
        }
    }
}
