namespace NeuralMemory.Tests.Kernels;

[TestFixture]
public sealed class MatMulTests
{
    static readonly object[] Shapes =
    [
        new object[] { new[] { 5, 7 }, new[] { 7, 3 } },
        new object[] { new[] { 65, 129 }, new[] { 129, 100 } },
        new object[] { new[] { 7 }, new[] { 7 } },
        new object[] { new[] { 7 }, new[] { 7, 3 } },
        new object[] { new[] { 5, 7 }, new[] { 7 } },
        new object[] { new[] { 7 }, new[] { 4, 7, 3 } },
        new object[] { new[] { 4, 5, 7 }, new[] { 7 } },
        new object[] { new[] { 4, 5, 7 }, new[] { 4, 7, 3 } },
        new object[] { new[] { 4, 5, 7 }, new[] { 7, 3 } },
        new object[] { new[] { 5, 7 }, new[] { 4, 7, 3 } },
        new object[] { new[] { 4, 5, 7 }, new[] { 1, 7, 3 } },
        new object[] { new[] { 2, 1, 5, 7 }, new[] { 3, 7, 2 } },
        new object[] { new[] { 2, 3, 5, 7 }, new[] { 2, 1, 7, 2 } },
        new object[] { new[] { 1, 3, 5, 7 }, new[] { 2, 1, 7, 2 } },
        new object[] { new[] { 4, 1, 7 }, new[] { 7, 3 } },
        new object[] { new[] { 4, 5, 1 }, new[] { 4, 1, 3 } },
        new object[] { new[] { 2, 3, 1, 1, 7 }, new[] { 3, 4, 7, 1 } },
        new object[] { new[] { 3, 64, 65 }, new[] { 3, 65, 63 } },
        new object[] { new[] { 5, 0 }, new[] { 0, 3 } },
        new object[] { new[] { 0, 5 }, new[] { 5, 3 } },
        new object[] { new[] { 5, 7 }, new[] { 7, 0 } },
        new object[] { new[] { 0, 5, 7 }, new[] { 7, 3 } },
        new object[] { new[] { 2, 5, 0 }, new[] { 2, 0, 3 } },
    ];

    [TestCaseSource(nameof(Shapes))]
    public void Value(int[] a, int[] b)
    {
        foreach (DType type in new[] { DType.Float32, DType.Float64 })
            foreach (int layout in new[] { 0, 1, 2, 3, 4, 5, 6, 7, 8 })
                CheckValue(KernelTesting.Random(a, 1, type, layout % 3), KernelTesting.Random(b, 2, type, layout / 3));
    }

    static void CheckValue(Tensor a, Tensor b)
    {
        using (Tape.Step())
        using (KernelTesting.Poisoned())
        {
            Tensor y = a.MatMul(b);
            (int[] shape, double[] expected, double[] magnitude) = Reference(a, b);
            Assert.That(y.Shape.Sizes.ToArray(), Is.EqualTo(shape));
            KernelTesting.AssertClose(y, expected, magnitude);
        }
    }

    [TestCaseSource(nameof(Shapes))]
    public void Gradient(int[] a, int[] b)
    {
        foreach (int layout in new[] { 0, 1, 2, 3, 4, 5, 6, 7, 8 })
            GradientCheck.Function(x => KernelTesting.Views(x[0], layout % 3).MatMul(KernelTesting.Views(x[1], layout / 3)),
                KernelTesting.Base(a, 1, layout % 3), KernelTesting.Base(b, 2, layout / 3)).ThrowIfFailed();
    }

    [Test]
    public void SharedInputGetsBothGradients() =>
        GradientCheck.Function(x => x[0].MatMul(x[0].T).MatMul(x[0]), KernelTesting.Random([3, 4], 1, DType.Float64)).ThrowIfFailed();

    [TestCaseSource(nameof(Shapes))]
    public void GradientsArePoisonProof(int[] aShape, int[] bShape)
    {
        Tensor a = KernelTesting.Random(aShape, 1, DType.Float32).RequireGradient(), b = KernelTesting.Random(bShape, 2, DType.Float32).RequireGradient();
        using (Tape.Step())
        using (KernelTesting.Poisoned())
        {
            Tensor y = a.MatMul(b);
            y.Backward(Tensor.Ones(y.Shape));
        }
        Assert.That(a.Gradient.ToArray(), Is.All.Matches<float>(float.IsFinite));
        Assert.That(b.Gradient.ToArray(), Is.All.Matches<float>(float.IsFinite));
    }

