using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

/// <summary>Reversing and language modelling as the trainer sees them.</summary>
[NonParallelizable]
public class ReverseAndLanguageObjectiveTests
{
    /// <summary>Says the true label, but every n-th time another; it looks at the symbol to be said, and one further where it is wrong.</summary>
    sealed class Oracle(int wrongEvery) : EncoderDecoder
    {
        public override int Symbols => 8;

        public override DecoderRun Run(Tensor source, Tensor lengths, Tensor inputs)
        {
            (int batch, int time, int columns) = (inputs.Shape[0], inputs.Shape[1], source.Shape[1]);
            float[] logits = new float[batch * time * Symbols], attention = new float[batch * time * columns];
            int[] symbols = source.ToArray<int>(), length = lengths.ToArray<int>();
            for (int b = 0; b < batch; b++)
                for (int t = 0; t < time; t++)
                {
                    int at = length[b] - 1 - t, symbol = at < 0 ? End : symbols[b * columns + at];
                    bool wrong = wrongEvery > 0 && at >= 0 && (symbols[b * columns] + t) % wrongEvery == 0;
                    logits[(b * time + t) * Symbols + (wrong ? symbol == 3 ? 4 : 3 : symbol)] = 5;
                    attention[(b * time + t) * columns + Math.Clamp(at + (wrong ? at > 0 ? -1 : 1 : 0), 0, columns - 1)] = 1;
                }
            return new(Tensor.From(logits, [batch, time, Symbols]), Tensor.From(attention, [batch, time, columns]));
        }
    }

    [Test]
    public void Accuracy_counts_sequences_without_a_fault()
    {
        ReverseTask task = new(alphabet: 5, maxLength: 6);
        ReverseResult right = new ReverseObjective(new Oracle(0), task).Test(6, 50, seed: 1, batch: 20);
        Assert.That(right, Is.EqualTo(new ReverseResult(6, 50, 1, 1, 1)));

        // Symbols 3 to 7 begin a sequence: of six positions those t with (first + t) % 4 == 0 are wrong, one or two.
        ReverseResult wrong = new ReverseObjective(new Oracle(4), task).Test(6, 50, seed: 1, batch: 20);
        Assert.That((wrong.Accuracy, wrong.Length, wrong.Sequences), Is.EqualTo((0.0, 6, 50)));
        Assert.That(wrong.SymbolAccuracy, Is.InRange(4 / 6.0, 5 / 6.0).And.Not.EqualTo(4 / 6.0).And.Not.EqualTo(5 / 6.0));
        Assert.That(wrong.Diagonal, Is.EqualTo(wrong.SymbolAccuracy).Within(1e-12));
    }

    [Test]
    public void A_model_of_other_symbols_is_refused() => Assert.That(() => new ReverseObjective(new Oracle(0), new(alphabet: 4)),
        Throws.ArgumentException.With.Message.StartsWith("The model has 8 symbols, but the task has 7."));

    static TextCorpus Corpus(Scratch scratch)
    {
        File.WriteAllText(scratch["text"], string.Concat(Enumerable.Repeat("the cat sat on the mat. ", 40)));
        return TextCorpus.Read(scratch["text"], window: 8);
    }

    static (Gpt Model, Trainer Trainer) NewRun(Scratch scratch, string name)
    {
        TextCorpus corpus = Corpus(scratch);
        Philox random = new(1);
        Gpt model = new(new(corpus.Vocabulary.Count, 8, 8, 2, 1, Dropout: .2), random);
        LanguageObjective objective = new(model, corpus, 8) { Generators = [("model", random)] };
        return (model, new(objective, new Adam(model.Parameters, 3e-3),
            new() { Batch = 3, Sequences = 240, LogInterval = 60, Folder = scratch[name], CheckpointPeriod = null, Validation = new(Sequences: 20, Batch: 7), SamplePeriod = TimeSpan.Zero }));
    }

    static float[] Numbers(Gpt model) => [.. model.Parameters.SelectMany(p => p.ToArray())];

    [Test]
    public void A_language_model_with_dropout_resumes_to_the_same_bits()
    {
        using Scratch scratch = new();
        (Gpt whole, Trainer undisturbed) = NewRun(scratch, "whole");
        undisturbed.Run();
        (_, Trainer first) = NewRun(scratch, "part");
        first.Sampled += sample =>
        {
            Assert.That(sample.Objective.Pictures().Single().Values.GetLength(1), Is.EqualTo(8));
            if (sample.Sequences == 126) first.Stop();
        };
        first.Run();
        (Gpt resumed, Trainer second) = NewRun(scratch, "part");
        second.Resume();
        second.Run();
        Assert.That(Numbers(resumed), Is.EqualTo(Numbers(whole)));
        Assert.That(TinyRun.Metrics(scratch["part"]), Is.EqualTo(TinyRun.Metrics(scratch["whole"])));
        IReadOnlyList<TrainingMetrics> metrics = new RunFolder(scratch["whole"]).ReadMetrics();
        Assert.That(metrics[^1]["validation_loss"], Is.LessThan(metrics[0]["validation_loss"]!.Value));
    }

    [Test]
    public void The_test_of_a_text_is_the_mean_over_its_kept_part_and_leaves_the_model_as_it_was()
    {
        using Scratch scratch = new();
        TextCorpus corpus = Corpus(scratch);
        Gpt model = new(new(corpus.Vocabulary.Count, 8, 8, 2, 1, Dropout: .2), new(1));
        LanguageObjective objective = new(model, corpus, 8);
        double cost = objective.Test();
        Assert.That(objective.Test(), Is.EqualTo(cost), "no dropout");
        Assert.That((model.IsTraining, Tape.IsRecording), Is.EqualTo((true, true)));
        // 960 characters; windows from 864 on, each with the character that follows.
        double sum = 0;
        int[] window = new int[9];
        model.IsTraining = false;
        for (int i = 0; i < 11; i++)
        {
            using var step = Tape.Step();
            corpus.Copy(864 + 8 * i, window);
            sum += model.Forward(Tensor.From(window.AsSpan(0, 8), [1, 8])).CrossEntropy(Tensor.From(window.AsSpan(1, 8), [1, 8])).Item();
        }
        Assert.That(cost, Is.EqualTo(sum / 11).Within(1e-6));
        Assert.That(objective.TestCharacters, Is.EqualTo(11 * 8), "the last 7 fill no window");
        Assert.That(() => objective.Test(new(true)), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void A_model_of_another_vocabulary_is_refused()
    {
        using Scratch scratch = new();
        Assert.That(() => new LanguageObjective(new LstmLanguageModel(3, 2, 2, 1, new(1)), Corpus(scratch), 8), Throws.ArgumentException.With.Message.Contains("3 symbols, but the text"));
    }
}
