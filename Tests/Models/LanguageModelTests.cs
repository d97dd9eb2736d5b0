using NeuralMemory.Layers;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models;

[NonParallelizable]
public sealed class LanguageModelTests
{
    const int Symbols = 11, Context = 9;

    static Gpt MakeGpt(double dropout = 0, int layers = 2) => new(new(Symbols, Context, 12, 3, layers, dropout), new(1));

    static IEnumerable<TestCaseData> Models =>
    [
        new TestCaseData((Func<LanguageModel>)(() => MakeGpt())).SetArgDisplayNames("Gpt"),
        new TestCaseData((Func<LanguageModel>)(() => new LstmLanguageModel(Symbols, 5, 7, 2, new(1)))).SetArgDisplayNames("LstmLanguageModel"),
    ];

    static Tensor Tokens(int batch, int time, ulong seed = 1)
    {
        Philox random = new(seed);
        return Tensor.From([.. Enumerable.Range(0, batch * time).Select(_ => random.Next(0, Symbols))], [batch, time]);
    }

    [TestCaseSource(nameof(Models))]
    public void Gradients_are_right_and_no_parameter_is_left_out(Func<LanguageModel> make)
    {
        LanguageModel model = make();
        model.IsTraining = false;
        Tensor tokens = Tokens(2, Context);
        GradientCheck.Module(model, _ => model.Forward(tokens)).ThrowIfFailed();
        using (Tape.Step())
        {
            model.Forward(tokens).CrossEntropy(Tokens(2, Context, 2)).Backward();
            foreach ((string name, Tensor parameter) in model.NamedParameters())
            {
                float[] gradient = parameter.Gradient.ToArray();
                Assert.That(gradient, Is.All.Matches<float>(float.IsFinite), name);
                Assert.That(gradient.Any(g => g != 0), name);
            }
        }
    }

    [TestCaseSource(nameof(Models))]
    public void Read_piece_by_piece_it_says_what_it_says_to_the_whole(Func<LanguageModel> make)
    {
        LanguageModel model = make();
        model.IsTraining = false;
        foreach (int batch in (int[])[1, 3])
        {
            Tensor tokens = Tokens(batch, Context, 5);
            float[] whole;
            using (Tape.Step()) whole = model.Forward(tokens).ToArray();
            foreach (int[] pieces in (int[][])[[9], [1, 1, 1, 1, 1, 1, 1, 1, 1], [4, 1, 1, 3], [1, 7, 1]])
            {
                LanguageModel.Reader reader = model.Read();
                for (int repeat = 0; repeat < 2; repeat++, reader.Clear())
                {
                    float[,,] said = new float[batch, Context, Symbols];
                    int at = 0;
                    foreach (int piece in pieces)
                    {
                        using var step = Tape.Step();
                        using var quiet = Tape.NoGradient();
                        Tensor logits = reader.Next(tokens.Slice(1, at, at + piece));
                        for (int b = 0; b < batch; b++)
                            for (int t = 0; t < piece; t++)
                                for (int s = 0; s < Symbols; s++) said[b, at + t, s] = (float)logits[b, t, s];
                        at += piece;
                        Assert.That(reader.Length, Is.EqualTo(at));
                    }
                    Assert.That(said.Cast<float>(), Is.EqualTo(whole).Within(1e-5), string.Join(", ", pieces));
                }
            }
        }
    }

    [TestCaseSource(nameof(Models))]
    public void A_reader_records_nothing(Func<LanguageModel> make)
    {
        LanguageModel model = make();
        using var step = Tape.Step();
        Assert.That(() => model.Read().Next(Tokens(1, 2)), Throws.InvalidOperationException.With.Message.Contains("Use it within Tape.NoGradient"));
    }

    /// <summary>Who knows nothing pays ln of the number of symbols.</summary>
    [Test]
    public void The_first_loss_is_that_of_a_guess()
    {
        const int characters = 65;
        Tensor tokens = Tensor.From([.. Enumerable.Range(0, 12 * 64).Select(i => i * 37 % characters)], [12, 64]), next = Tensor.From([.. Enumerable.Range(1, 12 * 64).Select(i => i * 37 % characters)], [12, 64]);
        foreach (LanguageModel model in (LanguageModel[])[new Gpt(new(characters, 64, 128, 4, 4, 0), new(1)), new LstmLanguageModel(characters, 64, 256, 1, new(1))])
        {
            using var step = Tape.Step();
            Assert.That(model.Forward(tokens).CrossEntropy(next).Item(), Is.EqualTo(Math.Log(characters)).Within(2).Percent, model.GetType().Name);
        }
    }

