using NeuralMemory.Models;
using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models;

[NonParallelizable]
public sealed class MannTests
{
    static readonly MannSizes[] Sizes = [new(5, 7, 3, 1), new(9, 20, 6, 3, Decay: .9), new(6, 16, 4, 2, KeyStrength: 1, WritesKey: true), new(4, 3, 5, 3)];

    static Mann Make(MannSizes sizes) => new(4, 3, sizes, new Philox(1));

    /// <summary>Numbers of single precision, as a tensor of any type.</summary>
    static Tensor Draw(int[] shape, ulong seed, DType type) => KernelTesting.Random(shape, seed).To(type).Keep();

    static Tensor[] State(MannSizes s, int batch, DType type) =>
    [
        .. new[] { [batch, s.Slots, s.Width], [batch, s.Slots], [batch, s.Heads, s.Slots], [batch, s.Reads], [batch, s.Hidden], new[] { batch, s.Hidden } }
            .Select((shape, i) => i == 1 ? Draw(shape, 7, type) : Draw(shape, (ulong)i + 2, type).RequireGradient()),
    ];

    /// <summary>Sharp keys amplify rounding: beside the tolerance, the two may differ by twice what single precision costs the composed network, against itself in float64.</summary>
    [Test, Combinatorial]
    public void The_fused_network_equals_the_composed_one_in_value_and_every_gradient(
        [ValueSource(nameof(Sizes))] MannSizes sizes, [Values(1, 3, 6)] int batch, [Values] bool given, [Values(DType.Float64, DType.Float32)] DType type)
    {
        double tolerance = type == DType.Float64 ? 1e-11 : 2e-5;
        (string Name, double[] Values)[] fused = Evaluate(sizes, batch, given, type, composed: false), composed = Evaluate(sizes, batch, given, type, composed: true);
        (string Name, double[] Values)[] exact = Evaluate(sizes, batch, given, DType.Float64, composed: true);
        Assert.That(fused.Select(result => result.Name), Is.EqualTo(exact.Select(result => result.Name)));
        for (int i = 0; i < exact.Length; i++)
        {
            double rounding = composed[i].Values.Zip(exact[i].Values).Max(pair => Math.Abs(pair.First - pair.Second));
            Assert.That(fused[i].Values, Is.EqualTo(composed[i].Values).Within(tolerance * (1 + exact[i].Values.Max(Math.Abs)) + 2 * rounding), exact[i].Name);
        }
    }

