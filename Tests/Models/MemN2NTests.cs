using NeuralMemory.Models;
using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models;

[NonParallelizable]
public sealed class MemN2NTests
{
    const int Words = 9;

    /// <summary>Stories of one to five sentences of one to four words, and questions about them.</summary>
    static readonly BabiExample[] Examples =
    [
        new([[0, 1, 2], [3, 4]], [5, 1], 2, []),
        new([[6]], [5, 6, 7], 8, []),
        new([[1, 2, 3, 4], [4, 3, 2, 1], [0, 8], [7], [2, 2, 5]], [0], 1, []),
    ];

    static MemN2N Make(MemN2NOptions? options = null) => new(Words, options ?? new() { Width = 5, Capacity = 7 }, new Philox(1), new Philox(2)) { IsTraining = false };

    static StoryBatch Batch(params int[] chosen) => StoryBatch.Of(Examples, chosen, 7);

    static readonly MemN2NOptions[] Kinds =
    [
        new() { Width = 5, Capacity = 7 },
        new() { Width = 5, Capacity = 7, Hops = 2, Tying = MemoryTying.LayerWise },
        new() { Width = 4, Capacity = 7, Hops = 1, PositionEncoding = false },
        new() { Width = 6, Capacity = 7, TimeEncoding = false },
        new() { Width = 5, Capacity = 7, NullMemories = false },
        new() { Width = 5, Capacity = 5, Hops = 2, PositionScale = 1 },
    ];

    /// <summary>The paper's equations in plain loops, in double: sections 2.1, 2.2 and 4.1.</summary>
    static (double[] Logits, double[][] Attention) Paper(MemN2N model, BabiExample example, bool linear)
    {
        MemN2NOptions o = model.Options;
        Dictionary<string, double[]> parameters = model.NamedParameters().ToDictionary(p => p.Name, p => p.Tensor.ToArray<double>());
        int d = o.Width;
        bool adjacent = o.Tying == MemoryTying.Adjacent;
        double[] Sentence(string table, int[] words) => [.. Enumerable.Range(1, d).Select(k => words.Select((x, j) =>
        {
            double l = o.PositionEncoding ? o.PositionScale * (1 - (j + 1.0) / words.Length - (double)k / d * (1 - 2 * (j + 1.0) / words.Length)) : 1;
            return l * parameters[table][x * d + k - 1];
        }).Sum())];
        double[][] Memories(string name) => [.. example.Story.Select((s, i) =>
        {
            double[] m = Sentence(name, s);
            if (o.TimeEncoding) for (int k = 0; k < d; k++) m[k] += parameters[$"times_{name}"][(example.Story.Length - 1 - i) * d + k];
            return m;
        })];
        double[] u = Sentence(adjacent ? "a_1" : "b", example.Question);
        double[][] attention = new double[o.Hops][];
        for (int hop = 1; hop <= o.Hops; hop++)
        {
            double[][] m = Memories(hop == 1 || !adjacent ? "a_1" : $"c_{hop - 1}"), c = Memories(adjacent ? $"c_{hop}" : "c_1");
            double[] p = [.. m.Select(row => row.Zip(u).Sum(x => x.First * x.Second))];
            double nulls = o.NullMemories ? o.Capacity - p.Length : 0;                   // each of e^0
            if (!linear) p = [.. p.Select(x => Math.Exp(x) / (p.Sum(Math.Exp) + nulls))];
            double[] carried = adjacent ? u : [.. Enumerable.Range(0, d).Select(k => Enumerable.Range(0, d).Sum(j => parameters["h"][k * d + j] * u[j]))];
            u = [.. carried.Select((x, k) => x + p.Zip(c).Sum(q => q.First * q.Second[k]))];
            attention[hop - 1] = p;
        }
        double[] w = parameters[adjacent ? $"c_{o.Hops}" : "w"];
        return ([.. Enumerable.Range(0, Words).Select(v => Enumerable.Range(0, d).Sum(k => w[v * d + k] * u[k]))], attention);
    }

    [Test, Combinatorial]
    public void Computes_the_papers_equations([ValueSource(nameof(Kinds))] MemN2NOptions options, [Values] bool linear)
    {
        MemN2N model = (MemN2N)Make(options).To(DType.Float64);
        model.IsLinear = linear;
        foreach (Tensor parameter in model.Parameters) parameter.CopyFrom<double>([.. parameter.ToArray<double>().Select(x => 5 * x)]);      // so that no attention is even
        using (Tape.Step())
        {
            MemN2NRun run = model.Run(Batch(0, 1, 2));
            for (int b = 0; b < 3; b++)
            {
                (double[] logits, double[][] attention) = Paper(model, Examples[b], linear);
                Assert.That(run.Logits.Select(0, b).ToArray<double>(), Is.EqualTo(logits).Within(1e-12));
                for (int k = 0; k < options.Hops; k++)
                    Assert.That(run.Attention.Select(0, k).Select(0, b).ToArray<double>(), Is.EqualTo(attention[k].Concat(new double[5 - attention[k].Length])).Within(1e-12));
            }
        }
    }

    [TestCaseSource(nameof(Kinds))]
    public void Passes_the_gradient_check(MemN2NOptions options)
    {
        MemN2N model = Make(options);
        GradientCheck.Module(model, _ => model.Forward(Batch(0, 1, 2))).ThrowIfFailed();
    }

