using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models;

[NonParallelizable]
public sealed class NtmTests
{
    static readonly NtmSizes[] Sizes =
    [
        new(5, 7, 3, 1, 1, 3, NtmController.Lstm),
        new(9, 20, 6, 2, 2, 5, NtmController.Lstm),
        new(5, 7, 3, 1, 1, 1, NtmController.FeedForward),
        new(17, 16, 5, 3, 1, 3, NtmController.FeedForward),
        new(6, 9, 4, 2, 0, 3, NtmController.Lstm),
    ];

    static readonly NtmSizes Small = Sizes[0];

    static Ntm Make(NtmSizes sizes, MemoryStart start = MemoryStart.Learned) => new(4, 3, sizes, new Philox(1), start);

    [Test, Combinatorial]
    public void The_fused_machine_equals_the_composed_one_in_value_and_every_gradient(
        [ValueSource(nameof(Sizes))] NtmSizes sizes, [Values(1, 3, 6)] int batch, [Values] bool given, [Values(DType.Float64, DType.Float32)] DType type)
    {
        double tolerance = type == DType.Float64 ? 1e-12 : 1e-5;
        Ntm machine = (Ntm)Make(sizes).To(type);
        Tensor input = KernelTesting.Random([5, batch, 4], 1, type).RequireGradient();
        Tensor[] state = State(sizes, batch, type);
        (string, Tensor)[] leaves = [.. machine.NamedParameters(), ("input", input), .. given ? state.Select((t, i) => ($"state {i}", t)) : []];

        double[][] fused = Evaluate(s => machine.Run(input, s)), composed = Evaluate(s => machine.ForwardComposed(input, s));
        for (int i = 0; i < fused.Length; i++)
            Assert.That(fused[i], Is.EqualTo(composed[i]).Within(tolerance * (1 + composed[i].Max(Math.Abs))), i < 7 ? $"result {i}" : $"the gradient of {leaves[i - 7].Item1}");

        double[][] Evaluate(Func<NtmState?, NtmRun> run)
        {
            foreach ((_, Tensor leaf) in leaves) leaf.ZeroGradient();
            using (Tape.Step())
            {
                NtmRun y = run(given ? new(state[0], state[1].Softmax(), state[2], state[3], state[4]) : null);
                Tensor[] results = [y.Output, y.State.Memory, y.State.Weightings, y.State.Reads, y.State.Hidden, y.State.Cell];
                if (sizes.Controller == NtmController.FeedForward) results[5] = y.State.Reads;
                Tape.Backward(results, [.. results.Select((r, i) => KernelTesting.Random([.. r.Shape.Sizes], (ulong)i + 20, type))]);
                return
                [
                    .. results.Select(r => r.ToArray<double>()), y.Weightings.ToArray<double>(),
                    .. leaves.Select(leaf => leaf.Item2.HasGradient ? leaf.Item2.Gradient.ToArray<double>() : new double[leaf.Item2.Count]),
                ];
            }
        }
    }

    /// <summary>More steps than the memories kept on the way: those between are made again as they were.</summary>
    [Test]
    public void Long_sequences_have_the_composed_machines_gradients([Values(8, 9, 26)] int time, [Values(0, 1)] int sizes)
    {
        Ntm machine = (Ntm)Make(Sizes[sizes]).To(DType.Float64);
        Tensor input = KernelTesting.Random([time, 5, 4], 1, DType.Float64);
        double[][] Gradients(Func<NtmRun> run)
        {
            foreach (Tensor parameter in machine.Parameters) parameter.ZeroGradient();
            using (Tape.Step()) run().Output.Square().Sum().Backward();
            return [.. machine.Parameters.Select(parameter => parameter.Gradient.ToArray<double>())];
        }
        double[][] fused = Gradients(() => machine.Run(input)), composed = Gradients(() => machine.ForwardComposed(input));
        for (int i = 0; i < fused.Length; i++) Assert.That(fused[i], Is.EqualTo(composed[i]).Within(1e-11 * (1 + composed[i].Max(Math.Abs))), machine.NamedParameters().ElementAt(i).Name);
    }

