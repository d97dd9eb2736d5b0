using NeuralMemory.Models;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

public class EvaluationTests
{
    /// <summary>Says the same logit everywhere.</summary>
    sealed class Constant(float logit) : SequenceModel
    {
        public override int Inputs => 5;
        public override int Outputs => 3;
        public List<(int Batch, bool Training, bool Recording)> Calls { get; } = [];

        public override Tensor Forward(Tensor input)
        {
            Calls.Add((input.Shape[1], IsTraining, Tape.IsRecording));
            return Tensor.Full([input.Shape[0], input.Shape[1], 3], logit);
        }
    }

    [Test]
    public void A_network_that_knows_nothing_pays_every_bit()
    {
        Constant model = new(0);
        EvaluationResult result = Evaluation.Run(model, Tiny.Task, length: 20, sequences: 25, batch: 10);
        Assert.That((result.Length, result.Sequences, result.OutputBits), Is.EqualTo((20, 25, 60)));
        Assert.That((result.MedianBits, result.MeanBits), Is.EqualTo((60.0, 60.0)).Within(1e-9));
        Assert.That(result.MeanWrongBits, Is.EqualTo(30).Within(4));
        Assert.That(result.MedianWrongBits, Is.EqualTo(30).Within(4));
        Assert.That(model.Calls, Is.EqualTo(new[] { (10, false, false), (10, false, false), (5, false, false) }));
        Assert.That((model.IsTraining, Tape.IsRecording), Is.EqualTo((true, true)));
    }

    [Test]
    public void What_repeat_copy_asks_for_is_the_mean_of_its_sequences()
    {
        RepeatCopyTask task = new(width: 2, maxRepeats: 4);
        RepeatsSeen model = new(task);
        EvaluationResult result = Evaluation.Run(model, task, length: 3, sequences: 45, batch: 10);
        Assert.That(model.Repeats.Distinct().Count(), Is.GreaterThan(1));
        Assert.That(result.OutputBits, Is.EqualTo(model.Repeats.Average(r => (3 * r + 1) * 3.0)).Within(1e-9));
        Assert.That(result.MeanBits, Is.EqualTo(result.OutputBits).Within(1e-4), "who knows nothing pays every bit");
    }

    [TestCase(20, 20)]
    [TestCase(100, 10)]
    public void Repeat_copy_is_validated_and_tested_with_every_number_of_repeats(int sequences, int batch)
    {
        RepeatCopyTask task = new(width: 2, maxRepeats: 4);
        RepeatsSeen model = new(task);
        Evaluation.Run(model, task, length: 3, sequences, batch: batch);
        Assert.That(model.Repeats, Has.Count.EqualTo(sequences));
        Assert.That(model.Repeats.Distinct(), Is.EquivalentTo(new[] { 1, 2, 3, 4 }));
    }

    /// <summary>Knows nothing, and keeps how often each sequence was to be repeated.</summary>
    sealed class RepeatsSeen(RepeatCopyTask task) : SequenceModel
    {
        public override int Inputs => task.InputWidth;
        public override int Outputs => task.OutputWidth;
        public List<int> Repeats { get; } = [];

        public override Tensor Forward(Tensor input)
        {
            int batch = input.Shape[1];
            Repeats.AddRange(Enumerable.Repeat((input.Shape[0] - 6) / 3, batch));                  // two flags, three vectors, their copies, the end
            return Tensor.Full([input.Shape[0], batch, Outputs], 0);
        }
    }

    [Test]
    public void The_same_seed_gives_the_same_sequences_and_the_median_is_theirs()
    {
        // A constant logit x costs softplus(-x) for a one and softplus(x) for a zero: the bits are linear in the number of zeros, the wrong bits equal to it.
        EvaluationResult a = Evaluation.Run(new Constant(4), Tiny.Task, 5, sequences: 10, seed: 3), b = Evaluation.Run(new Constant(4), Tiny.Task, 5, sequences: 10, seed: 3);
        Assert.That(a, Is.EqualTo(b));
        Assert.That(Evaluation.Run(new Constant(4), Tiny.Task, 5, sequences: 10, seed: 4), Is.Not.EqualTo(a));
        double one = double.LogP1(Math.Exp(-4)) / Math.Log(2), zero = one + 4 / Math.Log(2);
        Assert.That(a.MeanBits, Is.EqualTo(a.MeanWrongBits * zero + (15 - a.MeanWrongBits) * one).Within(1e-5));
        Assert.That(a.MedianBits, Is.EqualTo(a.MedianWrongBits * zero + (15 - a.MedianWrongBits) * one).Within(1e-5));
    }

    [Test]
    public void It_sees_nothing_that_training_saw()
    {
        using var _ = Tape.Step();
        float[] Draw(ulong stream) => Tiny.Task.Next(new(1, stream), 4, 6).Targets.ToArray();
        ulong[] streams = [RandomStreams.Initialization, RandomStreams.Training, RandomStreams.Evaluation, RandomStreams.Validation];
        Assert.That(streams.Select(Draw).Select(targets => string.Join("", targets)).Distinct().Count(), Is.EqualTo(4));
    }

    [Test]
    public void Bad_arguments_and_cancelling()
    {
        Constant model = new(0);
        Assert.That(() => Evaluation.Run(model, Tiny.Task, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Evaluation.Run(model, Tiny.Task, 5, sequences: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Evaluation.Run(model, Tiny.Task, 5, batch: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Evaluation.Run(model, Tiny.Task, 5, cancellationToken: new(true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(model.IsTraining);
    }
}
