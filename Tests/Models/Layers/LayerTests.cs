using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models.Layers;

using NeuralMemory.Layers;

/// <summary>Every layer, at odd sizes: gradients against central differences, no parameter left out, no allocation, and what bad input gets.</summary>
[NonParallelizable]
public sealed class LayerTests
{
    /// <param name="Name">What the test is called.</param>
    /// <param name="Make">The layer, with dropout switched off.</param>
    /// <param name="Function">Calls it.</param>
    /// <param name="Inputs">Shapes of its real inputs.</param>
    public sealed record Case(string Name, Func<Philox, NeuralMemory.Module> Make, Func<NeuralMemory.Module, Tensor[], Tensor> Function, params int[][] Inputs)
    {
        /// <summary>Parameters that cannot have a gradient here.</summary>
        public string[] Unused { get; init; } = [];

        public override string ToString() => Name;
    }

    static Case Plain(string name, Func<Philox, Layer> make, params int[] shape) => new(name, make, (layer, x) => ((Layer)layer).Forward(x[0]), shape);

    static readonly Tensor indices = Tensor.From([3, 0, 6, 3, 1, 1], [2, 3]), lengths = Tensor.From([5, 1, 3], [3]), seen = Tensor.From([1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0], [3, 5]);

    static readonly Shape flat = [-1];

    static IEnumerable<Case> Cases =>
    [
        Plain("Linear", r => new Linear(7, 3, r), 2, 3, 7),
        Plain("Linear without bias", r => new Linear(1, 63, r, bias: false), 5, 1),
        new("Embedding", r => new Embedding(7, 5, r), (layer, _) => ((Layer)layer).Forward(indices)),
        Plain("LayerNorm", _ => new LayerNorm(7), 3, 5, 7),
        Plain("RmsNorm", _ => new RmsNorm(63), 3, 63),
        Plain("Conv1d", r => new Conv1d(3, 5, 3, r, stride: 2, padding: 1), 2, 3, 7),
        Plain("Conv1d, depthwise and causal", r => new Conv1d(3, 3, 4, r, dilation: 2, groups: 3, causal: true), 2, 3, 9),
        Plain("Dropout", r => new Dropout(0.5, r), 3, 5),
        Plain("Sequential", r => new Sequential(new Linear(5, 7, r), new Function(x => x.Tanh()), new LayerNorm(7), new Linear(7, 1, r)), 3, 5),
        Plain("Rnn", r => new Rnn(3, 5, r), 3, 5, 3),
        Plain("Rnn of 2 layers both ways", r => new Rnn(3, 5, r, 2, bidirectional: true), 2, 3, 3),
        Plain("Gru", r => new Gru(3, 5, r), 3, 5, 3),
        Plain("Gru of 2 layers both ways", r => new Gru(3, 5, r, 2, bidirectional: true), 2, 3, 3),
        Plain("Lstm", r => new Lstm(3, 5, r), 3, 5, 3),
        Plain("Lstm of 2 layers both ways", r => new Lstm(3, 5, r, 2, bidirectional: true), 2, 3, 3),
        new("Rnn, packed, with state", r => new Rnn(3, 5, r, 2, bidirectional: true), (layer, x) => Join(((Rnn)layer).Run(x[0], x[1], lengths)), [3, 5, 3], [4, 3, 5]),
        new("Gru, packed, with state", r => new Gru(3, 5, r, 2, bidirectional: true), (layer, x) => Join(((Gru)layer).Run(x[0], x[1], lengths)), [3, 5, 3], [4, 3, 5]),
        new("Lstm, packed, with state", r => new Lstm(3, 5, r, 2, bidirectional: true), (layer, x) =>
        {
            (Tensor y, LstmState state) = ((Lstm)layer).Run(x[0], new(x[1], x[2]), lengths);
            return Tensor.Concat(0, Join((y, state.Hidden)), state.Cell.Reshape(flat));
        }, [3, 5, 3], [4, 3, 5], [4, 3, 5]),
        new("MultiHeadAttention", r => new MultiHeadAttention(6, 3, r), (layer, x) => ((MultiHeadAttention)layer).Forward(x[0], x[1], x[2], seen), [3, 4, 6], [3, 5, 6], [3, 5, 6]),
        new("MultiHeadAttention, causal, rotary", r => new MultiHeadAttention(12, 3, r, rotary: true),
            (layer, x) => ((MultiHeadAttention)layer).Forward(x[0], x[0], x[0], causal: true), [2, 5, 12]),
        new("MultiHeadAttention's weights", r => new MultiHeadAttention(6, 3, r), (layer, x) => Join(((MultiHeadAttention)layer).Run(x[0], x[0], x[0], seen)), [3, 5, 6]),
        Plain("SinusoidalPositions", _ => new SinusoidalPositions(6), 2, 5, 6),
        Plain("LearnedPositions", r => new LearnedPositions(5, 7, r), 2, 5, 7),
        Plain("RotaryPositions", _ => new RotaryPositions(6), 2, 3, 5, 6),
        .. from activation in Enum.GetValues<FeedForwardActivation>()
           from normFirst in new[] { false, true }
           select new Case($"TransformerEncoderLayer {activation}, {(normFirst ? "pre" : "post")}-norm", r => new TransformerEncoderLayer(6, 3, 7, r, activation, normFirst),
               (layer, x) => ((TransformerEncoderLayer)layer).Forward(x[0], seen), [3, 5, 6]),
        .. from normFirst in new[] { false, true }
           select new Case($"TransformerDecoderLayer, {(normFirst ? "pre" : "post")}-norm", r => new TransformerDecoderLayer(6, 3, 7, r, FeedForwardActivation.SwiGlu, normFirst),
               (layer, x) => ((TransformerDecoderLayer)layer).Forward(x[0], x[1], memoryKeyPadding: seen), [3, 4, 6], [3, 5, 6]),
    ];

