using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests.Engine.Optimizers;

/// <summary>What holds for every optimiser, whatever its rule.</summary>
[NonParallelizable]
public class OptimizerTests
{
    static readonly int[] sizes = [1, 63, 100, Cpu.Grain + 5];

    static IEnumerable<OptimizerCase> Cases => OptimizerCase.All;

    static Tensor[] Parameters(DType type, params int[] sizes) => [.. sizes.Select(size =>
    {
        Tensor parameter = Tensor.Persistent([size], type).RequireGradient();
        parameter.CopyFrom<double>(Numbers(size, 0));
        return parameter;
    })];

    static double[] Numbers(int count, int seed)
    {
        Random random = new(seed);
        double[] numbers = new double[count];
        foreach (ref double number in numbers.AsSpan()) number = 2 * random.NextSingle() - 1;
        return numbers;
    }

    static void SetGradient(Tensor parameter, int step) => parameter.GradientToAccumulate().CopyFrom<double>(Numbers(parameter.Count, step));

    static void Train(Optimizer optimizer, int from, int to)
    {
        for (int step = from; step <= to; step++)
        {
            foreach (Tensor parameter in optimizer.Parameters) SetGradient(parameter, step);
            optimizer.Step();
        }
    }

    static float[][] Values(Optimizer optimizer) => [.. optimizer.Parameters.Select(p => p.ToArray())];

