using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models;

/// <summary>What holds of every encoder with a decoder: gradients, masks, causality, and that it says by itself what it would say if it were shown its own words.</summary>
[NonParallelizable]
public sealed class EncoderDecoderTests
{
    const int Symbols = 8;

    static IEnumerable<TestCaseData> Models =>
    [
        new TestCaseData((Func<Philox, EncoderDecoder>)(r => new Seq2Seq(Symbols, 3, 5, 2, reversesSource: true, r))).SetArgDisplayNames("Seq2Seq"),
        new TestCaseData((Func<Philox, EncoderDecoder>)(r => new AttentionSeq2Seq(Symbols, 3, 5, 4, 3, r))).SetArgDisplayNames("AttentionSeq2Seq"),
        new TestCaseData((Func<Philox, EncoderDecoder>)(r => new Transformer(new(Symbols, 6, 3, 7, 2, Dropout: 0), r))).SetArgDisplayNames("Transformer"),
    ];

    // Lengths 5, 1 and 3.
    readonly Tensor source = Tensor.From([3, 4, 5, 6, 7, 7, 0, 0, 0, 0, 4, 4, 3, 0, 0], [3, 5]), lengths = Tensor.From([5, 1, 3], [3]);
    readonly Tensor inputs = Tensor.From([1, 7, 6, 5, 1, 7, 0, 0, 1, 3, 4, 4], [3, 4]);

    static EncoderDecoder Make(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = make(new(1));
        model.IsTraining = false;
        return model;
    }

    [TestCaseSource(nameof(Models))]
    public void Gradients_are_right_and_no_parameter_is_left_out(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = Make(make);
        GradientCheck.Module(model, _ => model.Run(source, lengths, inputs).Logits).ThrowIfFailed();
        using (Tape.Step())
        {
            model.Run(source, lengths, inputs).Logits.CrossEntropy(inputs, EncoderDecoder.Padding).Backward();
            foreach ((string name, Tensor parameter) in model.NamedParameters())
            {
                float[] gradient = parameter.Gradient.ToArray();
                Assert.That(gradient, Is.All.Matches<float>(float.IsFinite), name);
                // Adding the same to every key of a query changes no weight.
                bool free = name.EndsWith("in_proj_bias", StringComparison.Ordinal);
                Assert.That(gradient.Any(g => g != 0), name);
                if (free) Assert.That(gradient[..6].Concat(gradient[12..]).All(g => g != 0), name);
            }
        }
    }

    [TestCaseSource(nameof(Models))]
    public void A_sequence_is_answered_alike_alone_and_padded(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = Make(make);
        using (Tape.Step())
        {
            DecoderRun all = model.Run(source, lengths, inputs);
            for (int b = 0; b < 3; b++)
            {
                int length = (int)lengths[b];
                DecoderRun one = model.Run(source.Slice(0, b, b + 1).Slice(1, 0, length), lengths.Slice(0, b, b + 1), inputs.Slice(0, b, b + 1));
                Assert.That(one.Logits.ToArray(), Is.EqualTo(all.Logits.Slice(0, b, b + 1).ToArray()).Within(1e-5), $"sequence {b}");
                if (one.Attention is { } attention) Assert.That(attention.ToArray(), Is.EqualTo(all.Attention!.Value.Slice(0, b, b + 1).Slice(2, 0, length).ToArray()).Within(1e-5));
            }
        }
    }

    [TestCaseSource(nameof(Models))]
    public void Attention_sums_to_one_and_never_sees_padding(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = Make(make);
        using (Tape.Step())
        {
            DecoderRun run = model.Run(source, lengths, inputs);
            Assert.That(run.Logits.Shape, Is.EqualTo(new Shape([3, 4, Symbols])));
            if (run.Attention is not { } attention)
            {
                Assert.That(model, Is.TypeOf<Seq2Seq>());
                return;
            }
            Assert.That(attention.Shape, Is.EqualTo(new Shape([3, 4, 5])));
            Assert.That(attention.Sum(-1).ToArray(), Is.All.EqualTo(1f).Within(1e-5));
            for (int b = 0; b < 3; b++)
                for (int t = 0; t < 4; t++)
                    for (int s = (int)lengths[b]; s < 5; s++) Assert.That(attention[b, t, s], Is.Zero);
        }
    }