    [TestCase(new[] { 257, 300 }, new[] { 300, 129 })]
    [TestCase(new[] { 3, 200, 100 }, new[] { 3, 100, 150 })]
    [TestCase(new[] { 40, 33, 47 }, new[] { 40, 47, 31 })]
    [TestCase(new[] { 40, 33, 47 }, new[] { 47, 31 })]
    [TestCase(new[] { 1, 1000 }, new[] { 1000, 1000 })]
    [TestCase(new[] { 600, 600 }, new[] { 600 })]
    public void SameBitsOnAnyNumberOfThreads(int[] a, int[] b) => KernelTesting.AssertSameBits(
        x => x[0].MatMul(x[1]), KernelTesting.Random(a, 1), KernelTesting.Random(b, 2));

    [TestCase(new[] { 100, 100 }, new[] { 100, 100 })]
    [TestCase(new[] { 8, 60, 70 }, new[] { 8, 70, 80 })]
    [TestCase(new[] { 8, 60, 70 }, new[] { 70, 80 })]
    [TestCase(new[] { 300, 300 }, new[] { 300, 300 })]
    [TestCase(new[] { 7 }, new[] { 7, 9 })]
    public void AllocatesNothing(int[] a, int[] b)
    {
        KernelTesting.AssertAllocatesNothing(x => x[0].MatMul(x[1]), KernelTesting.Random(a, 1), KernelTesting.Random(b, 2));
        KernelTesting.AssertAllocatesNothing(x => x[0].MatMul(x[1].T), KernelTesting.Random(a, 1), KernelTesting.Random(b.Length == 1 ? [a[^1]] : [.. b[..^2], b[^1], b[^2]], 2));
    }

    [TestCase(new[] { 5, 7 }, new[] { 5, 7 }, "MatMul: a [5, 7] x b [5, 7]: a has 7 columns but b has 5 rows.")]
    [TestCase(new[] { 7 }, new[] { 5, 7 }, "MatMul: a [7] x b [5, 7]: a has 7 elements but b has 5 rows.")]
    [TestCase(new[] { 5, 7 }, new[] { 5 }, "MatMul: a [5, 7] x b [5]: a has 7 columns but b has 5 elements.")]
    [TestCase(new int[0], new[] { 5 }, "MatMul: a [] x b [5]: a single number has no rows and columns; multiply with *.")]
    [TestCase(new[] { 2, 5, 7 }, new[] { 3, 7, 5 }, "MatMul: a [2, 5, 7] x b [3, 7, 5]: dimension -3 is 2 in a and 3 in b, and neither is 1.")]
    public void Refuses(int[] a, int[] b, string message)
    {
        ShapeException e = Assert.Throws<ShapeException>(() => Tensor.Zeros(new(a)).MatMul(Tensor.Zeros(new(b))))!;
        Assert.That(e.Message, Is.EqualTo(message));
    }

    [Test]
    public void RefusesMixedTypes()
    {
        ShapeException e = Assert.Throws<ShapeException>(() => Tensor.Zeros([2, 3]).MatMul(Tensor.Zeros([3, 2], DType.Float64)))!;
        Assert.That(e.Message, Is.EqualTo("MatMul: a Float32 [2, 3] x b Float64 [3, 2]: one real type was expected."));
    }

    /// <summary>The definition, and for each element the sum of the products' magnitudes.</summary>
    static (int[] Shape, double[] Values, double[] Magnitudes) Reference(Tensor a, Tensor b)
    {
        bool row = a.Rank == 1, column = b.Rank == 1;
        if (row) a = a.Unsqueeze(0);
        if (column) b = b.Unsqueeze(1);
        int m = a.Shape[^2], k = a.Shape[^1], n = b.Shape[^1], rank = Math.Max(a.Rank, b.Rank) - 2;
        int[] batch = [.. Enumerable.Range(0, rank).Select(d => Size(a, d) == 1 ? Size(b, d) : Size(a, d))];
        double[] x = a.ToArray<double>(), z = b.ToArray<double>(), values = new double[batch.Aggregate(1, (p, s) => p * s) * m * n], magnitudes = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            int column0 = i % n, row0 = i / n % m, inA = Batch(a, i / n / m), inB = Batch(b, i / n / m);
            for (int p = 0; p < k; p++)
            {
                double product = x[(inA * m + row0) * k + p] * z[(inB * k + p) * n + column0];
                values[i] += product;
                magnitudes[i] += Math.Abs(product);
            }
        }
        int[] shape = [.. batch];
        if (!row) shape = [.. shape, m];
        if (!column) shape = [.. shape, n];
        return (shape, values, magnitudes);

        int Size(Tensor t, int d) => d < rank - (t.Rank - 2) ? 1 : t.Shape[d - rank + t.Rank - 2];

        int Batch(Tensor t, int index)
        {
            int offset = 0, stride = 1;
            for (int d = rank - 1; d >= 0; d--)
            {
                int i = index % batch[d];
                index /= batch[d];
                if (Size(t, d) > 1) offset += i * stride;
                stride *= Size(t, d);
            }
            return offset;
        }
    }
}