    [TestCaseSource(nameof(Kinds))]
    public void Every_parameter_gets_a_finite_gradient_that_is_not_zero(MemN2NOptions options)
    {
        MemN2N model = Make(options);
        using (Tape.Step())
        {
            StoryBatch batch = Batch(0, 1, 2);
            model.Forward(batch).CrossEntropy(batch.Answers).Backward();
            foreach ((string name, Tensor parameter) in model.NamedParameters())
            {
                float[] gradient = parameter.Gradient.ToArray();
                Assert.That(gradient, Is.All.Matches<float>(float.IsFinite), name);
                Assert.That(gradient.Any(g => g != 0), name);
            }
        }
    }

    [Test]
    public void An_answer_does_not_depend_on_what_is_asked_beside_it()
    {
        MemN2N model = Make();
        using (Tape.Step())
        {
            float[] all = model.Forward(Batch(2, 1, 0)).ToArray();
            for (int b = 0; b < 3; b++) Assert.That(model.Forward(Batch(2 - b)).ToArray(), Is.EqualTo(all[(b * Words)..((b + 1) * Words)]).Within(1e-6));
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public void The_order_of_words_counts_with_position_encoding_alone(bool encoded)
    {
        MemN2N model = Make(new() { Width = 5, Capacity = 7, PositionEncoding = encoded });
        float[] there = Answer(model, new([[1, 2, 3]], [4, 5], 0, [])), back = Answer(model, new([[3, 2, 1]], [4, 5], 0, []));
        Assert.That(there, encoded ? Is.Not.EqualTo(back).Within(1e-3) : Is.EqualTo(back).Within(1e-6));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void The_order_of_sentences_counts_with_time_encoding_alone(bool encoded)
    {
        MemN2N model = Make(new() { Width = 5, Capacity = 7, TimeEncoding = encoded });
        float[] there = Answer(model, new([[1, 2], [3, 4]], [5], 0, [])), back = Answer(model, new([[3, 4], [1, 2]], [5], 0, []));
        Assert.That(there, encoded ? Is.Not.EqualTo(back).Within(1e-4) : Is.EqualTo(back).Within(1e-6));
    }

    static float[] Answer(MemN2N model, BabiExample example)
    {
        using (Tape.Step()) return model.Forward(StoryBatch.Of([example], [0], 7)).ToArray();
    }

    [Test]
    public void Noise_makes_sentences_older_in_training_alone()
    {
        MemN2N model = Make(new() { Width = 5, Capacity = 7, TimeNoise = .5 });
        float[] tested = Answer(model, Examples[2]);
        Assert.That(model.Noise.Position, Is.Zero, "nothing is drawn out of training");
        Assert.That(Answer(model, Examples[2]), Is.EqualTo(tested));
        model.IsTraining = true;
        float[][] trained = [.. Enumerable.Range(0, 20).Select(_ => Answer(model, Examples[2]))];
        Assert.That(model.Noise.Position, Is.GreaterThan(0));
        Assert.That(trained.Any(y => !y.SequenceEqual(trained[0])));
        Assert.That(trained.SelectMany(y => y), Is.All.Matches<float>(float.IsFinite));
    }

    [Test]
    public void The_kinds_of_tying_have_the_papers_weights()
    {
        Assert.That(Make(Kinds[0]).NamedParameters().Select(p => p.Name),
            Is.EquivalentTo((string[])["a_1", "times_a_1", "c_1", "times_c_1", "c_2", "times_c_2", "c_3", "times_c_3"]), "A^(k+1) = C^k, B = A^1, W = C^K");
        Assert.That(Make(Kinds[1]).NamedParameters().Select(p => p.Name), Is.EquivalentTo((string[])["a_1", "times_a_1", "c_1", "times_c_1", "b", "w", "h"]));
    }

    [Test]
    public void Weights_begin_with_a_deviation_of_a_tenth()
    {
        float[] weights = [.. new MemN2N(500, new(), new Philox(1), new Philox(2)).Parameters.SelectMany(p => p.ToArray())];
        Assert.That(Math.Sqrt(weights.Average(x => (double)x * x)), Is.EqualTo(.1).Within(.002));
    }

    [Test]
    public void Sizes_that_make_no_sense_and_stories_that_are_too_long_are_refused()
    {
        foreach (MemN2NOptions options in (MemN2NOptions[])[new() { Width = 0 }, new() { Hops = 0 }, new() { Capacity = 0 }, new() { TimeNoise = 1 }, new() { PositionScale = 0 }, new() { TimeNoise = double.NaN }])
            Assert.That(() => Make(options), Throws.TypeOf<ArgumentOutOfRangeException>());
        using (Tape.Step())
            Assert.That(() => Make(new() { Capacity = 4 }).Forward(Batch(2)),
                Throws.TypeOf<ShapeException>().With.Message.EqualTo("MemN2N: stories of 5 sentences [1, 5, 4]; at most 4 were expected."));
    }

    [Test]
    public void Of_a_long_story_the_newest_sentences_are_kept()
    {
        using (Tape.Step())
        {
            StoryBatch batch = StoryBatch.Of(Examples, [2, 0], capacity: 3);
            Assert.That(batch.Sentences.ToArray<int>(), Is.EqualTo(new[] { 0, 8, 0, 7, 0, 0, 2, 2, 5, 0, 1, 2, 3, 4, 0, 0, 0, 0 }));
            Assert.That(batch.SentenceWords.ToArray<int>(), Is.EqualTo(new[] { 2, 1, 3, 3, 2, 0 }));
            Assert.That((batch.Questions.ToArray<int>(), batch.QuestionWords.ToArray<int>(), batch.Answers.ToArray<int>()), Is.EqualTo((new[] { 0, 0, 5, 1 }, new[] { 1, 2 }, new[] { 1, 2 })));
        }
    }
}