    [TestCaseSource(nameof(Models))]
    public void A_training_step_allocates_nothing_once_warm(Func<LanguageModel> make)
    {
        LanguageModel model = make();
        int[] symbols = Tokens(3, Context).ToArray<int>();
        Adam adam = new(model.Parameters, 1e-3);
        void Step()
        {
            using (Tape.Step())
            {
                Tensor tokens = Tensor.From(symbols, [3, Context]);
                adam.ZeroGradient();
                model.Forward(tokens).CrossEntropy(tokens).Backward();
                adam.Step();
            }
        }
        for (int i = 0; i < 300; i++) Step();
        Assert.That(Allocated.Least(Step, rounds: 100), Is.Zero);
    }

    /// <summary>A text that repeats itself is known after its first turn.</summary>
    [TestCaseSource(nameof(Models))]
    public void It_learns_a_round_of_symbols(Func<LanguageModel> make)
    {
        LanguageModel model = make();
        Adam adam = new(model.Parameters, 1e-2);
        double loss = 0;
        for (int i = 0; i < 200; i++)
        {
            using var step = Tape.Step();
            int first = i % 5;
            int[] round = [.. Enumerable.Range(first, Context + 1).Select(t => t % 5 * 2)];
            Tensor cost = model.Forward(Tensor.From(round[..^1], [1, Context])).CrossEntropy(Tensor.From(round[1..], [1, Context]));
            loss = cost.Item();
            adam.ZeroGradient();
            cost.Backward();
            adam.Step();
        }
        Assert.That(loss, Is.LessThan(.05));
        model.IsTraining = false;
        Assert.That(model.Generate([4, 6], Sampling.Greedy, new(1)).Take(20), Is.EqualTo(Enumerable.Range(4, 20).Select(t => t % 5 * 2)), "beyond the context, too");
    }

    [Test]
    public void A_GPT_never_sees_what_follows_and_shows_how_it_looks()
    {
        Gpt model = MakeGpt();
        using var step = Tape.Step();
        Tensor tokens = Tokens(2, Context);
        float[] whole = model.Forward(tokens).Slice(1, 0, 4).ToArray();
        Assert.That(model.Forward(tokens.Slice(1, 0, 4)).ToArray(), Is.EqualTo(whole).Within(1e-5));
        IReadOnlyList<Tensor> attention = model.Attention(tokens);
        Assert.That(attention, Has.Count.EqualTo(2));
        foreach (Tensor weights in attention)
        {
            Assert.That(weights.Shape, Is.EqualTo(new Shape([2, 3, Context, Context])));
            Assert.That(weights.Sum(-1).ToArray(), Is.All.EqualTo(1f).Within(1e-5));
            for (int t = 0; t < Context; t++)
                for (int later = t + 1; later < Context; later++) Assert.That(weights[1, 2, t, later], Is.Zero);
        }
    }

    /// <summary>The ablation: it sees what it is to tell, but not where it reads a text to go on with it.</summary>
    [Test]
    public void A_GPT_without_its_mask_sees_what_follows_unless_it_reads()
    {
        Gpt model = new(new(Symbols, Context, 12, 3, 2, Dropout: 0, Causal: false), new(1));
        using var quiet = Tape.NoGradient();
        using var step = Tape.Step();
        Tensor tokens = Tokens(2, Context), begun = tokens.Slice(1, 0, 4);
        Assert.That(model.Forward(begun).ToArray(), Is.Not.EqualTo(model.Forward(tokens).Slice(1, 0, 4).ToArray()).Within(1e-4));
        Assert.That(model.Read().Next(begun).ToArray(), Is.EqualTo(model.Read().Next(tokens).Slice(1, 0, 4).ToArray()).Within(1e-5));
    }