    static (string Name, double[] Values)[] Evaluate(MannSizes sizes, int batch, bool given, DType type, bool composed)
    {
        Mann network = (Mann)Make(sizes).To(type);
        Tensor input = Draw([5, batch, 4], 1, type).RequireGradient();
        Tensor[] state = State(sizes, batch, type);
        (string Name, Tensor Tensor)[] leaves = [.. network.NamedParameters(), ("input", input), .. given ? state.Where((_, i) => i != 1).Select((t, i) => ($"state {i}", t)) : []];
        using (Tape.Step())
        {
            MannState? start = given ? new(state[0], state[1], state[2].Softmax(), state[3], state[4], state[5]) : null;
            MannRun y = composed ? network.ForwardComposed(input, start) : network.Run(input, start);
            Tensor[] results = [y.Output, y.State.Memory, y.State.ReadWeights, y.State.Reads, y.State.Hidden, y.State.Cell];
            Tape.Backward(results, [.. results.Select((r, i) => Draw([.. r.Shape.Sizes], (ulong)i + 20, type))]);
            Tensor[] values = [.. results, y.State.Usage, y.ReadWeights, y.WriteWeights];
            return
            [
                .. values.Select((r, i) => ($"result {i}", r.ToArray<double>())),
                .. leaves.Select(leaf => ($"the gradient of {leaf.Name}", leaf.Tensor.HasGradient ? leaf.Tensor.Gradient.ToArray<double>() : new double[leaf.Tensor.Count])),
            ];
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void Passes_the_gradient_check_and_every_parameter_takes_part(MannSizes sizes)
    {
        Mann network = Make(sizes);
        Tensor input = KernelTesting.Random([4, 2, 4], 1);
        GradientCheck.Module(network, x => network.Forward(x[0]), input).ThrowIfFailed();
        network.To(DType.Float32);
        using (Tape.Step())
        {
            network.Forward(input).Backward(KernelTesting.Random([4, 2, 3], 2));
            foreach ((string name, Tensor parameter) in network.NamedParameters())
            {
                float[] gradient = parameter.Gradient.ToArray();
                Assert.That(gradient, Is.All.Matches<float>(float.IsFinite), name);
                Assert.That(gradient.Any(g => g != 0), name);
            }
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void Weightings_sum_to_one_but_for_the_first_write(MannSizes sizes)
    {
        using (Tape.Step())
        {
            MannRun run = Make(sizes).Run(KernelTesting.Random([9, 3, 4], 1) * 100);
            Assert.That(run.ReadWeights.Sum(-1).ToArray(), Is.All.EqualTo(1).Within(1e-5));
            Assert.That(run.WriteWeights.Slice(0, 1, 9).Sum(-1).ToArray(), Is.All.EqualTo(1).Within(1e-5));
            Assert.That(run.WriteWeights.Select(0, 0).Sum(-1).ToArray(), Is.All.InRange(0, 1), "nothing has been read before it");
        }
    }

    [Test]
    public void Heads_write_to_slots_used_least_and_empty_them()
    {
        MannSizes sizes = new(5, 6, 3, 2);
        Mann network = Make(sizes);
        Tensor usage = Tensor.From([.5f, .1f, .9f, .3f, .2f, .8f], [1, 6]), memory = Tensor.Ones([1, 6, 3]);
        using (Tape.Step())
        {
            MannState start = network.Start(1) with { Usage = usage, Memory = memory };
            MannRun run = network.Run(KernelTesting.Random([1, 1, 4], 1), start);
            float[] written = run.WriteWeights.ToArray();
            Assert.That(written.Index().Where(w => w.Item != 0).Select(w => (w.Index / 6, w.Index % 6)), Is.EqualTo(new[] { (0, 1), (1, 4) }), "no read yet: all goes to the least used, one slot a head");
            float[] m = run.State.Memory.ToArray(), used = run.State.Usage.ToArray();
            for (int i = 0; i < 6; i++)
                if (i is 1 or 4) Assert.That(m[(3 * i)..(3 * i + 3)], Is.All.InRange(-1, 1).And.Not.EqualTo(1), "what was there is gone");
                else Assert.That(m[(3 * i)..(3 * i + 3)], Is.All.EqualTo(1));
            float[] reads = run.ReadWeights.ToArray();
            for (int i = 0; i < 6; i++)
                Assert.That(used[i], Is.EqualTo(.99f * usage.ToArray()[i] + reads[i] + reads[6 + i] + written[i] + written[6 + i]).Within(1e-5), "equation (5)");
        }
    }

    [Test]
    public void A_strong_key_reads_one_slot_alone_and_a_weak_one_all()
    {
        foreach ((double strength, double least, double most) in new[] { (1e4, .999, 1.0), (1e-4, 0, .2) })
        {
            MannSizes sizes = new(8, 8, 4, 1, KeyStrength: strength);
            Mann network = Make(sizes);
            using (Tape.Step())
            {
                MannState start = network.Start(1) with { Memory = KernelTesting.Random([1, 8, 4], 3) };
                float highest = network.Run(KernelTesting.Random([1, 1, 4], 1), start).ReadWeights.ToArray().Max();
                Assert.That(highest, Is.InRange(least, most));
            }
        }
    }

    [Test]
    public void State_carried_on_is_one_long_run_and_none_carried_a_new_one()
    {
        Mann network = Make(Sizes[1]);
        Tensor input = KernelTesting.Random([9, 3, 4], 1);
        using (Tape.Step())
        {
            MannRun whole = network.Run(input), first = network.Run(input.Slice(0, 0, 4)), second = network.Run(input.Slice(0, 4, 9), first.State);
            Assert.That(Tensor.Concat(0, first.Output, second.Output).ToArray(), Is.EqualTo(whole.Output.ToArray()).Within(1e-6));
            Assert.That(second.State.Memory.ToArray(), Is.EqualTo(whole.State.Memory.ToArray()).Within(1e-6));
            Assert.That(network.Run(input).Output.ToArray(), Is.EqualTo(whole.Output.ToArray()));
            using (Tape.NoGradient()) Assert.That(network.Run(input).Output.ToArray(), Is.EqualTo(whole.Output.ToArray()), "without history too");
        }
    }

    [Test]
    public void A_sequence_of_no_steps_leaves_the_state_as_it_is()
    {
        Mann network = Make(Sizes[0]);
        using (Tape.Step())
        {
            Tensor[] state = State(Sizes[0], 2, DType.Float32);
            foreach (MannRun run in (MannRun[])[network.Run(Tensor.Zeros([0, 2, 4]), Given()), network.ForwardComposed(Tensor.Zeros([0, 2, 4]), Given())])
            {
                Assert.That((run.Output.Shape, run.ReadWeights.Shape), Is.EqualTo((new Shape([0, 2, 3]), new Shape([0, 2, 1, 7]))));
                Tensor[] last = [run.State.Memory, run.State.Usage, run.State.ReadWeights, run.State.Reads, run.State.Hidden, run.State.Cell];
                for (int i = 0; i < 6; i++) Assert.That(last[i].ToArray(), Is.EqualTo(state[i].ToArray()));
            }
            MannState Given() => new(state[0], state[1], state[2], state[3], state[4], state[5]);
        }
    }

    [TestCase(0, new[] { 2, 3, 21 }, "MannScan: x is [2, 3, 21]; [time, batch, 20] was expected.")]
    [TestCase(1, new[] { 20, 7 }, "MannScan: the state weight is [20, 7]; [20, 8] was expected.")]
    [TestCase(2, new[] { 7, 4 }, "MannScan: the head weight is [7, 4]; [7, 5] was expected.")]
    [TestCase(3, new[] { 8 }, "MannScan: the head bias is [8]; [7] was expected.")]
    [TestCase(4, new[] { 3, 7, 4 }, "MannScan: the memory is [3, 7, 4]; [3, 7, 3] was expected.")]
    [TestCase(5, new[] { 3, 6 }, "MannScan: the usage is [3, 6]; [3, 7] was expected.")]
    [TestCase(6, new[] { 3, 2, 7 }, "MannScan: the read weights is [3, 2, 7]; [3, 1, 7] was expected.")]
    [TestCase(7, new[] { 3, 4 }, "MannScan: the vectors read is [3, 4]; [3, 3] was expected.")]
    [TestCase(8, new[] { 2, 5 }, "MannScan: the hidden state is [2, 5]; [3, 5] was expected.")]
    [TestCase(9, new[] { 3, 6 }, "MannScan: the cell is [3, 6]; [3, 5] was expected.")]
    public void The_scan_and_its_composition_refuse_shapes_that_do_not_follow_from_the_sizes(int which, int[] wrong, string message)
    {
        int[][] shapes = [[2, 3, 20], [20, 8], [7, 5], [7], [3, 7, 3], [3, 7], [3, 1, 7], [3, 3], [3, 5], [3, 5]];
        shapes[which] = wrong;
        Tensor[] x = [.. shapes.Select(shape => Tensor.Zeros(new(shape)))];
        MannState state = new(x[4], x[5], x[6], x[7], x[8], x[9]);
        Assert.That(() => MannScan.Apply(x[0], new(x[1], x[2], x[3]), state, Sizes[0], out _, out _), Throws.TypeOf<ShapeException>().With.Message.EqualTo(message));
        Assert.That(() => MannComposed.Apply(x[0], new(x[1], x[2], x[3]), state, Sizes[0], out _, out _), Throws.TypeOf<ShapeException>().With.Message.EqualTo(message));
    }

    [Test]
    public void Refuses_sizes_and_inputs_that_do_not_fit()
    {
        foreach (MannSizes sizes in (MannSizes[])[new(0, 4, 3, 1), new(4, 4, 0, 1), new(4, 4, 3, 0), new(4, 2, 3, 3), new(4, 4, 3, 1, Decay: 1.1), new(4, 4, 3, 1, KeyStrength: 0)])
            Assert.That(() => Make(sizes), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => Make(Sizes[0]).Forward(Tensor.Zeros([5, 2, 3])),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("Mann: the input is [5, 2, 3]; [time, batch, 4] was expected."));
    }
}
