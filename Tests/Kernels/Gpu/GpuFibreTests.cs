using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>What a device does with fibres, rows and lists: every size of team, numbers that are not finite, and labels that are no class.</summary>
[NonParallelizable]
public class GpuFibreTests
{
    const float Infinity = float.PositiveInfinity;

    static readonly TestCaseData[] Functions =
    [
        Function("Softmax", (x, d) => x.Softmax(d)),
        Function("LogSoftmax", (x, d) => x.LogSoftmax(d)),
        Function("LogSumExp", (x, d) => x.LogSumExp(d)),
        Function("Max", (x, d) => x.Max(d)),
        Function("Min", (x, d) => x.Min(d, keepDimension: true)),
        Function("ArgMax", (x, d) => x.ArgMax(d)),
        Function("CumulativeSum", (x, d) => x.CumulativeSum(d)),
        Function("CumulativeProduct", (x, d) => (1 + 0.01 * x).CumulativeProduct(d)),
        Function("CosineSimilarity", (x, d) => x.CosineSimilarity(x.Slice(1 - d, 0, 1) + 1, d)),
        Function("Norm", (x, d) => x.Norm(d)),
        Function("Variance", (x, d) => x.Variance(d)),
        Function("StandardDeviation", (x, d) => x.StandardDeviation(d)),
        Function("LayerNorm", (x, d) => (d == 1 ? x : x.T).LayerNorm()),
        Function("RmsNorm", (x, d) => (d == 1 ? x : x.T).RmsNorm()),
    ];

    static TestCaseData Function(string name, Func<Tensor, int, Tensor> function) => new TestCaseData(function).SetArgDisplayNames(name);

    /// <summary>Fibres for a thread, a warp with and without idle lanes, a group; side by side for columns of threads, and for a thread each.</summary>
    [TestCaseSource(nameof(Functions))]
    public void Fibres_of_any_length_agree_with_float64(Func<Tensor, int, Tensor> function)
    {
        foreach ((int a, int b) in ((int, int)[])[(70, 5), (9, 8), (5, 9), (67, 33), (3, 1024), (2, 1025), (3, 3001), (9, 33000)])
            foreach (int dimension in (int[])[0, 1])
            {
                if (a * b > 100_000 && dimension == 1) continue;                 // 9 fibres as long as that are like the others
                Tensor[] x = [new Philox((ulong)(a + b)).Uniform([a, b])];
                float[][] expected = GpuTesting.Run(CpuBackend.Instance, t => function(t[0], dimension), x, DType.Float64);
                float[][] actual = GpuTesting.Run(GpuTesting.Device, t => function(t[0], dimension), x);
                for (int i = 0; i < expected.Length; i++)
                    OperationTests.AssertClose(actual[i], expected[i], i == 0 ? 2e-5 : 1e-4, $"[{a}, {b}] along {dimension}, {(i == 0 ? "value" : "gradient")}");
            }
    }

    [TestCaseSource(nameof(Functions))]
    public void Numbers_that_are_not_finite_give_what_they_give_on_the_CPU(Func<Tensor, int, Tensor> function)
    {
        float[] ordinary = [1, -2, 0.5f, 3, 0, -0f, 2, 2, -1, 1e-3f, 1.5f];
        float[][] special = [[float.NaN], [Infinity], [-Infinity], [Infinity, -Infinity], [float.NaN, -Infinity], [1e38f, -1e38f]];
        List<float[]> rows = [.. special.Select(numbers => (float[])[.. ordinary, .. numbers, .. ordinary]), [.. Enumerable.Repeat(-Infinity, 23)]];
        foreach (float[] row in rows)
            foreach (int dimension in (int[])[0, 1])
            {
                Tensor x = Tensor.From(row, dimension == 1 ? [1, row.Length] : [row.Length, 1]).Expand(dimension == 1 ? [2, row.Length] : [row.Length, 2]).Contiguous();
                float[] expected = Value(CpuBackend.Instance), actual = Value(GpuTesting.Device);
                OperationTests.AssertClose(actual, expected, 1e-5, $"[{string.Join(", ", row)}] along {dimension}");

                float[] Value(Backend backend)
                {
                    using (Backend.Use(backend))
                        return function(x.On(backend), dimension).ToArray();
                }
            }
    }