    [TestCaseSource(nameof(Models))]
    public void What_is_said_does_not_depend_on_what_follows(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = Make(make);
        using (Tape.Step())
        {
            float[] whole = model.Run(source, lengths, inputs).Logits.Slice(1, 0, 2).ToArray();
            Assert.That(model.Run(source, lengths, inputs.Slice(1, 0, 2)).Logits.ToArray(), Is.EqualTo(whole).Within(1e-5));
        }
    }

    [TestCaseSource(nameof(Models))]
    public void It_says_by_itself_what_it_would_say_to_its_own_words(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = Make(make);
        int[][] said = model.Generate(source, lengths, 6);
        for (int b = 0; b < 3; b++)
        {
            using var step = Tape.Step();
            int[] shown = [EncoderDecoder.Begin, .. said[b]];
            int[] again = model.Run(source.Slice(0, b, b + 1), lengths.Slice(0, b, b + 1), Tensor.From(shown, [1, shown.Length])).Logits.ArgMax().ToArray<int>();
            int[] expected = said[b].Length < 6 ? [.. said[b], EncoderDecoder.End] : said[b];
            Assert.That(again[..expected.Length], Is.EqualTo(expected));
        }
    }

    [TestCaseSource(nameof(Models))]
    public void A_training_step_allocates_nothing_once_warm(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = make(new(1));
        ReverseTask task = new(alphabet: 5, maxLength: 6);
        Philox random = new(3);
        Adam adam = new(model.Parameters, 1e-3);
        void Step()
        {
            using (Tape.Step())
            {
                Translation pairs = task.Next(random, 3);
                adam.ZeroGradient();
                model.Run(pairs.Source, pairs.Lengths, pairs.Inputs).Logits.CrossEntropy(pairs.Labels, EncoderDecoder.Padding).Backward();
                adam.Step();
            }
        }
        for (int i = 0; i < 300; i++) Step();
        Assert.That(Allocated.Least(Step, rounds: 100), Is.Zero);
    }

    [TestCaseSource(nameof(Models))]
    public void What_does_not_fit_is_refused(Func<Philox, EncoderDecoder> make)
    {
        EncoderDecoder model = Make(make);
        string name = model.GetType().Name;
        foreach ((Tensor s, Tensor l, Tensor i, string message) in ((Tensor, Tensor, Tensor, string)[])
            [
                (source.Select(0, 0), lengths, inputs, $"{name}: the source is [5]; [batch, time] was expected."),
                (source, lengths.Slice(0, 0, 2), inputs, $"{name}: the lengths are [2]; [3] was expected, as the source is [3, 5]."),
                (source, lengths, inputs.Slice(0, 0, 2), $"{name}: the decoder's inputs are [2, 4]; [3, time] was expected, as the source is [3, 5]."),
            ])
            Assert.That(() => model.Run(s, l, i), Throws.TypeOf<ShapeException>().With.Message.EqualTo(message));
    }

    [TestCase(DType.Float64, 1e-12)]
    [TestCase(DType.Float32, 1e-5)]
    public void The_fused_decoder_equals_the_composed_one_in_value_and_every_gradient(DType type, double tolerance)
    {
        AttentionSeq2Seq model = new(Symbols, 3, 5, 4, 3, new(1));
        model.To(type);
        (double[] Logits, double[] Attention, double[][] Gradients) Evaluate(Func<Tensor, Tensor, Tensor, DecoderRun> run)
        {
            using var step = Tape.Step();
            foreach (Tensor parameter in model.Parameters) parameter.ZeroGradient();
            DecoderRun y = run(source, lengths, inputs);
            y.Logits.CrossEntropy(inputs, EncoderDecoder.Padding).Backward();
            return (y.Logits.ToArray<double>(), y.Attention!.Value.ToArray<double>(), [.. model.Parameters.Select(parameter => parameter.Gradient.ToArray<double>())]);
        }
        var (logits, attention, gradients) = Evaluate(model.RunComposed);
        var fused = Evaluate(model.Run);
        Assert.That(fused.Logits, Is.EqualTo(logits).Within(tolerance));
        Assert.That(fused.Attention, Is.EqualTo(attention).Within(tolerance));
        for (int i = 0; i < gradients.Length; i++) Assert.That(fused.Gradients[i], Is.EqualTo(gradients[i]).Within(tolerance), $"parameter {i}");
        Assert.That(gradients.SelectMany(g => g).Max(Math.Abs), Is.GreaterThan(0.01));
    }

