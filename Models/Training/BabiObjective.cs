using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Training;

/// <summary>
/// Answering the questions of a bAbI task as in Sukhbaatar et al. 2015 (arXiv:1503.08895, section 4.2): batches are drawn with replacement, the cost is summed over them, and a tenth of the
/// training questions is held out for validation. The metric is the <c>accuracy</c>.
/// </summary>
public sealed class BabiObjective : Objective
{
    const int SideBySide = 50;

    readonly MemN2N model;
    readonly long linearUpdates;
    readonly int[] training, validation;
    int[] chosen = [];
    StoryBatch stories;
    MemN2NRun run;

    /// <summary>A network on a task.</summary>
    /// <param name="model">Its vocabulary is the task's.</param>
    /// <param name="task">Questions to learn from and to be tested on.</param>
    /// <param name="seed">Decides which questions are held out.</param>
    /// <param name="linearUpdates">How many updates are made without the softmax of the hops at first (LS, section 4.1); 0 for none.</param>
    /// <exception cref="ArgumentException">The model has another number of words.</exception>
    public BabiObjective(MemN2N model, BabiTask task, ulong seed, long linearUpdates) : base(model)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentOutOfRangeException.ThrowIfNegative(linearUpdates);
        if (model.Vocabulary != task.Words.Count) throw new ArgumentException($"The model knows {model.Vocabulary} words, but the task has {task.Words.Count}.", nameof(model));
        (this.model, Task, this.linearUpdates) = (model, task, linearUpdates);
        int[] all = [.. Enumerable.Range(0, task.Training.Count)];
        new Philox(seed, RandomStreams.Validation).Shuffle(all.AsSpan());
        int held = Math.Clamp(all.Length / 10, Math.Min(1, all.Length - 1), all.Length - 1);
        (validation, training) = (all[..held], all[held..]);
        Generators = [("noise", model.Noise)];
    }

    /// <summary>What is trained on.</summary>
    public BabiTask Task { get; }

    /// <summary>How many questions are trained on: all but those held out.</summary>
    public int TrainingCount => training.Length;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Metrics { get; } = ["accuracy"];

    /// <summary>Nats, the sum over the batch.</summary>
    public override Tensor Loss(Philox random, int batch)
    {
        if (chosen.Length != batch) chosen = new int[batch];
        foreach (ref int i in chosen.AsSpan()) i = training[random.Next(0, training.Length)];
        stories = StoryBatch.Of(Task.Training, chosen, model.Options.Capacity);
        model.IsLinear = Updates < linearUpdates;
        run = model.Run(stories);
        model.IsLinear = false;
        return run.Logits.CrossEntropy(stories.Answers) * batch;
    }

    /// <summary>Sentences of the batch.</summary>
    public override long TimeSteps => (long)stories.Count * stories.Sentences.Shape[1];

    /// <inheritdoc/>
    public override void Measure(double loss, Span<double> sums) => sums[0] += Classification.Right(run.Logits, stories.Answers);

    /// <summary>The mean cost of a question held out, in nats.</summary>
    public override double Validate(Validation validation, ulong seed) => this.validation.Length == 0 ? 0 : Test(Task.Training, this.validation).Loss;

    /// <summary>Answers all questions that the task is tested on.</summary>
    /// <param name="cancelled">Ends it.</param>
    /// <returns>The share that is answered rightly, and the mean cost in nats.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public (double Accuracy, double Loss) Test(CancellationToken cancelled = default) => Test(Task.Testing, [.. Enumerable.Range(0, Task.Testing.Count)], cancelled);

    /// <summary>Answers the questions trained on, none of them held out, without noise: of several runs the paper keeps that with the least error on them.</summary>
    /// <inheritdoc cref="Test(CancellationToken)"/>
    public (double Accuracy, double Loss) TestTraining(CancellationToken cancelled = default) => Test(Task.Training, training, cancelled);

    (double Accuracy, double Loss) Test(IReadOnlyList<BabiExample> examples, int[] which, CancellationToken cancelled = default) => Testing(() =>
    {
        double right = 0, loss = 0;
        for (int start = 0; start < which.Length; start += SideBySide)
        {
            cancelled.ThrowIfCancellationRequested();
            using (Tape.Step())
            {
                StoryBatch batch = StoryBatch.Of(examples, which.AsSpan(start, Math.Min(SideBySide, which.Length - start)), model.Options.Capacity);
                Tensor logits = model.Forward(batch);
                right += Classification.Right(logits, batch.Answers);
                loss += logits.CrossEntropy(batch.Answers).Item() * batch.Count;
            }
        }
        return (right / which.Length, loss / which.Length);
    });

    /// <summary>Where each hop looked in the batch's first story: sentences from the oldest down, hops from left to right.</summary>
    public override IReadOnlyList<Picture> Pictures()
    {
        float[] attention = run.Attention.Select(1, 0).ToArray();
        int sentences = run.Attention.Shape[2];
        float[,] looks = new float[sentences, model.Options.Hops];
        for (int i = 0; i < attention.Length; i++) looks[i % sentences, i / sentences] = Math.Clamp(attention[i], 0, 1);
        return [new("sentences, by hop", looks)];
    }
}