    [Test]
    public void Equals_the_rule_for_one_number([ValueSource(nameof(Cases))] OptimizerCase optimizerCase, [Values] bool float64)
    {
        Tensor[] parameters = Parameters(float64 ? DType.Float64 : DType.Float32, sizes);
        Optimizer optimizer = optimizerCase.Make(parameters);
        double[][] expected = [.. parameters.Select(p => p.ToArray<double>())];
        double[][][] state = [.. sizes.Select(size => Enumerable.Range(0, size).Select(_ => new double[4]).ToArray())];
        for (int step = 1; step <= 10; step++)
        {
            Train(optimizer, step, step);
            for (int p = 0; p < sizes.Length; p++)
            {
                double[] gradient = Numbers(sizes[p], step);
                for (int i = 0; i < sizes[p]; i++)
                    expected[p][i] = optimizerCase.Rule(expected[p][i], gradient[i], state[p][i], step, optimizer.LearningRate, optimizerCase.WeightDecay);
                Close.Assert(parameters[p].ToArray<double>(), expected[p], float64 ? 1e-12 : 1e-5, $"size {sizes[p]} after step {step}");
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Leaves_the_gradient_as_it_is(OptimizerCase optimizerCase)
    {
        Optimizer optimizer = optimizerCase.Make(Parameters(DType.Float32, 63));
        Train(optimizer, 1, 2);
        Assert.That(optimizer.Parameters[0].Gradient.ToArray<double>(), Is.EqualTo(Numbers(63, 2)));
    }

    [TestCaseSource(nameof(Cases))]
    public void Same_bits_on_any_number_of_threads(OptimizerCase optimizerCase)
    {
        int threads = ThreadTeam.Threads;
        try
        {
            float[][][] results = [.. new[] { 1, 2, 3 }.Select(n =>
            {
                ThreadTeam.Threads = n;
                Optimizer optimizer = optimizerCase.Make(Parameters(DType.Float32, 63, 3 * Cpu.Grain + 7));
                Train(optimizer, 1, 2);
                return Values(optimizer);
            })];
            for (int p = 0; p < 2; p++)
                Assert.That(results[1][p].SequenceEqual(results[0][p]) && results[2][p].SequenceEqual(results[0][p]), $"parameter {p}");
        }
        finally
        {
            ThreadTeam.Threads = threads;
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void A_step_allocates_nothing(OptimizerCase optimizerCase)
    {
        Optimizer optimizer = optimizerCase.Make(Parameters(DType.Float32, 1, 63, 3 * Cpu.Grain));
        Train(optimizer, 1, 3);
        optimizer.ZeroGradient();
        void Step()
        {
            optimizer.Step();
            optimizer.ZeroGradient();
        }
        Assert.That(Allocated.Least(Step, times: 10), Is.Zero);
    }

    [TestCaseSource(nameof(Cases))]
    public void A_resumed_run_goes_on_bit_for_bit(OptimizerCase optimizerCase)
    {
        Optimizer whole = optimizerCase.Make(Parameters(DType.Float32, 1, 63)), first = optimizerCase.Make(Parameters(DType.Float32, 1, 63));
        Train(whole, 1, 9);
        Train(first, 1, 4);

        Optimizer second = optimizerCase.Make([.. first.Parameters.Select(p => p.Keep().RequireGradient())]);
        Dictionary<string, Tensor> saved = first.NamedState().ToDictionary(s => s.Name, s => s.Tensor.Keep());
        foreach ((string name, Tensor tensor) in second.NamedState()) tensor.CopyFrom(saved[name]);
        second.StepCount = first.StepCount;
        Train(second, 5, 9);
        Assert.That(Values(second), Is.EqualTo(Values(whole)));
        Assert.That(second.StepCount, Is.EqualTo(9));
        foreach (((_, Tensor a), (string name, Tensor b)) in whole.NamedState().Zip(second.NamedState()))
            Assert.That(b.ToArray(), Is.EqualTo(a.ToArray()), name);
    }

    [TestCaseSource(nameof(Cases))]
    public void A_parameter_without_a_gradient_is_skipped_and_begins_when_it_has_one(OptimizerCase optimizerCase)
    {
        Tensor[] both = Parameters(DType.Float32, 63, 100);
        Optimizer optimizer = optimizerCase.Make(both);
        float[] untouched = both[1].ToArray();
        for (int step = 1; step <= 3; step++)
        {
            SetGradient(both[0], step);
            optimizer.Step();
        }
        Assert.That(both[1].ToArray(), Is.EqualTo(untouched));

        Train(optimizer, 4, 6);
        Optimizer alone = optimizerCase.Make(Parameters(DType.Float32, 100));
        Train(alone, 4, 6);
        Assert.That(both[1].ToArray(), Is.EqualTo(alone.Parameters[0].ToArray()));
    }

    [Test]
    public void State_has_stable_names()
    {
        Tensor[] p = Parameters(DType.Float32, 2, 3);
        string[] Names(Optimizer optimizer) => [.. optimizer.NamedState().Select(s => s.Name)];
        Assert.That(Names(new Sgd(p)), Is.EqualTo(new[] { "updates" }));
        Assert.That(Names(new RmsProp(p, momentum: 0.9)), Is.EqualTo(
            new[] { "square_average.0", "square_average.1", "momentum_buffer.0", "momentum_buffer.1", "updates" }));
        Assert.That(Names(new AdamW(p, amsGrad: true)), Is.EqualTo(new[]
        {
            "average.0", "average.1", "square_average.0", "square_average.1", "largest_square_average.0", "largest_square_average.1", "updates",
        }));
    }

    [Test]
    public void A_group_has_its_own_learning_rate_and_weight_decay()
    {
        Tensor[] p = Parameters(DType.Float64, 63, 63, 63);
        Sgd optimizer = new(p, 0.1, weightDecay: 0.5);
        ParameterGroup group = optimizer.Group(p[1]);
        (group.LearningRateScale, group.WeightDecay) = (0.1, 0);
        Assert.That(optimizer.Group(p[2], p[1]).WeightDecay, Is.EqualTo(0.5), "as the first member's group");
        optimizer.Group(p[1]).LearningRateScale = 0.1;
        optimizer.Group(p[1]).WeightDecay = 0;
        foreach (Tensor parameter in p) SetGradient(parameter, 1);
        optimizer.LearningRate = 0.2;
        optimizer.Step();

        double[] w = Numbers(63, 0), g = Numbers(63, 1);
        Close.Assert(p[0].ToArray<double>(), [.. w.Zip(g, (w, g) => w - 0.2 * (g + 0.5 * w))], 1e-15, "the rest");
        Close.Assert(p[1].ToArray<double>(), [.. w.Zip(g, (w, g) => w - 0.02 * g)], 1e-15, "the group");
        Assert.That(p[2].ToArray(), Is.EqualTo(p[0].ToArray()));
    }

    [Test]
    public void A_constant_gradient_leaves_centred_RmsProp_finite()
    {
        Tensor[] p = Parameters(DType.Float32, 63);
        RmsProp optimizer = new(p, 1e-3, 0.5, centered: true);
        SetGradient(p[0], 1);
        for (int step = 0; step < 500; step++) optimizer.Step();
        Assert.That(p[0].ToArray(), Has.All.Matches<float>(float.IsFinite));
    }

    [Test]
    public void Micro_batches_without_ZeroGradient_equal_one_batch()
    {
        Tensor[] one = Parameters(DType.Float64, 63), many = Parameters(DType.Float64, 63);
        Optimizer whole = new Adam(one), accumulated = new Adam(many);
        for (int step = 0; step < 3; step++)
        {
            double[] sum = new double[63];
            accumulated.ZeroGradient();
            for (int k = 1; k <= 4; k++)
            {
                double[] gradient = Numbers(63, 4 * step + k);
                for (int i = 0; i < 63; i++) sum[i] += gradient[i];
                using (Tape.Step()) Tape.Backward([many[0]], [Tensor.From(gradient, [63])]);
            }
            one[0].GradientToAccumulate().CopyFrom<double>(sum);
            whole.Step();
            accumulated.Step();
        }
        Assert.That(many[0].ToArray<double>(), Is.EqualTo(one[0].ToArray<double>()));
    }

    [Test]
    public void ZeroGradient_keeps_the_gradient_and_the_momentum_goes_on()
    {
        Tensor[] p = Parameters(DType.Float64, 1);
        double w = p[0][0];
        Sgd optimizer = new(p, 1, momentum: 0.5);
        p[0].GradientToAccumulate().Fill(1);
        optimizer.Step();
        optimizer.ZeroGradient();
        optimizer.Step();
        Assert.That(p[0][0], Is.EqualTo(w - 1 - 0.5).Within(1e-15));
    }

    [Test]
    public void Numbers_out_of_range_are_refused_by_name()
    {
        Tensor[] p = Parameters(DType.Float32, 1);
        void Refuses(string name, Action make) => Assert.That(Assert.Throws<ArgumentOutOfRangeException>(make)!.ParamName, Is.EqualTo(name));
        Refuses("learningRate", () => new Sgd(p, -1));
        Refuses("learningRate", () => new Adam(p, double.NaN));
        Refuses("learningRate", () => new Lion(p, double.PositiveInfinity));
        Refuses("weightDecay", () => new AdamW(p, weightDecay: -0.1));
        Refuses("momentum", () => new Sgd(p, momentum: -0.1));
        Refuses("momentum", () => new Sgd(p, nesterov: true));
        Refuses("dampening", () => new Sgd(p, momentum: 0.9, dampening: 0.1, nesterov: true));
        Refuses("dampening", () => new Sgd(p, dampening: double.NaN));
        Refuses("alpha", () => new RmsProp(p, alpha: 1));
        Refuses("epsilon", () => new RmsProp(p, epsilon: -1));
        Refuses("momentum", () => new RmsProp(p, momentum: double.NaN));
        Refuses("beta1", () => new Adam(p, beta1: 1));
        Refuses("beta2", () => new AdamW(p, beta2: -0.1));
        Refuses("epsilon", () => new Adam(p, epsilon: double.NaN));
        Refuses("learningRateDecay", () => new Adagrad(p, learningRateDecay: -1));
        Refuses("initialSquareSum", () => new Adagrad(p, initialSquareSum: -1));
        Refuses("beta2", () => new Lion(p, beta2: double.NaN));
        Sgd optimizer = new(p);
        Refuses("LearningRate", () => optimizer.LearningRate = -1);
        Refuses("StepCount", () => optimizer.StepCount = -1);
        Refuses("LearningRateScale", () => optimizer.Group(p).LearningRateScale = double.NaN);
        Refuses("WeightDecay", () => optimizer.Group(p).WeightDecay = -1);
    }

    [Test]
    public void Tensors_that_cannot_be_optimised_are_refused()
    {
        Tensor[] p = Parameters(DType.Float32, 4, 4);
        void Refuses(string why, params Tensor[] tensors) =>
            Assert.That(Assert.Throws<ArgumentException>(() => new Sgd(tensors))!.Message, Does.Contain(why));
        Refuses("no parameters");
        Refuses("Parameter 2, [4], is there twice", p[0], p[1], p[0]);
        Refuses("holds Int32", Tensor.Persistent([4], DType.Int32));
        using (Tape.Step()) Refuses("ends with it", Tensor.Zeros([4]));
        Assert.Throws<ArgumentNullException>(() => new Sgd(null!));
        Sgd optimizer = new(p);
        Assert.Throws<ArgumentException>(() => optimizer.Group());
        Assert.That(Assert.Throws<ArgumentException>(() => optimizer.Group(p[0], Tensor.Persistent([3])))!.Message, Does.StartWith("Tensor 1, [3]"));
    }

    [Test]
    public void A_parameter_that_changed_its_type_is_refused()
    {
        Tensor[] p = Parameters(DType.Float32, 4);
        Adam optimizer = new(p);
        p[0].ConvertInPlace(DType.Float64, CpuBackend.Instance);
        SetGradient(p[0], 1);
        Assert.That(Assert.Throws<InvalidOperationException>(optimizer.Step)!.Message, Does.Contain("Float32").And.Contain("Float64"));
    }
}