    [Test]
    public void Lists_are_in_the_one_order_that_the_CPU_gives(
        [Values(1, 2, 8, 63, 100, 2048, 2049, 4096, 9001)] int n, [Values] bool descending, [Values(3, 1000)] int distinct)
    {
        Philox random = new((ulong)n);
        float[] values = new float[2 * n];
        foreach (ref float value in values.AsSpan())
            value = random.Next(0, distinct + 3) switch { 0 => float.NaN, 1 => -0f, 2 => -Infinity, int i => (i - distinct / 2) / 7f };
        Tensor x = Tensor.From(values, [2, n]), turned = x.T.Contiguous();
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        {
            Tensor rows = x.On(gpu), columns = turned.On(gpu);
            Assert.That(rows.ArgSort(1, descending).ToArray<int>(), Is.EqualTo(OnCpu(() => x.ArgSort(1, descending))));
            Assert.That(columns.ArgSort(0, descending).ToArray<int>(), Is.EqualTo(OnCpu(() => turned.ArgSort(0, descending))));
            foreach (int k in (int[])[0, 1, n / 2, n])
                Assert.That(rows.TopK(k).Indices.ToArray<int>(), Is.EqualTo(OnCpu(() => x.TopK(k).Indices)));
        }

        static int[] OnCpu(Func<Tensor> function)
        {
            using (Backend.Use(CpuBackend.Instance))
                return function().ToArray<int>();
        }
    }

    [Test]
    public void A_label_that_is_no_class_makes_the_loss_and_its_gradient_NaN()
    {
        GpuBackend gpu = GpuTesting.Device;
        Tensor logits = new Philox(1).Uniform([3, 5]);
        foreach (int label in (int[])[-1, 5, int.MaxValue, int.MinValue])
        {
            float[][] results = GpuTesting.Run(gpu, t => t[0].CrossEntropy(t[1]), [logits, Tensor.From([2, label, 4], [3])]);
            Assert.That(results[0], Is.All.NaN);
            Assert.That(results[1][5..10], Is.All.NaN);
            Assert.That(results[1][..5].Concat(results[1][10..]).All(float.IsFinite), "the gradients of the other rows");
            float[][] ignored = GpuTesting.Run(gpu, t => t[0].CrossEntropy(t[1], ignoreIndex: label), [logits, Tensor.From([2, label, 4], [3])]);
            Assert.That(ignored.SelectMany(values => values).All(float.IsFinite), "where it is ignored");
        }
        Assert.That(GpuTesting.Run(gpu, t => t[0].CrossEntropy(t[1], ignoreIndex: 7), [logits, Tensor.From([7, 7, 7], [3])])[0], Is.All.NaN);
    }

    [Test]
    public void Nothing_is_copied_to_the_host()
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        {
            Tensor x = Tensor.Persistent([4, 33]).RequireGradient(), labels = Tensor.Zeros([4], DType.Int32);
            x.Fill(0.5);
            long copies = gpu.CopiesToHost;
            using (Tape.Step())
            {
                Tensor y = x.Softmax() + x.LogSoftmax() + x.LogSumExp(-1, true) + x.Max(0, true) + x.Variance([1], true, true) + x.StandardDeviation([0], true, true)
                    + x.Norm([0, 1], true) + x.CumulativeSum(0) + x.CumulativeProduct(1) + x.LayerNorm() + x.RmsNorm() + x.CosineSimilarity(x.Slice(0, 0, 1)).Unsqueeze(1)
                    + x.CrossEntropy(labels);
                x.ArgSort();
                y.Mean().Backward();
            }
            Assert.That(gpu.CopiesToHost, Is.EqualTo(copies));
            Assert.That(x.Gradient.ToArray().All(float.IsFinite));
        }
    }

    [Test]
    public void Teams_join_and_sum_up_what_their_members_have([Values(32, 96, 256, 1024)] int threads)
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        {
            Philox random = new((ulong)threads);
            float[] x = [.. Enumerable.Range(0, 2 * threads).Select(_ => (float)random.Next(-50, 50))];
            Tensor input = Tensor.From(x, [x.Length]), results = Tensor.Zeros([7, x.Length]);
            gpu.Launch(2, threads, new Reductions(gpu.View(input), gpu.View(results)));
            float[] actual = results.ToArray();
            for (int i = 0; i < x.Length; i++)
            {
                float[] group = x[(i / threads * threads)..(i / threads * threads + threads)], warp = x[(i / 32 * 32)..(i / 32 * 32 + 32)];
                float[] expected = [warp.Sum(), warp.Max(), warp[..(i % 32 + 1)].Sum(), group.Sum(), group.Max(), group[..(i % threads + 1)].Sum(), group.Sum()];
                for (int r = 0; r < expected.Length; r++) Assert.That(actual[r * x.Length + i], Is.EqualTo(expected[r]), $"result {r} of thread {i}");
            }
        }
    }

    readonly struct Reductions(ArrayView<float> x, ArrayView<float> results) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX, n = x.IntLength;
            float value = x[i];
            results[i] = WarpReduce.Sum(value);
            results[n + i] = WarpReduce.Max(value);
            results[2 * n + i] = WarpReduce.Prefix<FloatSum, float>(value);
            for (int again = 0; again < 2; again++) results[3 * n + i] = GroupReduce.Sum(value);
            results[4 * n + i] = GroupReduce.Max(value);
            results[5 * n + i] = GroupReduce.Prefix<FloatSum, float>(value, out float all);
            results[6 * n + i] = all;
        }
    }
}
