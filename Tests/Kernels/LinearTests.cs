namespace NeuralMemory.Tests.Kernels;

[TestFixture]
public sealed class LinearTests
{
    static readonly object[] Shapes =
    [
        new object[] { new[] { 7 }, 3 },
        new object[] { new[] { 1, 100 }, 400 },
        new object[] { new[] { 32, 100 }, 65 },
        new object[] { new[] { 4, 5, 7 }, 3 },
        new object[] { new[] { 2, 3, 5, 31 }, 33 },
        new object[] { new[] { 129, 5 }, 1 },
        new object[] { new[] { 5, 1 }, 63 },
        new object[] { new[] { 0, 5 }, 3 },
        new object[] { new[] { 5, 0 }, 3 },
        new object[] { new[] { 5, 3 }, 0 },
    ];

    [TestCaseSource(nameof(Shapes))]
    public void Value(int[] shape, int outputs)
    {
        foreach (DType type in new[] { DType.Float32, DType.Float64 })
            foreach (int layout in new[] { 0, 1, 2 })
                foreach (bool biased in new[] { true, false })
                    CheckValue(KernelTesting.Random(shape, 1, type, layout), KernelTesting.Random([outputs, shape[^1]], 2, type, layout),
                        biased ? KernelTesting.Random([outputs], 3, type, layout) : null);
    }

    static void CheckValue(Tensor x, Tensor weight, Tensor? bias)
    {
        int outputs = weight.Shape[0], inputs = weight.Shape[1], rows = x.Shape.With(x.Rank - 1, 1).Count;
        double[] xs = x.ToArray<double>(), ws = weight.ToArray<double>(), bs = bias?.ToArray<double>() ?? new double[outputs];
        double[] expected = new double[rows * outputs], magnitude = new double[expected.Length];
        for (int i = 0; i < expected.Length; i++)
        {
            (expected[i], magnitude[i]) = (bs[i % outputs], Math.Abs(bs[i % outputs]));
            for (int p = 0; p < inputs; p++)
            {
                double product = xs[i / outputs * inputs + p] * ws[i % outputs * inputs + p];
                expected[i] += product;
                magnitude[i] += Math.Abs(product);
            }
        }
        using (Tape.Step())
        using (KernelTesting.Poisoned())
        {
            Tensor y = x.Linear(weight, bias);
            Assert.That(y.Shape, Is.EqualTo(x.Shape.With(x.Rank - 1, outputs)));
            KernelTesting.AssertClose(y, expected, magnitude);
        }
    }

    /// <summary>The rows of one x, repeated: with one output, the repetitions are not columns that have biases of their own.</summary>
    [TestCase(1)]
    [TestCase(3)]
    public void ValueOfAnExpandedX(int outputs)
    {
        foreach (DType type in new[] { DType.Float32, DType.Float64 })
            CheckValue(KernelTesting.Random([1, 129, 3], 1, type, 0).Expand([4, 129, 3]), KernelTesting.Random([outputs, 3], 2, type, 0), KernelTesting.Random([outputs], 3, type, 0));
    }

    [TestCaseSource(nameof(Shapes))]
    public void Gradient(int[] shape, int outputs)
    {
        foreach (int layout in new[] { 0, 1, 2 })
        {
            Tensor x = KernelTesting.Base(shape, 1, layout), w = KernelTesting.Base([outputs, shape[^1]], 2, layout), b = KernelTesting.Base([outputs], 3, layout);
            GradientCheck.Function(v => KernelTesting.Views(v[0], layout).Linear(KernelTesting.Views(v[1], layout), KernelTesting.Views(v[2], layout)), x, w, b).ThrowIfFailed();
            GradientCheck.Function(v => KernelTesting.Views(v[0], layout).Linear(KernelTesting.Views(v[1], layout)), x, w).ThrowIfFailed();
        }
    }

    /// <summary>Many equal terms that float32 rounds: one running sum would be off by more than 1.</summary>
    [Test]
    public void BiasGradientOfManyRowsIsExactToAFewBits()
    {
        const int Rows = 100_003;
        Tensor x = Tensor.Zeros([Rows, 1]), weight = Tensor.Zeros([1, 1]), bias = Tensor.Zeros([1]).RequireGradient();
        using (Tape.Step())
        {
            Tensor y = x.Linear(weight, bias);
            y.Backward(Tensor.Full(y.Shape, 0.1));
        }
        Assert.That(bias.Gradient.Item(), Is.EqualTo(Rows * (double)0.1f).Within(0.02));
    }

    [TestCase(new[] { 300, 100 }, 400)]
    [TestCase(new[] { 20, 7, 65 }, 129)]
    [TestCase(new[] { 1, 1000 }, 1000)]
    public void SameBitsOnAnyNumberOfThreads(int[] shape, int outputs) => KernelTesting.AssertSameBits(
        v => v[0].Linear(v[1], v[2]), KernelTesting.Random(shape, 1), KernelTesting.Random([outputs, shape[^1]], 2), KernelTesting.Random([outputs], 3));

    [TestCase(new[] { 300, 100 }, 400)]
    [TestCase(new[] { 20, 7, 65 }, 129)]
    [TestCase(new[] { 1, 100 }, 400)]
    public void AllocatesNothing(int[] shape, int outputs) => KernelTesting.AssertAllocatesNothing(
        v => v[0].Linear(v[1], v[2]), KernelTesting.Random(shape, 1), KernelTesting.Random([outputs, shape[^1]], 2), KernelTesting.Random([outputs], 3));

    [TestCase(new[] { 4, 5 }, new[] { 3, 6 }, new[] { 3 }, "Linear: x [4, 5] by weight [3, 6]: x was expected to be [..., 6].")]
    [TestCase(new int[0], new[] { 3, 6 }, new[] { 3 }, "Linear: x [] by weight [3, 6]: x was expected to be [..., 6].")]
    [TestCase(new[] { 4, 6 }, new[] { 6 }, new[] { 3 }, "Linear: x [4, 6] by weight [6]: the weight was expected to be [out, in].")]
    [TestCase(new[] { 4, 6 }, new[] { 3, 6 }, new[] { 4 }, "Linear: x [4, 6] by weight [3, 6]: bias [4] was expected to be [3].")]
    public void Refuses(int[] x, int[] weight, int[] bias, string message)
    {
        ShapeException e = Assert.Throws<ShapeException>(() => Tensor.Zeros(new(x)).Linear(Tensor.Zeros(new(weight)), Tensor.Zeros(new(bias))))!;
        Assert.That(e.Message, Is.EqualTo(message));
    }
}
