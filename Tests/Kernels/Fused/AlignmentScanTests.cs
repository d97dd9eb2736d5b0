namespace NeuralMemory.Tests.Kernels;

[NonParallelizable]
public sealed class AlignmentScanTests
{
    /// <summary>x, H, Keys, State, and the five weights.</summary>
    static int[][] Shapes(int time, int batch, int source, int hidden, int annotation, int alignment) =>
    [
        [batch, time, 3 * hidden], [batch, source, annotation], [batch, source, alignment], [batch, hidden],
        [alignment, hidden], [1, alignment], [3 * hidden, annotation], [3 * hidden, hidden], [3 * hidden],
    ];

    static (Tensor States, Tensor Contexts, Tensor Weights, Tensor Last) Apply(Tensor[] x, Tensor seen, bool composed)
    {
        Annotations annotations = new(x[1], x[2], seen, x[3]);
        AlignmentWeights weights = new(x[4], x[5], x[6], x[7], x[8]);
        return composed ? AlignmentComposed.Apply(x[0], annotations, weights) : AlignmentScan.Apply(x[0], annotations, weights);
    }

    /// <summary>1 where a position is seen. With gaps, every third is not, and the last sequence sees nothing at all.</summary>
    static Tensor Seen(int batch, int source, bool gaps)
    {
        int[] seen = new int[batch * source];
        for (int i = 0; i < seen.Length; i++) seen[i] = !gaps || ((i + i / source) % 3 > 0 && i / source < Math.Max(1, batch - 1)) ? 1 : 0;
        return Tensor.From(seen, [batch, source]);
    }

    [Test, Combinatorial]
    public void The_fused_decoder_equals_the_composed_one_in_value_and_every_gradient(
        [Values(1, 2, 6, 9)] int batch, [Values(new[] { 1, 1, 1, 1, 1 }, new[] { 5, 7, 6, 10, 3 }, new[] { 4, 19, 17, 33, 16 }, new[] { 3, 16, 32, 64, 35 })] int[] sizes, [Values] bool gaps,
        [Values(DType.Float64, DType.Float32)] DType type)
    {
        double tolerance = type == DType.Float64 ? 1e-12 : 5e-6;
        double[][] fused = Evaluate(batch, sizes, gaps, type, composed: false), composed = Evaluate(batch, sizes, gaps, type, composed: true);
        if (sizes[1] > 1) Assert.That(composed.All(values => values.Any(value => value != 0)), "of one position alone the weight is 1, whatever the query");
        for (int i = 0; i < composed.Length; i++)
            Assert.That(fused[i], Is.EqualTo(composed[i]).Within(tolerance * (1 + composed[i].Max(Math.Abs))), i < 4 ? $"result {i}" : $"the gradient of input {i - 4}");
    }

    /// <summary>The four results, and the gradients of all nine inputs.</summary>
    static double[][] Evaluate(int batch, int[] sizes, bool gaps, DType type, bool composed)
    {
        Tensor[] x = [.. Shapes(sizes[0], batch, sizes[1], sizes[2], sizes[3], sizes[4]).Select((shape, i) => KernelTesting.Random(shape, (ulong)i + 1).To(type).Keep().RequireGradient())];
        using (Tape.Step())
        {
            var y = Apply(x, Seen(batch, sizes[1], gaps), composed);
            Tensor[] results = [y.States, y.Contexts, y.Weights, y.Last];
            Tape.Backward(results, [.. results.Select((r, i) => KernelTesting.Random([.. r.Shape.Sizes], (ulong)i + 20).To(type))]);
            return [.. results.Select(r => r.ToArray<double>()), .. x.Select(leaf => leaf.Gradient.ToArray<double>())];
        }
    }

    [Test]
    public void Without_a_gradient_the_same_bits_come_out_of_less_memory()
    {
        Tensor[] x = [.. Shapes(5, 6, 7, 6, 10, 3).Select((shape, i) => KernelTesting.Random(shape, (ulong)i + 1).RequireGradient())];
        using (Tape.Step())
        {
            var y = Apply(x, Seen(6, 7, gaps: true), composed: false);
            using (Tape.NoGradient())
            {
                var again = Apply(x, Seen(6, 7, gaps: true), composed: false);
                Assert.That(again.States.RequiresGradient, Is.False);
                Assert.That(again.Contexts.ToArray(), Is.EqualTo(y.Contexts.ToArray()));
                Assert.That(again.Weights.ToArray(), Is.EqualTo(y.Weights.ToArray()));
                Assert.That(again.Last.ToArray(), Is.EqualTo(y.Last.ToArray()));
            }
        }
    }