    /// <summary>One memory for all sequences, one slot for all slots, one number for all: its gradient is the sum over what it is repeated to.</summary>
    [Test]
    public void A_memory_that_is_repeated_gets_the_sum_of_the_gradients([Values(1, 3)] int batch, [Values] bool oneSlot, [Values] bool oneNumber)
    {
        Ntm machine = Make(Small);
        Tensor input = KernelTesting.Random([5, batch, 4], 1);
        Tensor[] state = State(Small, batch, DType.Float32);
        Tensor leaf = KernelTesting.Random([1, oneSlot ? 1 : Small.Slots, oneNumber ? 1 : Small.Width], 9).RequireGradient();
        double[] Gradient(Func<Tensor, Tensor> repeat)
        {
            leaf.ZeroGradient();
            using (Tape.Step()) machine.Run(input, new NtmState(repeat(leaf), state[1].Softmax(), state[2], state[3], state[4])).Output.Square().Sum().Backward();
            return leaf.Gradient.ToArray<double>();
        }
        Shape whole = [batch, Small.Slots, Small.Width];
        Assert.That(Gradient(x => x.Expand(whole)), Is.EqualTo(Gradient(x => x.Expand(whole).Contiguous())).Within(1e-5));
    }

    static Tensor[] State(NtmSizes s, int batch, DType type) =>
    [
        .. new[] { [batch, s.Slots, s.Width], [batch, s.Heads, s.Slots], [batch, s.Reads], [batch, s.Hidden], new[] { batch, s.Hidden } }
            .Select((shape, i) => KernelTesting.Random(shape, (ulong)i + 2, type).RequireGradient()),
    ];

    [TestCaseSource(nameof(Sizes))]
    public void Weightings_sum_to_one(NtmSizes sizes)
    {
        using (Tape.Step())
        {
            double[] sums = Make(sizes).Run(Large(sizes)).Weightings.Sum(-1).ToArray<double>();
            Assert.That(sums, Is.All.EqualTo(1).Within(1e-5));
        }
    }

    /// <summary>Inputs that drive the gates to their ends.</summary>
    static Tensor Large(NtmSizes sizes) => KernelTesting.Random([9, 3, 4], (ulong)sizes.Slots) * 100;