    [Test]
    public void A_reversed_source_is_the_source_reversed()
    {
        Seq2Seq plain = new(Symbols, 3, 5, 1, reversesSource: false, new(1)), reversing = new(Symbols, 3, 5, 1, reversesSource: true, new(1));
        using (Tape.Step())
        {
            Tensor backwards = Tensor.From([7, 6, 5, 4, 3, 7, 0, 0, 0, 0, 3, 4, 4, 0, 0], [3, 5]);
            Assert.That(reversing.Run(source, lengths, inputs).Logits.ToArray(), Is.EqualTo(plain.Run(backwards, lengths, inputs).Logits.ToArray()));
            Assert.That(reversing.Run(source, lengths, inputs).Logits.ToArray(), Is.Not.EqualTo(plain.Run(source, lengths, inputs).Logits.ToArray()));
        }
    }

    [Test]
    public void The_decoder_of_a_fixed_vector_goes_on_from_its_state()
    {
        Seq2Seq model = new(Symbols, 3, 5, 2, reversesSource: false, new(1));
        using (Tape.Step())
        {
            float[] whole = model.Run(source, lengths, inputs).Logits.ToArray();
            (Tensor first, NeuralMemory.Layers.LstmState state) = model.Decode(inputs.Slice(1, 0, 1), model.Encode(source, lengths));
            Tensor rest = model.Decode(inputs.Slice(1, 1, 4), state).Logits;
            Assert.That(Tensor.Concat(1, first, rest).ToArray(), Is.EqualTo(whole).Within(1e-6));
        }
    }

    /// <summary>Attention sees a set: only the positions tell it where a symbol stands.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void Without_positions_the_order_of_the_source_changes_nothing(bool positions)
    {
        Transformer model = new(new(Symbols, 6, 3, 7, 2, Dropout: 0, positions), new(1));
        using (Tape.Step())
        {
            Tensor whole = Tensor.From([3, 4, 5, 6, 7], [1, 5]), other = Tensor.From([6, 3, 7, 5, 4], [1, 5]), five = Tensor.From([5], [1]), said = inputs.Slice(0, 0, 1);
            float[] a = model.Run(whole, five, said).Logits.ToArray(), b = model.Run(other, five, said).Logits.ToArray();
            if (positions) Assert.That(b, Is.Not.EqualTo(a).Within(1e-3));
            else Assert.That(b, Is.EqualTo(a).Within(1e-5));
        }
    }

    [Test]
    public void A_Transformer_shows_how_every_head_looked()
    {
        Transformer model = new(new(Symbols, 6, 3, 7, 2, Dropout: 0), new(1));
        using (Tape.Step())
        {
            (Tensor[] encoder, Tensor[] decoder, Tensor[] cross) = model.Attention(source, lengths, inputs);
            Assert.That((encoder.Length, decoder.Length, cross.Length), Is.EqualTo((2, 2, 2)));
            Assert.That(encoder[0].Shape, Is.EqualTo(new Shape([3, 3, 5, 5])));
            Assert.That(decoder[1].Shape, Is.EqualTo(new Shape([3, 3, 4, 4])));
            Assert.That(cross[1].Mean(1).ToArray(), Is.EqualTo(model.Run(source, lengths, inputs).Attention!.Value.ToArray()).Within(1e-6));
            for (int t = 0; t < 4; t++)
                for (int later = t + 1; later < 4; later++) Assert.That(decoder[0][0, 0, t, later], Is.Zero);
        }
    }

    [Test]
    public void One_matrix_embeds_and_answers()
    {
        Transformer model = new(new(Symbols, 6, 3, 7, 1, Dropout: 0), new(1));
        Assert.That(model.NamedParameters().Count(p => p.Tensor.Rank == 2 && p.Tensor.Shape[0] == Symbols), Is.EqualTo(1));
    }
}