    [Test]
    public void What_is_not_seen_changes_nothing()
    {
        Tensor[] x = [.. Shapes(3, 2, 6, 5, 8, 4).Select((shape, i) => KernelTesting.Random(shape, (ulong)i + 1))];
        Tensor seen = Tensor.From([1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0], [2, 6]);
        using (Tape.Step())
        {
            var y = Apply(x, seen, composed: false);
            Tensor hidden = Tensor.Where(seen, Tensor.Zeros([2, 6]), Tensor.Full([2, 6], 100)).Unsqueeze(-1);
            x[1] += hidden;
            x[2] += hidden;
            var other = Apply(x, seen, composed: false);
            Assert.That(other.Last.ToArray(), Is.EqualTo(y.Last.ToArray()));
            Assert.That(other.Contexts.ToArray(), Is.EqualTo(y.Contexts.ToArray()));
            Assert.That(y.Weights.Sum(-1).ToArray(), Is.All.EqualTo(1f).Within(1e-6));
            Assert.That((y.Weights * Tensor.Where(seen, Tensor.Zeros([2, 6]), Tensor.Ones([2, 6])).Unsqueeze(1)).ToArray(), Is.All.Zero);
        }
    }

    [Test]
    public void A_sequence_of_no_steps_leaves_the_state_as_it_is([Values] bool composed)
    {
        Tensor[] x = [.. Shapes(0, 2, 6, 5, 8, 4).Select((shape, i) => KernelTesting.Random(shape, (ulong)i + 1))];
        using (Tape.Step())
        {
            var y = Apply(x, Seen(2, 6, gaps: false), composed);
            Assert.That((y.States.Shape, y.Contexts.Shape, y.Weights.Shape), Is.EqualTo((new Shape([2, 0, 5]), new Shape([2, 0, 8]), new Shape([2, 0, 6]))));
            Assert.That(y.Last.ToArray(), Is.EqualTo(x[3].ToArray()));
        }
    }

    [TestCase(0, new[] { 2, 3, 14 }, "AlignmentScan: x is [2, 3, 14]; [batch, time, 15] was expected, as the recurrent weight is [15, 5].")]
    [TestCase(1, new[] { 3, 6, 8 }, "AlignmentScan: H is [3, 6, 8]; [2, source, annotation] was expected, as x is [2, 3, 15].")]
    [TestCase(2, new[] { 2, 5, 4 }, "AlignmentScan: Keys is [2, 5, 4]; [2, 6, 4] was expected.")]
    [TestCase(3, new[] { 2, 4 }, "AlignmentScan: State is [2, 4]; [2, 5] was expected.")]
    [TestCase(4, new[] { 4, 6 }, "AlignmentScan: the query weight is [4, 6]; [alignment, 5] was expected, as the recurrent weight is [15, 5].")]
    [TestCase(5, new[] { 4 }, "AlignmentScan: the energy weight is [4]; [1, 4] was expected.")]
    [TestCase(6, new[] { 15, 7 }, "AlignmentScan: the context weight is [15, 7]; [15, 8] was expected.")]
    [TestCase(7, new[] { 14, 5 }, "AlignmentScan: the recurrent weight is [14, 5]; [3 * hidden, hidden] was expected.")]
    [TestCase(8, new[] { 5 }, "AlignmentScan: the recurrent bias is [5]; [15] was expected.")]
    [TestCase(9, new[] { 2, 5 }, "AlignmentScan: Seen is [2, 5]; [2, 6] was expected.")]
    public void Shapes_that_do_not_fit_are_refused(int which, int[] wrong, string message)
    {
        int[][] shapes = [.. Shapes(3, 2, 6, 5, 8, 4), [2, 6]];
        shapes[which] = wrong;
        Tensor[] x = [.. shapes.Select((shape, i) => Tensor.Zeros(new(shape), i == 9 ? DType.Int32 : DType.Float32))];
        foreach (bool composed in (bool[])[false, true])
            Assert.That(() => Apply(x, x[9], composed), Throws.TypeOf<ShapeException>().With.Message.EqualTo(message));
    }

    [Test]
    public void Types_that_do_not_fit_are_refused()
    {
        Tensor[] x = [.. Shapes(3, 2, 6, 5, 8, 4).Select(shape => Tensor.Zeros(new(shape)))];
        Assert.That(() => Apply(x, Tensor.Ones([2, 6]), composed: false), Throws.TypeOf<ShapeException>().With.Message.EqualTo("AlignmentScan: Seen [2, 6] holds Float32; Int32 was expected."));
        for (int i = 1; i < x.Length; i++)
        {
            Tensor[] mixed = [.. x];
            mixed[i] = x[i].To(DType.Float64);
            Assert.That(() => Apply(mixed, Tensor.Zeros([2, 6], DType.Int32), composed: false), Throws.TypeOf<ShapeException>().With.Message.Contains("must have the same type"), $"input {i}");
        }
    }
}
