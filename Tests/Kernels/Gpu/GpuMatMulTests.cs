namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>Every kernel for products of matrices on every kind of shape, whether or not it would be chosen for it.</summary>
[NonParallelizable]
public class GpuMatMulTests
{
    static readonly string[] Rungs = [.. Enum.GetNames<MatMulRung>().Where(rung => rung != nameof(MatMulRung.TensorCores))];

    /// <summary>How a and b lie: 0 contiguous, 1 transposed, 2 every other element of a larger tensor.</summary>
    static readonly (int A, int B)[] Layouts = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)];

    /// <summary>[products, m, k, n].</summary>
    static readonly int[][] Sizes =
    [
        [1, 1, 1, 1], [1, 7, 1, 7], [1, 7, 63, 1], [1, 1, 257, 7], [1, 63, 7, 100], [1, 129, 64, 132], [1, 130, 257, 129],
        [1, 4, 1000, 5], [3, 5, 7, 4], [2, 33, 40, 65], [3, 100, 8, 36], [2, 0, 5, 3], [2, 5, 0, 3], [1, 5, 3, 0],
    ];

    [Test]
    public void Value_and_gradients_agree_with_float64([ValueSource(nameof(Rungs))] string rung, [ValueSource(nameof(Sizes))] int[] size, [ValueSource(nameof(Layouts))] (int A, int B) layout) =>
        AssertAgrees(rung, x => KernelTesting.Views(x[0], layout.A).MatMul(KernelTesting.Views(x[1], layout.B)), Operands(size, layout));

    static Tensor[] Operands(int[] size, (int A, int B) layout) =>
        [KernelTesting.Base([size[0], size[1], size[2]], 1, layout.A, DType.Float32), KernelTesting.Base([size[0], size[2], size[3]], 2, layout.B, DType.Float32)];

    /// <summary>Shapes whose products or sums run over dimensions that do not become part of the matrices.</summary>
    static readonly (string Name, int[] A, int[] B)[] Broadcasts =
    [
        ("vectors", [63], [63]), ("vector and matrices", [63], [4, 63, 5]), ("matrices and vector", [4, 5, 63], [63]),
        ("one b", [4, 33, 20], [20, 40]), ("one a", [33, 20], [4, 20, 40]), ("both ways", [3, 1, 20, 36], [2, 36, 24]), ("inner", [3, 2, 20, 36], [3, 1, 36, 24]),
    ];

    [Test]
    public void Broadcast_products_agree_with_float64([ValueSource(nameof(Rungs))] string rung, [ValueSource(nameof(Broadcasts))] (string Name, int[] A, int[] B) shapes) =>
        AssertAgrees(rung, x => x[0].MatMul(x[1]), [KernelTesting.Random(shapes.A, 1), KernelTesting.Random(shapes.B, 2)]);

    [Test]
    public void Linear_agrees_with_float64([ValueSource(nameof(Rungs))] string rung, [Values(1, 37, 300)] int rows, [Values(64, 65)] int inputs, [Values(68, 3)] int outputs) =>
        AssertAgrees(rung, x => x[0].Linear(x[1], x[2]), [KernelTesting.Random([rows, inputs], 1), KernelTesting.Random([outputs, inputs], 2), KernelTesting.Random([outputs], 3)]);

    /// <summary>Two products add their gradients to the same views: by columns, and every other element of a larger tensor.</summary>
    [Test]
    public void Gradients_of_views_are_added_to([ValueSource(nameof(Rungs))] string rung, [Values(1, 2)] int layout) =>
        AssertAgrees(rung, x =>
        {
            Tensor a = KernelTesting.Views(x[0], layout), b = KernelTesting.Views(x[1], layout);
            return a.MatMul(b) + a.MatMul(b) * 0.5;
        }, [KernelTesting.Base([70, 50], 1, layout, DType.Float32), KernelTesting.Base([50, 66], 2, layout, DType.Float32)]);

    /// <summary>A batch of small products is one launch, and so is what is broadcast.</summary>
    [TestCase(new[] { 6, 20, 16 }, new[] { 6, 16, 20 })]
    [TestCase(new[] { 4, 3, 40, 64 }, new[] { 4, 3, 64, 40 })]
    [TestCase(new[] { 4, 3, 40, 64 }, new[] { 64, 40 })]
    [TestCase(new[] { 3, 1, 20, 36 }, new[] { 2, 36, 24 })]
    public void A_batch_is_one_launch(int[] a, int[] b)
    {
        GpuBackend gpu = GpuTesting.Device;
        Tensor x = KernelTesting.Random(a, 1), y = KernelTesting.Random(b, 2);
        using (Backend.Use(gpu))
        using (Tape.Step())
        {
            Tensor left = x.On(gpu), right = y.On(gpu);
            long before = gpu.Launches;
            left.MatMul(right);
            Assert.That(gpu.Launches - before, Is.EqualTo(1));
        }
    }

    /// <summary>A sum over many terms that makes few results is cut into parts: two launches.</summary>
    [TestCase(new[] { 40, 5000 }, new[] { 5000, 40 })]
    [TestCase(new[] { 1, 5000 }, new[] { 5000, 40 })]
    public void Long_sums_are_cut_into_parts(int[] a, int[] b)
    {
        GpuBackend gpu = GpuTesting.Device;
        Tensor x = KernelTesting.Random(a, 1), y = KernelTesting.Random(b, 2);
        using (Backend.Use(gpu))
        using (Tape.Step())
        {
            Tensor left = x.On(gpu), right = y.On(gpu);
            long before = gpu.Launches;
            left.MatMul(right);
            Assert.That(gpu.Launches - before, Is.EqualTo(2));
        }
        AssertAgrees(null, t => t[0].MatMul(t[1]), [x, y]);
    }

    static readonly int[][] TensorCoreSizes = [[1, 1, 1, 1], [1, 7, 63, 1], [1, 129, 20, 68], [1, 40, 65, 130], [3, 36, 20, 40], [2, 5, 0, 3]];

    /// <summary>
    /// The operands are rounded, each by itself and to the nearest, and nothing else is: with operands that a float64 product has been given rounded, the results agree as those of float32 do. Were they not
    /// rounded, a hundred terms would be off by about 10 times 2^-12.
    /// </summary>
    [Test]
    public void Tensor_cores_multiply_rounded_operands(
        [Values(MatMulPrecision.TensorFloat32, MatMulPrecision.BFloat16)] MatMulPrecision precision, [ValueSource(nameof(TensorCoreSizes))] int[] size, [ValueSource(nameof(Layouts))] (int A, int B) layout)
    {
        Tensor[] inputs = Operands(size, layout), rounded = [.. inputs.Select(x => Rounded(x, precision))];
        Tensor Product(Tensor[] x) => KernelTesting.Views(x[0], layout.A).MatMul(KernelTesting.Views(x[1], layout.B));
        float[] expected = Value(CpuBackend.Instance, rounded, DType.Float64);
        Run(nameof(MatMulRung.TensorCores), precision, gpu => OperationTests.AssertClose(Value(gpu, inputs, DType.Float32), expected, 1e-5, "value"));

        float[] Value(Backend backend, Tensor[] x, DType type)
        {
            using (Backend.Use(backend))
            using (Tape.Step())
            {
                Tensor[] there = [.. x.Select(tensor =>
                {
                    Tensor copy = Tensor.Empty(tensor.Shape, type);
                    copy.CopyFrom(tensor);
                    return copy;
                })];
                return Product(there).ToArray();
            }
        }
    }

    /// <summary>What is exact in bfloat16 stays exact: value, bias and gradients, which are added to what is there, agree as those of float32 do.</summary>
    [Test]
    public void Tensor_cores_are_exact_where_operands_are(
        [Values(MatMulPrecision.TensorFloat32, MatMulPrecision.BFloat16)] MatMulPrecision precision, [Values(37, 130)] int rows)
    {
        (int inputs, int outputs) = rows == 37 ? (64, 68) : (65, 35);
        Tensor[] leaves = [.. ((int[][])[[rows, inputs], [outputs, inputs], [outputs]]).Select((shape, i) => Rounded(KernelTesting.Random(shape, (ulong)i), MatMulPrecision.BFloat16))];
        Tensor seed = Rounded(KernelTesting.Random([rows, outputs], 9), MatMulPrecision.BFloat16);
        float[][] expected = Results(CpuBackend.Instance, DType.Float64);
        Run(nameof(MatMulRung.TensorCores), precision, gpu =>
        {
            float[][] actual = Results(gpu, DType.Float32);
            for (int i = 0; i < actual.Length; i++) OperationTests.AssertClose(actual[i], expected[i], 1e-5, i == 0 ? "value" : $"gradient of input {i - 1}");
        });

        float[][] Results(Backend backend, DType type)
        {
            using (Backend.Use(backend))
            {
                Tensor[] x = [.. leaves.Select(leaf =>
                {
                    Tensor copy = Tensor.Persistent(leaf.Shape, type);
                    copy.CopyFrom(leaf);
                    return copy.RequireGradient();
                })];
                float[]? y = null;
                for (int pass = 0; pass < 2; pass++)
                    using (Tape.Step())
                    {
                        Tensor output = x[0].Linear(x[1], x[2]), dy = Tensor.Empty(output.Shape, type);
                        dy.CopyFrom(seed);
                        output.Backward(dy);
                        y = output.ToArray();
                    }
                return [y!, .. x.Select(leaf => leaf.Gradient.ToArray())];
            }
        }
    }

    /// <summary>Each element to the nearest of 11 (ties away from zero) or 8 (ties to even) significant bits.</summary>
    static Tensor Rounded(Tensor x, MatMulPrecision precision)
    {
        (int bits, MidpointRounding ties) = precision == MatMulPrecision.BFloat16 ? (8, MidpointRounding.ToEven) : (11, MidpointRounding.AwayFromZero);
        return Tensor.From([.. x.ToArray().Select(value =>
        {
            double unit = Math.ScaleB(1, Math.ILogB(value) + 1 - bits);
            return value == 0 ? 0 : (float)(Math.Round(value / unit, ties) * unit);
        })], x.Shape);
    }

    static void Run(string? rung, MatMulPrecision precision, Action<GpuBackend> test)
    {
        GpuBackend gpu = GpuTesting.Device;
        try
        {
            (gpu.MatMulRung, gpu.MatMulPrecision, Arena.Poison) = (rung is null ? null : Enum.Parse<MatMulRung>(rung), precision, true);
            test(gpu);
        }
        finally
        {
            (gpu.MatMulRung, gpu.MatMulPrecision, Arena.Poison) = (null, MatMulPrecision.Float32, false);
        }
    }

    /// <summary>
    /// From poisoned memory, twice, the same bits. Terms are products of numbers below 1, of one sign as often as of the other: a thousand of them make sums about 10, and rounding errors, at 2^-24 of a sum each, make 1e-6.
    /// </summary>
    static void AssertAgrees(string? rung, Func<Tensor[], Tensor> function, Tensor[] inputs)
    {
        float[][] expected = GpuTesting.Run(CpuBackend.Instance, function, inputs, DType.Float64);
        Run(rung, MatMulPrecision.Float32, gpu =>
        {
            float[][] actual = GpuTesting.Run(gpu, function, inputs), again = GpuTesting.Run(gpu, function, inputs);
            Assert.That(actual, Has.Length.EqualTo(expected.Length), "value and gradients");
            for (int i = 0; i < expected.Length; i++)
            {
                string what = i == 0 ? "value" : $"gradient of input {i - 1}";
                OperationTests.AssertClose(actual[i], expected[i], 1e-5, what);
                Assert.That(actual[i].AsSpan().SequenceEqual(again[i]), $"{what}: the same bits again");
            }
        });
    }
}