    static Tensor Join((Tensor First, Tensor Second) y) => Tensor.Concat(0, y.First.Reshape(flat), y.Second.Reshape(flat));

    static Tensor[] Inputs(Case c) => [.. c.Inputs.Select((shape, i) => KernelTesting.Random(shape, (ulong)i + 1))];

    static NeuralMemory.Module Make(Case c)
    {
        NeuralMemory.Module module = c.Make(new Philox(1));
        module.IsTraining = false;
        return module;
    }

    [TestCaseSource(nameof(Cases))]
    public void Gradient_equals_central_differences(Case c)
    {
        NeuralMemory.Module module = Make(c);
        GradientCheck.Module(module, x => c.Function(module, x), Inputs(c)).ThrowIfFailed();
    }

    [TestCaseSource(nameof(Cases))]
    public void Every_parameter_gets_a_finite_gradient_that_is_not_zero(Case c)
    {
        NeuralMemory.Module module = Make(c);
        using (Tape.Step())
        using (KernelTesting.Poisoned())
        {
            Tensor y = c.Function(module, Inputs(c));
            if (module.Parameters.Count == 0) return;
            y.Backward(KernelTesting.Random([.. y.Shape.Sizes], 7));
            foreach ((string name, Tensor parameter) in module.NamedParameters())
            {
                float[] gradient = parameter.Gradient.ToArray();
                Assert.That(gradient, Is.All.Matches<float>(float.IsFinite), name);
                Assert.That(gradient.Any(g => g != 0), name);
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void A_step_allocates_nothing_once_warm(Case c)
    {
        NeuralMemory.Module module = c.Make(new Philox(1));                        // dropout included
        Tensor[] inputs = [.. Inputs(c).Select(x => x.RequireGradient())];
        Tensor seed = default;
        void Step()
        {
            using (Tape.Step())
            {
                Tensor y = c.Function(module, inputs);
                if (!seed.IsAlive) seed = Tensor.Persistent(y.Shape);
                y.Backward(seed);
            }
        }
        for (int i = 0; i < 5; i++) Step();
        Assert.That(Allocated.Least(Step), Is.Zero);
    }

    [Test]
    public void Every_layer_has_a_case()
    {
        HashSet<Type> seen = [typeof(Function)];
        void See(NeuralMemory.Module module)
        {
            seen.Add(module.GetType());
            foreach ((_, NeuralMemory.Module child) in module.Children) See(child);
        }
        foreach (Case c in Cases) See(Make(c));
        Assert.That(typeof(Layer).Assembly.GetTypes().Where(t => t.Namespace == typeof(Layer).Namespace && !t.IsAbstract && typeof(NeuralMemory.Module).IsAssignableFrom(t) && !seen.Contains(t)), Is.Empty);
    }

    [Test]
    public void Dropout_acts_in_training_alone()
    {
        Dropout dropout = new(0.5, new Philox(1));
        Tensor x = Tensor.Ones([1000]);
        using (Tape.Step())
        {
            Assert.That(dropout.Forward(x).ToArray().Distinct(), Is.EquivalentTo(new[] { 0f, 2f }));
            dropout.IsTraining = false;
            Assert.That(dropout.Forward(x).ToArray(), Is.All.EqualTo(1f));
        }
    }

    [Test]
    public void Sequential_names_its_parameters_by_place() =>
        Assert.That(new Sequential(new Linear(2, 3, new Philox(1)), new Function(x => x.Relu()), new Linear(3, 1, new Philox(1), bias: false)).NamedParameters().Select(p => p.Name),
            Is.EqualTo(new[] { "0.weight", "0.bias", "2.weight" }));

    static readonly object[] Refusals =
    [
        Refusal("Linear: x [2, 4] by weight [2, 3]: x was expected to be [..., 3].", () => new Linear(3, 2, new Philox(1)).Forward(Tensor.Zeros([2, 4]))),
        Refusal("Rnn: the input is [2, 3, 4]; [batch, time, 3] was expected.", () => new Rnn(3, 2, new Philox(1)).Forward(Tensor.Zeros([2, 3, 4]))),
        Refusal("Gru: the input is [2, 3]; [batch, time, 3] was expected.", () => new Gru(3, 2, new Philox(1)).Forward(Tensor.Zeros([2, 3]))),
        Refusal("Lstm: the cell is [2, 2]; [1, 2, 2] was expected.",
            () => new Lstm(3, 2, new Philox(1)).Run(Tensor.Zeros([2, 3, 3]), new(Tensor.Zeros([1, 2, 2]), Tensor.Zeros([2, 2])))),
        Refusal("Rnn: the hidden state is [1, 2, 2]; [2, 2, 2] was expected.", () => new Rnn(3, 2, new Philox(1), bidirectional: true).Run(Tensor.Zeros([2, 3, 3]), Tensor.Zeros([1, 2, 2]))),
        Refusal("LstmScan: the length of sequence 1 is 4; 0 to 3 was expected, as x is [3, 2, 8].", () => new Lstm(3, 2, new Philox(1)).Run(Tensor.Zeros([2, 3, 3]), lengths: Tensor.From([3, 4], [2]))),
        Refusal("RnnScan: the lengths [2] are Float32; Int32 was expected.", () => new Rnn(3, 2, new Philox(1)).Run(Tensor.Zeros([2, 3, 3]), lengths: Tensor.Zeros([2]))),
        Refusal("MultiHeadAttention: the query is [2, 3, 5]; [batch, queries, 6] was expected.", () => Attention(Tensor.Zeros([2, 3, 5]), Tensor.Zeros([2, 3, 6]))),
        Refusal("MultiHeadAttention: the key is [1, 3, 6]; [2, keys, 6] was expected, as the query is [2, 3, 6].", () => Attention(Tensor.Zeros([2, 3, 6]), Tensor.Zeros([1, 3, 6]))),
        Refusal("MultiHeadAttention: the padding is [2, 3]; [2, 4] was expected, as the key is [2, 4, 6].", () => Attention(Tensor.Zeros([2, 3, 6]), Tensor.Zeros([2, 4, 6]), Tensor.Zeros([2, 3]))),
        Refusal("LearnedPositions: x [1, 4, 2] from position 2 on reaches position 5; the table has 5 rows.", () => new LearnedPositions(5, 2, new Philox(1)).Forward(Tensor.Zeros([1, 4, 2]), 2)),
        Refusal("SinusoidalPositions: x is [3, 4]; [.., time, 6] was expected.", () => new SinusoidalPositions(6).Forward(Tensor.Zeros([3, 4]))),
        Refusal("RotaryPositions: x is [6]; [.., time, 6] was expected.", () => new RotaryPositions(6).Forward(Tensor.Zeros([6]))),
    ];

    static object[] Refusal(string message, Func<object> call) => [message, call];

    static object Attention(Tensor query, Tensor key, Tensor? keyPadding = null) => new MultiHeadAttention(6, 3, new Philox(1)).Forward(query, key, key, keyPadding);

    [TestCaseSource(nameof(Refusals))]
    public void Refuses_shapes_that_do_not_fit(string message, Func<object> call) => Assert.That(call, Throws.TypeOf<ShapeException>().With.Message.EqualTo(message));

    static readonly Func<object>[] Makings =
    [
        () => new Linear(0, 2, new Philox(1)), () => new Linear(2, 0, new Philox(1)), () => new Conv1d(3, 4, 3, new Philox(1), groups: 2), () => new Conv1d(3, 4, 0, new Philox(1)), () => new Conv1d(3, 4, 3, new Philox(1), stride: 2, causal: true),
        () => new Embedding(0, 2, new Philox(1)), () => new LayerNorm(0), () => new RmsNorm(0),
        () => new Dropout(1, new Philox(1)), () => new Dropout(double.NaN, new Philox(1)), () => new Rnn(2, 0, new Philox(1)), () => new Gru(2, 2, new Philox(1), layers: 0),
        () => new Lstm(2, 2, new Philox(1), dropout: 1), () => new MultiHeadAttention(6, 4, new Philox(1)), () => new MultiHeadAttention(6, 2, new Philox(1), rotary: true),
        () => new SinusoidalPositions(5), () => new RotaryPositions(0), () => new LearnedPositions(0, 2, new Philox(1)), () => new TransformerEncoderLayer(6, 3, 0, new Philox(1)),
    ];

    [TestCaseSource(nameof(Makings))]
    public void Refuses_sizes_that_make_no_sense(Func<object> make) => Assert.That(make, Throws.InstanceOf<ArgumentOutOfRangeException>());
}