    [Test]
    public void Every_parameter_gets_a_finite_gradient_that_is_not_zero([Values] MemoryStart start)
    {
        Ntm machine = Make(Sizes[1], start);
        using (Tape.Step())
        {
            Tensor y = machine.Forward(KernelTesting.Random([5, 3, 4], 1));
            y.Backward(KernelTesting.Random([5, 3, 3], 2));
            foreach ((string name, Tensor parameter) in machine.NamedParameters().Where(p => p.Tensor.RequiresGradient))
            {
                double[] gradient = parameter.Gradient.ToArray<double>();
                Assert.That(gradient, Is.All.Matches<double>(double.IsFinite), name);
                // Where all slots begin alike, nothing tells them apart, and it is the same wherever the heads look at first.
                if (start == MemoryStart.Constant && name == "initial_weightings") Assert.That(gradient, Is.All.EqualTo(0).Within(1e-6), name);
                else Assert.That(gradient.Any(g => g != 0), name);
            }
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void State_carried_on_is_one_long_run(NtmSizes sizes)
    {
        Ntm machine = Make(sizes);
        Tensor input = KernelTesting.Random([9, 3, 4], 1);
        using (Tape.Step())
        {
            NtmRun whole = machine.Run(input), first = machine.Run(input.Slice(0, 0, 4)), second = machine.Run(input.Slice(0, 4, 9), first.State);
            Assert.That(Tensor.Concat(0, first.Output, second.Output).ToArray(), Is.EqualTo(whole.Output.ToArray()).Within(1e-6));
            Assert.That(second.State.Memory.ToArray(), Is.EqualTo(whole.State.Memory.ToArray()).Within(1e-6));
            Assert.That(machine.Run(input).Output.ToArray(), Is.EqualTo(whole.Output.ToArray()), "the state is reset at each call");
        }
    }

    [Test]
    public void A_run_without_gradient_keeps_no_history_and_computes_the_same()
    {
        Ntm machine = Make(Sizes[1]);
        using (Tape.Step())
        {
            NtmRun with = machine.Run(KernelTesting.Random([9, 6, 4], 1));
            using (Tape.NoGradient())
            {
                NtmRun without = machine.Run(KernelTesting.Random([9, 6, 4], 1));
                Assert.That(without.Output.ToArray(), Is.EqualTo(with.Output.ToArray()));
                Assert.That(without.State.Memory.ToArray(), Is.EqualTo(with.State.Memory.ToArray()));
                Assert.That(without.Weightings.ToArray(), Is.EqualTo(with.Weightings.ToArray()));
            }
        }
    }

    [Test]
    public void A_strong_key_looks_at_one_slot_alone()
    {
        (double[] weightings, _) = OneStep(p => (p.Key, p.Strength, p.Gate, p.Shift, p.Sharpening) = ([0.3, -0.7, 0.2], 1e4, 50, [-60, 60, -60], -50), memory => memory[2] = [0.3, -0.7, 0.2]);
        Assert.That(weightings, Is.EqualTo(new double[] { 0, 0, 1, 0, 0, 0, 0 }).Within(1e-6));
    }

    [TestCase(-1, new[] { 2, 3, 4, 5, 6, 7, 1 })]
    [TestCase(0, new[] { 1, 2, 3, 4, 5, 6, 7 })]
    [TestCase(1, new[] { 7, 1, 2, 3, 4, 5, 6 })]
    public void A_closed_gate_leaves_the_weighting_and_a_shift_rotates_it(int shift, int[] expected)
    {
        (double[] weightings, double[] before) = OneStep(p =>
        {
            (p.Key, p.Strength, p.Gate, p.Sharpening) = ([1, 0, 0], 9, -60, -50);
            for (int j = -1; j <= 1; j++) p.Shift[j + 1] = j == shift ? 60 : -60;
        });
        Assert.That(weightings, Is.EqualTo(expected.Select(i => before[i - 1])).Within(1e-6));
    }

    [Test]
    public void Sharpening_without_end_looks_at_the_largest_weight()
    {
        (double[] weightings, _) = OneStep(p => (p.Gate, p.Shift[1], p.Sharpening) = (-60, 60, 1e5));
        Assert.That(weightings, Is.EqualTo(new double[] { 0, 0, 0, 0, 0, 0, 1 }).Within(1e-6));
    }

    [Test]
    public void A_memory_and_a_key_of_zeros_give_no_NaN_and_a_uniform_content()
    {
        (double[] weightings, _) = OneStep(p => p.Gate = 60, memory => Array.Fill(memory, [0, 0, 0]));
        Assert.That(weightings, Is.All.EqualTo(1 / 7.0).Within(1e-6));
    }

    sealed class HeadParameters
    {
        public double[] Key = [0, 0, 0], Shift = [0, 0, 0];
        public double Strength, Gate, Sharpening;
    }

    /// <summary>
    /// One step of a machine whose heads' parameters are constants: where its reading head looks, and looked before, when weights grew with the slot. Its gradients must be
    /// finite.
    /// </summary>
    static (double[] After, double[] Before) OneStep(Action<HeadParameters> choose, Action<double[][]>? fill = null)
    {
        HeadParameters p = new();
        choose(p);
        double[] address = [.. p.Key, p.Strength, p.Gate, .. p.Shift, p.Sharpening], bias = [.. address, .. address, .. new double[6]];
        double[][] memory = [.. Enumerable.Range(0, 7).Select(i => new[] { Math.Sin(i), Math.Cos(2 * i), 0.5 })];
        fill?.Invoke(memory);
        double[] before = [.. Enumerable.Range(1, 7).Select(i => i / 28.0)];
        using (Tape.Step())
        using (Tape.DetectNonFinite())
        {
            Tensor Constant(Shape shape, double[]? values = null)
            {
                Tensor tensor = Tensor.Zeros(shape);
                if (values is not null) tensor.CopyFrom<double>(values);
                return tensor.RequireGradient();
            }
            NtmWeights weights = new(Constant([20, 3]), Constant([20, 5]), Constant([Small.HeadParameters, 5]), Constant([Small.HeadParameters], bias));
            NtmState start = new(Constant([1, 7, 3], [.. memory.SelectMany(row => row)]), Constant([1, 2, 7], [.. before, .. before]), Constant([1, 3]), Constant([1, 5]), Constant([1, 5]));
            (Tensor y, NtmState end) = NtmScan.Apply(Tensor.Ones([1, 1, 20]), weights, start, Small, out Tensor weightings);
            Tape.Backward([y, end.Memory, end.Weightings], [Tensor.Ones(y.Shape), Tensor.Ones(end.Memory.Shape), Tensor.Ones(end.Weightings.Shape)]);
            return ([.. weightings.ToArray<double>().Take(7)], before);
        }
    }

    [Test]
    public void Training_on_sequences_of_varying_length_allocates_nothing_once_warm()
    {
        AssertTrainsWithoutAllocating(Make(Sizes[1]));
        AssertTrainsWithoutAllocating(Make(Sizes[3]));
        AssertTrainsWithoutAllocating(new LstmModel(4, 3, 17, 2, new Philox(1)));
    }

    internal static void AssertTrainsWithoutAllocating(SequenceModel model)
    {
        RmsProp optimizer = new(model.Parameters, 1e-3, momentum: 0.9);
        Tensor[] inputs = [.. Enumerable.Range(1, 20).Select(time => KernelTesting.Random([time, 3, 4], (ulong)time))];
        Tensor[] targets = [.. Enumerable.Range(1, 20).Select(time => KernelTesting.Random([time, 3, 3], (ulong)time).Square())];
        void Step(int i)
        {
            using (Tape.Step())
            {
                optimizer.ZeroGradient();
                model.Forward(inputs[i]).BinaryCrossEntropyWithLogits(targets[i]).Mean().Backward();
                Gradients.ClipNorm(model.Parameters, 10);
                optimizer.Step();
            }
        }
        for (int epoch = 0; epoch < 5; epoch++)
            for (int i = 0; i < inputs.Length; i++) Step(i);
        for (int i = 0; i < inputs.Length; i++)
        {
            long managed = long.MaxValue;
            for (int attempt = 0; attempt < 2000 && managed > 0; attempt++)          // until the JIT has optimised; the runner allocates too
            {
                long before = GC.GetTotalAllocatedBytes(true);
                Step(i);
                managed = Math.Min(managed, GC.GetTotalAllocatedBytes(true) - before);
            }
            Assert.That(managed, Is.Zero, $"{model.GetType().Name}, {i + 1} steps of time");
        }
    }

    [Test]
    public void A_machine_of_many_writing_heads_passes_the_gradient_check()
    {
        Ntm machine = new(2, 2, new(3, 5, 2, 1, 2, 3, NtmController.Lstm), new Philox(3));
        GradientCheck.Module(machine, x => machine.Forward(x[0]), KernelTesting.Random([4, 2, 2], 1)).ThrowIfFailed();
    }

    [Test]
    public void Refuses_sizes_and_inputs_that_do_not_fit()
    {
        Assert.That(() => new Ntm(0, 1, Small, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Make(Small with { Shifts = 2 }), Throws.TypeOf<ShapeException>().With.Message.EqualTo("Ntm: 2 shifts for 7 slots: an odd number, at most the slots, was expected."));
        Assert.That(() => Make(Small with { Shifts = 9 }), Throws.TypeOf<ShapeException>());
        Assert.That(() => Make(Small with { Width = 0 }), Throws.TypeOf<ShapeException>());
        Assert.That(() => Make(Small).Forward(Tensor.Zeros([5, 2, 3])), Throws.TypeOf<ShapeException>().With.Message.EqualTo("Ntm: the input is [5, 2, 3]; [time, batch, 4] was expected."));
        Assert.That(() => Make(Small).Run(Tensor.Zeros([5, 2, 4]), Make(Small).Start(3)),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("NtmScan: the memory is [3, 7, 3]; [2, 7, 3] was expected."));
    }
}