    [Test]
    public void A_GPT_has_GPT_2_s_parameters_and_no_matrix_for_the_logits()
    {
        Gpt model = MakeGpt();
        int block = 12 * 12 * 3 + 12 * 3 + 12 * 12 + 12 + 2 * 24 + 12 * 48 + 48 + 48 * 12 + 12;
        Assert.That(model.ParameterCount, Is.EqualTo(Symbols * 12 + Context * 12 + 2 * block + 24));
        Assert.That(model.NamedParameters().First(p => p.Name == "wte.weight").Tensor.Shape, Is.EqualTo(new Shape([Symbols, 12])));
    }

    [Test]
    public void A_GPT_refuses_more_than_its_context()
    {
        Gpt model = MakeGpt();
        Assert.That(() => model.Forward(Tokens(1, Context + 1)), Throws.TypeOf<ShapeException>().With.Message.EqualTo("Gpt: the tokens are [1, 10]; at most 9 fit into the context."));
        Assert.That(() => model.Generate(new int[Context + 1], Sampling.Greedy, new(1)), Throws.ArgumentException.With.Message.StartsWith("Generate: the prompt has 10 symbols; at most 9,"));
        Assert.That(() => model.Generate([], Sampling.Greedy, new(1)), Throws.ArgumentException.With.Message.StartsWith("Generate: the prompt is empty"));
        LanguageModel.Reader reader = model.Read();
        using var step = Tape.Step();
        using var quiet = Tape.NoGradient();
        reader.Next(Tokens(1, 6));
        Assert.That(() => reader.Next(Tokens(1, 4)), Throws.TypeOf<ShapeException>());
    }

    [TestCaseSource(nameof(Models))]
    public void The_same_seed_writes_the_same_and_greed_takes_the_likeliest(Func<LanguageModel> make)
    {
        LanguageModel model = make();
        model.IsTraining = false;
        int[] Write(ulong seed) => [.. model.Generate([1, 2, 3], new(), new(seed)).Take(30)];
        int[] first = Write(1);
        Assert.That(Write(1), Is.EqualTo(first).And.Not.EqualTo(Write(2)));
        List<int> text = [1, 2, 3];
        foreach (int symbol in model.Generate(text.ToArray(), Sampling.Greedy, new(1)).Take(Context - 3))
        {
            using var step = Tape.Step();
            Assert.That(symbol, Is.EqualTo(model.Forward(Tensor.From([.. text], [1, text.Count])).Select(1, ^1).ArgMax().ToArray<int>()[0]));
            text.Add(symbol);
        }
    }

    [Test]
    public void A_cache_is_filled_piece_by_piece_for_turned_positions_as_well()
    {
        MultiHeadAttention attention = new(12, 3, new(1), rotary: true);
        Tensor x = KernelTesting.Random([2, 7, 12], 1);
        KeyValueCache cache = new(7);
        using var step = Tape.Step();
        float[] whole = attention.Forward(x, x, x, causal: true).ToArray();
        using var quiet = Tape.NoGradient();
        Tensor pieces = Tensor.Concat(1, attention.Forward(x.Slice(1, 0, 3), cache), attention.Forward(x.Slice(1, 3, 4), cache), attention.Forward(x.Slice(1, 4, 7), cache));
        Assert.That(pieces.ToArray(), Is.EqualTo(whole).Within(1e-5));
        Assert.That(cache.Length, Is.EqualTo(7));
        Assert.That(() => attention.Forward(x.Slice(1, 0, 1), cache), Throws.TypeOf<ShapeException>().With.Message.EqualTo("KeyValueCache: 1 positions behind 7 are more than the 7 that there is room for."));
        cache.Clear();
        Assert.That(() => attention.Forward(x.Slice(0, 0, 1), cache), Throws.TypeOf<ShapeException>().With.Message.Contains("only the third dimension may differ"));
    }

    [Test]
    public void A_cache_does_not_serve_dropout()
    {
        MultiHeadAttention attention = new(12, 3, new(1), dropout: .1);
        using var step = Tape.Step();
        using var quiet = Tape.NoGradient();
        Assert.That(() => attention.Forward(KernelTesting.Random([1, 2, 12], 1), new KeyValueCache(3)), Throws.InvalidOperationException.With.Message.Contains("Set IsTraining to false"));
    }
}
