namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>Every kernel for products of matrices on every kind of shape, whether or not it would be chosen for it.</summary>
[NonParallelizable]
public class GpuMatMulTests
{
    static readonly string[] Rungs = Enum.GetNames<MatMulRung>();

    /// <summary>[products, m, k, n].</summary>
    static readonly int[][] Sizes =
    [
        [1, 1, 1, 1], [1, 7, 1, 7], [1, 7, 63, 1], [1, 1, 257, 7], [1, 63, 7, 100], [1, 100, 100, 63], [1, 129, 64, 130], [1, 130, 257, 129], [1, 64, 16, 64], [1, 128, 128, 128],
        [1, 4, 1000, 5], [3, 5, 7, 4], [2, 33, 40, 65], [5, 100, 8, 36], [2, 0, 5, 3], [2, 5, 0, 3], [1, 5, 3, 0],
    ];

    /// <summary>How the operands lie: contiguous, transposed, or every other element of a larger tensor.</summary>
    [Test]
    public void Value_and_gradients_agree_with_float64([ValueSource(nameof(Rungs))] string rung, [ValueSource(nameof(Sizes))] int[] size, [Values(0, 1, 2)] int layoutA, [Values(0, 1, 2)] int layoutB)
    {
        (int products, int m, int k, int n) = (size[0], size[1], size[2], size[3]);
        Tensor[] inputs = [KernelTesting.Base([products, m, k], 1, layoutA, DType.Float32), KernelTesting.Base([products, k, n], 2, layoutB, DType.Float32)];
        AssertAgrees(rung, x => KernelTesting.Views(x[0], layoutA).MatMul(KernelTesting.Views(x[1], layoutB)), inputs);
    }

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

    /// <summary>The bias of a result that lies by columns is added along them.</summary>
    [Test]
    public void Result_by_columns_and_by_any_strides_is_added_to([ValueSource(nameof(Rungs))] string rung, [Values(1, 2)] int layout)
    {
        int[] sizes = [70, 50, 66];
        AssertAgrees(rung, x =>
        {
            // y comes before the view of it: the gradients of x flow through a base of other strides.
            Tensor a = KernelTesting.Views(x[0], layout), b = KernelTesting.Views(x[1], layout);
            return a.MatMul(b) + a.MatMul(b) * 0.5;
        }, [KernelTesting.Base([sizes[0], sizes[1]], 1, layout, DType.Float32), KernelTesting.Base([sizes[1], sizes[2]], 2, layout, DType.Float32)]);
    }

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

    /// <summary>
    /// From poisoned memory, twice, the same bits; each number within 1e-5 of float64, relative to the largest sum of magnitudes that there can be: sqrt(terms) times the typical rounding error
    /// of a sum of so many terms below 1.
    /// </summary>
    static void AssertAgrees(string? rung, Func<Tensor[], Tensor> function, Tensor[] inputs, double tolerance = 1e-5)
    {
        GpuBackend gpu = GpuTesting.Device;
        float[][] expected = GpuTesting.Run(CpuBackend.Instance, function, inputs, DType.Float64);
        try
        {
            gpu.MatMulRung = rung is null ? null : Enum.Parse<MatMulRung>(rung);
            Arena.Poison = true;
            float[][] actual = GpuTesting.Run(gpu, function, inputs), again = GpuTesting.Run(gpu, function, inputs);
            Assert.That(actual, Has.Length.EqualTo(expected.Length), "value and gradients");
            for (int i = 0; i < expected.Length; i++)
            {
                string what = i == 0 ? "value" : $"gradient of input {i - 1}";
                OperationTests.AssertClose(actual[i], expected[i], tolerance, what);
                Assert.That(actual[i].AsSpan().SequenceEqual(again[i]), $"{what}: the same bits again");
            }
        }
        finally
        {
            gpu.MatMulRung = null;
            Arena.Poison = false;
        }
    }
}
