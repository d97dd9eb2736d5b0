using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models;

[NonParallelizable]
public sealed class DncTests
{
    static readonly DncSizes[] Sizes =
    [
        new(5, 7, 3, 1),
        new(9, 20, 6, 3),
        new(6, 16, 4, 2),
        new(5, 7, 3, 2, Links: false),
        new(5, 7, 3, 2, FreeGates: false),
        new(5, 7, 3, 1, Links: false, FreeGates: false),
    ];

    static readonly DncSizes Small = Sizes[0];

    static Dnc Make(DncSizes sizes) => new(4, 3, sizes, new Philox(1));

    [Test, Combinatorial]
    public void The_fused_machine_equals_the_composed_one_in_value_and_every_gradient(
        [ValueSource(nameof(Sizes))] DncSizes sizes, [Values(1, 3, 6)] int batch, [Values] bool given, [Values(DType.Float64, DType.Float32)] DType type)
    {
        double tolerance = type == DType.Float64 ? 1e-11 : 2e-5;
        Dnc machine = (Dnc)Make(sizes).To(type);
        Tensor input = KernelTesting.Random([6, batch, 4], 1, type).RequireGradient();
        Tensor[] state = State(sizes, batch, type);
        (string, Tensor)[] leaves = [.. machine.NamedParameters(), ("input", input), .. state.Select((t, i) => ($"state {i}", t))];
        string[] names = ["output", "memory", "usage", "precedence", "links", "write weighting", "read weightings", "reads", "hidden", "cell",
            "trace of read weightings", "trace of write weightings", "trace of usage", "trace of links"];

        double[][] fused = Evaluate(s => machine.Run(input, s, traceLinks: sizes.Links)), composed = Evaluate(s => machine.ForwardComposed(input, s));
        for (int i = 0; i < fused.Length; i++)
            Assert.That(fused[i], Is.EqualTo(composed[i]).Within(tolerance * (1 + composed[i].Select(Math.Abs).DefaultIfEmpty().Max())),
                i < names.Length ? names[i] : $"the gradient of {leaves[i - names.Length].Item1}");

        double[][] Evaluate(Func<DncState?, DncRun> run)
        {
            foreach ((_, Tensor leaf) in leaves) leaf.ZeroGradient();
            using (Tape.Step())
            {
                // Slots that are used alike are sorted by their rounding errors: an empty memory is given different usages.
                DncRun y = run(given ? Normalized(state) : machine.Start(batch) with { Usage = state[1].Sigmoid() });
                Tensor[] results = Parts(y);
                Tape.Backward(results, [.. results.Select((r, i) => KernelTesting.Random([.. r.Shape.Sizes], (ulong)i + 20, type))]);
                return
                [
                    .. results.Select(r => r.ToArray<double>()), y.Trace.ReadWeightings.ToArray<double>(), y.Trace.WriteWeightings.ToArray<double>(), y.Trace.Usage.ToArray<double>(),
                    y.Trace.Links?.ToArray<double>() ?? [],
                    .. leaves.Select(leaf => leaf.Item2.HasGradient ? leaf.Item2.Gradient.ToArray<double>() : new double[leaf.Item2.Count]),
                ];
            }
        }
    }

    static Tensor[] Parts(DncRun y) =>
        [y.Output, y.State.Memory, y.State.Usage, y.State.Precedence, y.State.Links, y.State.WriteWeighting, y.State.ReadWeightings, y.State.Reads, y.State.Hidden, y.State.Cell];

    static Tensor[] State(DncSizes s, int batch, DType type) =>
    [
        .. new int[][]
        {
            [batch, s.Slots, s.Width], [batch, s.Slots], [batch, s.LinkedSlots], [batch, s.LinkedSlots, s.LinkedSlots], [batch, s.Slots], [batch, s.ReadHeads, s.Slots], [batch, s.Reads],
            [batch, s.Hidden], [batch, s.Hidden],
        }.Select((shape, i) => KernelTesting.Random(shape, (ulong)i + 2, type).RequireGradient()),
    ];

