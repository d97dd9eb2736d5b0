namespace NeuralMemory.Tests.Kernels;

public sealed class RecurrentScanTests
{
    [TestCase(new[] { 5, 2, 9 }, new[] { 9, 3 }, new[] { 9 }, new[] { 2, 4 }, "GruScan: the hidden state is [2, 4]; [2, 3] was expected.")]
    [TestCase(new[] { 5, 2, 9 }, new[] { 9, 3 }, new[] { 3 }, new[] { 2, 3 }, "GruScan: the recurrent bias is [3]; [9] was expected.")]
    [TestCase(new[] { 5, 2, 9 }, new[] { 12, 3 }, new[] { 9 }, new[] { 2, 3 }, "GruScan: the recurrent weight is [12, 3]; [3 * hidden, hidden] was expected.")]
    [TestCase(new[] { 5, 2, 3 }, new[] { 9, 3 }, new[] { 9 }, new[] { 2, 3 }, "GruScan: x is [5, 2, 3]; [time, batch, 9] was expected, as the recurrent weight is [9, 3].")]
    public void GruScan_refuses(int[] x, int[] recurrent, int[] bias, int[] hidden, string message)
    {
        ShapeException e = Assert.Throws<ShapeException>(() => GruScan.Apply(Tensor.Zeros(new(x)), Tensor.Zeros(new(recurrent)), Tensor.Zeros(new(bias)), Tensor.Zeros(new(hidden))))!;
        Assert.That(e.Message, Is.EqualTo(message));
    }

    [TestCase(new[] { 5, 2, 3 }, new[] { 3, 4 }, new[] { 2, 3 }, "RnnScan: the recurrent weight is [3, 4]; [hidden, hidden] was expected.")]
    [TestCase(new[] { 5, 3 }, new[] { 3, 3 }, new[] { 2, 3 }, "RnnScan: x is [5, 3]; [time, batch, 3] was expected, as the recurrent weight is [3, 3].")]
    [TestCase(new[] { 5, 2, 3 }, new[] { 3, 3 }, new[] { 1, 3 }, "RnnScan: the hidden state is [1, 3]; [2, 3] was expected.")]
    public void RnnScan_refuses(int[] x, int[] recurrent, int[] hidden, string message)
    {
        ShapeException e = Assert.Throws<ShapeException>(() => RnnScan.Apply(Tensor.Zeros(new(x)), Tensor.Zeros(new(recurrent)), Tensor.Zeros(new(hidden))))!;
        Assert.That(e.Message, Is.EqualTo(message));
    }

    [Test]
    public void Refuses_types_that_differ() =>
        Assert.That(() => RnnScan.Apply(Tensor.Zeros([5, 2, 3]), Tensor.Zeros([3, 3], DType.Float64), Tensor.Zeros([2, 3])), Throws.TypeOf<ShapeException>().With.Message.Contains("same type"));

    /// <summary>Step by step from the equations, in float64.</summary>
    [Test]
    public void GruScan_equals_its_equations()
    {
        Tensor x = KernelTesting.Random([6, 3, 21], 1, DType.Float64), w = KernelTesting.Random([21, 7], 2, DType.Float64);
        Tensor b = KernelTesting.Random([21], 3, DType.Float64), h = KernelTesting.Random([3, 7], 4, DType.Float64);
        using (Tape.Step())
        {
            (Tensor y, Tensor last) = GruScan.Apply(x, w, b, h);
            for (int t = 0; t < 6; t++)
            {
                Tensor z = h.Linear(w, b), p = x.Select(0, t);
                Tensor r = (p.Slice(-1, 0, 7) + z.Slice(-1, 0, 7)).Sigmoid(), u = (p.Slice(-1, 7, 14) + z.Slice(-1, 7, 14)).Sigmoid();
                Tensor n = (p.Slice(-1, 14, 21) + r * z.Slice(-1, 14, 21)).Tanh();
                h = (1 - u) * n + u * h;
                Assert.That(y.Select(0, t).ToArray<double>(), Is.EqualTo(h.ToArray<double>()).Within(1e-12), $"step {t}");
            }
            Assert.That(last.ToArray<double>(), Is.EqualTo(h.ToArray<double>()).Within(1e-12));
        }
    }

    /// <summary>A cell that a GRU does not have is nobody's result.</summary>
    [Test]
    public void No_NaN_is_detected_where_there_is_none()
    {
        Tensor x = KernelTesting.Random([5, 2, 9], 1).RequireGradient(), w = KernelTesting.Random([9, 3], 2), b = KernelTesting.Random([9], 3), h = KernelTesting.Random([2, 3], 4);
        using (KernelTesting.Poisoned())
        using (Tape.Step())
        using (Tape.DetectNonFinite())
        {
            GruScan.Apply(x, w, b, h).Output.Sum().Backward();
            RnnScan.Apply(x.Slice(2, 0, 3), w.Slice(0, 0, 3), h).Output.Sum().Backward();
        }
        Assert.That(x.Gradient.ToArray(), Is.All.Not.NaN);
    }

    /// <summary>Inputs that are views of one another: what flows to one must not change what flows to the other.</summary>
    [Test]
    public void Inputs_may_share_memory()
    {
        Tensor leaf = KernelTesting.Random([5, 16, 16], 1, DType.Float64).RequireGradient();
        double[] Gradient(bool shared)
        {
            leaf.ZeroGradient();
            using (Tape.Step())
            {
                Tensor x = leaf * 1, other = shared ? x : leaf * 1;
                (Tensor y, Tensor last) = RnnScan.Apply(x, other.Select(0, 1), other.Select(0, 2));
                (y.Square().Sum() + last.Sum()).Backward();
            }
            return leaf.Gradient.ToArray<double>();
        }
        Assert.That(Gradient(shared: true), Is.EqualTo(Gradient(shared: false)).Within(1e-12));
    }
}