    static DncState Normalized(Tensor[] state) =>
        new(state[0], state[1].Sigmoid(), state[2].Softmax(), state[3].Softmax() * .5, state[4].Softmax(), state[5].Softmax(), state[6], state[7], state[8]);

    [TestCaseSource(nameof(Sizes))]
    public void Weightings_sum_to_at_most_one_and_usage_and_links_stay_within_their_bounds(DncSizes sizes)
    {
        using (Tape.Step())
        {
            DncRun run = Make(sizes).Run(KernelTesting.Random([40, 3, 4], (ulong)sizes.Slots) * 100, traceLinks: sizes.Links);     // inputs that drive the gates to their ends
            const double least = -1e-6, most = 1 + 1e-5;
            Assert.That(run.Trace.WriteWeightings.Sum(-1).ToArray<double>(), Is.All.InRange(least, most));
            Assert.That(run.Trace.ReadWeightings.Sum(-1).ToArray<double>(), Is.All.InRange(least, most));
            Assert.That(run.Trace.Usage.ToArray<double>(), Is.All.InRange(least, most));
            Assert.That(run.Trace.WriteWeightings.Sum(-1).ToArray<double>().Max(), Is.GreaterThan(.5), "nothing was written: the test shows nothing");
            if (run.Trace.Links is not { } links) return;
            Assert.That(links.Sum(-1).ToArray<double>(), Is.All.InRange(least, most), "rows");
            Assert.That(links.Sum(-2).ToArray<double>(), Is.All.InRange(least, most), "columns");
            Assert.That((links * Tensor.Range(0, sizes.Slots).OneHot(sizes.Slots)).ToArray<double>(), Is.All.Zero, "the diagonal");
            Assert.That(run.State.Precedence.Sum(-1).ToArray<double>(), Is.All.InRange(least, most), "precedence");
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void Every_parameter_gets_a_finite_gradient_that_is_not_zero(DncSizes sizes)
    {
        Dnc machine = Make(sizes);
        using (Tape.Step())
        {
            Tensor y = machine.Forward(KernelTesting.Random([7, 3, 4], 1));
            y.Backward(KernelTesting.Random([7, 3, 3], 2));
            foreach ((string name, Tensor parameter) in machine.NamedParameters())
            {
                Tensor gradient = parameter.Gradient;
                Assert.That(gradient.ToArray<double>(), Is.All.Matches<double>(double.IsFinite), name);
                for (int row = 0; row < gradient.Shape[0]; row++)
                    Assert.That(gradient.Select(0, row).ToArray<double>().Any(g => g != 0), $"{name}, row {row}");
            }
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void State_carried_on_is_one_long_run(DncSizes sizes)
    {
        Dnc machine = Make(sizes);
        Tensor input = KernelTesting.Random([9, 3, 4], 1);
        using (Tape.Step())
        {
            DncRun whole = machine.Run(input), first = machine.Run(input.Slice(0, 0, 4)), second = machine.Run(input.Slice(0, 4, 9), first.State);
            Assert.That(Tensor.Concat(0, first.Output, second.Output).ToArray(), Is.EqualTo(whole.Output.ToArray()).Within(1e-6));
            foreach ((Tensor part, Tensor expected) in Parts(second).Zip(Parts(whole)).Skip(1)) Assert.That(part.ToArray(), Is.EqualTo(expected.ToArray()).Within(1e-6));
            Assert.That(machine.Run(input).Output.ToArray(), Is.EqualTo(whole.Output.ToArray()), "the state is reset at each call");
        }
    }

    [Test]
    public void A_run_without_gradient_keeps_no_history_and_computes_the_same()
    {
        Dnc machine = Make(Sizes[1]);
        using (Tape.Step())
        {
            DncRun with = machine.Run(KernelTesting.Random([9, 6, 4], 1), traceLinks: true);
            using (Tape.NoGradient())
            {
                DncRun without = machine.Run(KernelTesting.Random([9, 6, 4], 1), traceLinks: true);
                foreach ((Tensor part, Tensor expected) in Parts(without).Zip(Parts(with))) Assert.That(part.ToArray(), Is.EqualTo(expected.ToArray()));
                Assert.That(without.Trace.Links!.Value.ToArray(), Is.EqualTo(with.Trace.Links!.Value.ToArray()));
            }
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void A_sequence_of_no_steps_leaves_the_state_as_it_was(DncSizes sizes)
    {
        Dnc machine = Make(sizes);
        Tensor nothing = Tensor.Zeros([0, 2, 4]);
        using (Tape.Step())
        {
            DncState given = Normalized(State(sizes, 2, DType.Float32));
            foreach (DncRun run in (DncRun[])[machine.Run(nothing, given, traceLinks: sizes.Links), machine.ForwardComposed(nothing, given)])
            {
                Assert.That(run.Output.Shape, Is.EqualTo(new Shape([0, 2, 3])));
                Assert.That(run.Trace.ReadWeightings.Shape, Is.EqualTo(new Shape([0, 2, sizes.ReadHeads, sizes.Slots])));
                Assert.That(run.Trace.Links?.Shape, Is.EqualTo(sizes.Links ? new Shape([0, 2, sizes.Slots, sizes.Slots]) : (Shape?)null));
                foreach ((Tensor part, Tensor expected) in Parts(run).Skip(1).Zip(Parts(new(run.Output, given, default)).Skip(1))) Assert.That(part.ToArray(), Is.EqualTo(expected.ToArray()));
            }
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void Passes_the_gradient_check(DncSizes sizes)
    {
        Dnc machine = new(2, 2, sizes with { Hidden = 4 }, new Philox(3));
        GradientCheck.Module(machine, x => machine.Forward(x[0]), KernelTesting.Random([5, 2, 2], 1)).ThrowIfFailed();
    }

    /// <summary>What the interface commands in one step. What is not said: no write, no free, read by content.</summary>
    sealed class Command(DncSizes s)
    {
        public const double Far = 200;             // where a sigmoid is 0 or 1 to the last bit

        public double[] WriteKey = new double[s.Width], WriteVector = new double[s.Width], ReadKey = new double[s.Width];
        public double Strength, WriteGate = -Far, AllocationGate = Far, FreeGate = -Far;
        public int Mode = 1;

        public void Write(double[] vector) => (WriteVector, WriteGate) = (vector, Far);

        public IEnumerable<double> Bias =>
        [
            .. ReadKey, Strength, .. WriteKey, Strength, .. Enumerable.Repeat(Far, s.Width), .. WriteVector, .. s.FreeGates ? [FreeGate] : (double[])[], AllocationGate, WriteGate,
            .. s.Links ? Enumerable.Range(0, 3).Select(k => k == Mode ? Far : -Far) : [],
        ];
    }

    static readonly DncSizes One = new(2, 8, 4, 1);

    /// <summary>Steps of a machine whose interface is commanded: the state after each. Nothing may be NaN, backwards either.</summary>
    static List<DncState> Drive(DncSizes s, DncState? start, params Action<Command>[] commands)
    {
        List<DncState> states = [];
        Tensor Zeros(params ReadOnlySpan<int> shape) => Tensor.Zeros(new(shape)).RequireGradient();
        DncState state = start ?? new(Zeros(1, s.Slots, s.Width), Zeros(1, s.Slots), Zeros(1, s.LinkedSlots), Zeros(1, s.LinkedSlots, s.LinkedSlots), Zeros(1, s.Slots),
            Zeros(1, s.ReadHeads, s.Slots), Zeros(1, s.Reads), Zeros(1, s.Hidden), Zeros(1, s.Hidden));
        using (Tape.DetectNonFinite())
            foreach (Action<Command> choose in commands)
            {
                Command command = new(s);
                choose(command);
                Tensor bias = Zeros(s.InterfaceParameters);
                bias.CopyFrom<double>([.. command.Bias]);
                DncWeights weights = new(Zeros(s.Gates, s.Reads), Zeros(s.Gates, s.Hidden), Zeros(s.InterfaceParameters, s.Hidden), bias);
                (_, state) = DncScan.Apply(Tensor.Zeros([1, 1, s.Gates]), weights, state, s, out _);
                states.Add(state);
            }
        using (Tape.DetectNonFinite()) (states[^1].Memory.Sum() + states[^1].Usage.Sum() + states[^1].Reads.Sum()).Backward();
        return states;
    }

    static double[] Item(int i) => [.. Enumerable.Range(0, One.Width).Select(j => Math.Sin(3 * i + 2 * j + 1))];

    static double[] OneHot(int i, int count = 8) => [.. Enumerable.Range(0, count).Select(j => j == i ? 1.0 : 0)];

    [Test]
    public void Forward_weightings_replay_a_hard_write_order_exactly_and_backward_ones_reverse_it()
    {
        int[] order = [5, 2, 7, 0, 3];
        using (Tape.Step())
        {
            DncState after = HardOrder(order);
            List<DncState> ahead = Drive(One, At(after, order[0]), [.. Enumerable.Repeat<Action<Command>>(c => c.Mode = 2, order.Length - 1)]);
            for (int i = 1; i < order.Length; i++)
            {
                Assert.That(ahead[i - 1].ReadWeightings.ToArray<double>(), Is.EqualTo(OneHot(order[i])));
                Assert.That(ahead[i - 1].Reads.ToArray(), Is.EqualTo(Item(i).Select(v => (float)v)));
            }
            List<DncState> back = Drive(One, At(after, order[^1]), [.. Enumerable.Repeat<Action<Command>>(c => c.Mode = 0, order.Length - 1)]);
            for (int i = 1; i < order.Length; i++) Assert.That(back[i - 1].ReadWeightings.ToArray<double>(), Is.EqualTo(OneHot(order[^(i + 1)])));
        }
    }

    /// <summary>The state after items 0, 1, .. were each written to one slot, in this order: before each write all other slots are made full.</summary>
    static DncState HardOrder(int[] order)
    {
        DncState? state = null;
        for (int i = 0; i < order.Length; i++)
        {
            int slot = order[i], item = i;
            double[] usage = [.. OneHot(slot).Select(x => 1 - x)];
            Tensor full = Tensor.Zeros([1, 8]);
            full.CopyFrom<double>(usage);
            DncState before = state ?? new Dnc(1, 1, One, new Philox(1)).Start(1);
            state = Drive(One, before with { Usage = full, WriteWeighting = Tensor.Zeros([1, 8]) }, c => c.Write(Item(item)))[0];
            Assert.That(state.Value.WriteWeighting.ToArray<double>(), Is.EqualTo(OneHot(slot)));
        }
        return state!.Value;
    }

    static DncState At(DncState state, int slot)
    {
        Tensor read = Tensor.Zeros([1, 1, 8]);
        read.CopyFrom<double>(OneHot(slot));
        return state with { ReadWeightings = read };
    }

    [Test]
    public void An_empty_memory_is_written_slot_after_slot()
    {
        using (Tape.Step())
        {
            List<DncState> written = Drive(One, null, [.. Enumerable.Range(0, 8).Select(i => (Action<Command>)(c => c.Write(Item(i))))]);
            for (int i = 0; i < 8; i++) Assert.That(written[i].WriteWeighting.ToArray<double>(), Is.EqualTo(OneHot(i)));
        }
    }

    [Test]
    public void Content_finds_what_was_written_and_the_strongest_key_reads_it_alone()
    {
        using (Tape.Step())
        {
            List<DncState> states = Drive(One, null,
                c => c.Write(Item(0)), c => c.Write(Item(1)), c => c.Write(Item(2)), c => (c.ReadKey, c.Strength) = (Item(1), 1e4));
            Assert.That(states[^1].ReadWeightings.ToArray<double>(), Is.EqualTo(OneHot(1)).Within(1e-6));
            Assert.That(states[^1].Reads.ToArray(), Is.EqualTo(Item(1).Select(v => (float)v)).Within(1e-6));
        }
    }

    [Test]
    public void A_free_gate_gives_back_what_was_read_and_without_it_the_memory_stays_full()
    {
        using (Tape.Step())
        {
            Action<Command>[] fill = [.. Enumerable.Range(0, 8).Select(i => (Action<Command>)(c => c.Write(Item(i))))];
            Action<Command> find = c => (c.ReadKey, c.Strength) = (Item(3), 1e4);
            DncState freed = Drive(One, null, [.. fill, find, c => c.FreeGate = Command.Far, c => c.Write(Item(9))])[^1];
            Assert.That(freed.WriteWeighting.ToArray<double>(), Is.EqualTo(OneHot(3)).Within(1e-5));
            Assert.That(freed.Memory.Select(1, 3).ToArray(), Is.EqualTo(Item(9).Select(v => (float)v)).Within(1e-5));

            DncState full = Drive(One, null, [.. fill, find, c => { }, c => c.Write(Item(9))])[^1];
            Assert.That(full.Usage.ToArray<double>(), Is.All.EqualTo(1).Within(1e-6));
            Assert.That(full.WriteWeighting.ToArray<double>(), Is.All.EqualTo(0).Within(1e-6), "a full memory has nothing to allocate");
        }
    }

    [Test]
    public void A_memory_and_keys_of_zeros_give_no_NaN_and_a_uniform_content()
    {
        using (Tape.Step())
            Assert.That(Drive(One, null, c => c.Strength = 50, c => c.Strength = 50)[^1].ReadWeightings.ToArray<double>(), Is.All.EqualTo(1 / 8.0).Within(1e-6));
    }

    [Test]
    public void Training_on_sequences_of_varying_length_allocates_nothing_once_warm() => NtmTests.AssertTrainsWithoutAllocating(Make(Sizes[1]));

    [Test]
    public void Refuses_sizes_inputs_and_states_that_do_not_fit()
    {
        Assert.That(() => new Dnc(0, 1, Small, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Dnc(1, 0, Small, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Make(Small with { Width = 0 }), Throws.TypeOf<ShapeException>().With.Message.Contains("must be at least 1"));
        Assert.That(() => Make(Small).Forward(Tensor.Zeros([5, 2, 3])), Throws.TypeOf<ShapeException>().With.Message.EqualTo("Dnc: the input is [5, 2, 3]; [time, batch, 4] was expected."));
        Assert.That(() => Make(Small).ForwardComposed(Tensor.Zeros([5, 4])), Throws.TypeOf<ShapeException>().With.Message.EqualTo("Dnc: the input is [5, 4]; [time, batch, 4] was expected."));
        Tensor input = Tensor.Zeros([5, 2, 4]);
        foreach (Func<Dnc, Tensor, DncState?, DncRun> run in (Func<Dnc, Tensor, DncState?, DncRun>[])[(m, x, s) => m.Run(x, s), (m, x, s) => m.ForwardComposed(x, s)])
            Assert.That(() => run(Make(Small), input, Make(Small).Start(3)), Throws.TypeOf<ShapeException>().With.Message.EqualTo("DncScan: the memory is [3, 7, 3]; [2, 7, 3] was expected."));
        Assert.That(() => Make(Small).Run(input, Make(Small).Start(2) with { Usage = Tensor.Zeros([2, 6]) }),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("DncScan: the usage is [2, 6]; [2, 7] was expected."));
        Assert.That(() => Make(Small).Run(input, Make(Small with { Links = false }).Start(2)),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("DncScan: the precedence is [2, 0]; [2, 7] was expected."));
        Assert.That(() => Make(Small with { Links = false }).Run(input, traceLinks: true),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("DncScan: the trace cannot hold links: the machine has none."));
        Assert.That(() => Make(Small).Run(Tensor.Zeros([5, 2, 4], DType.Float64)), Throws.TypeOf<ShapeException>());
    }
}
