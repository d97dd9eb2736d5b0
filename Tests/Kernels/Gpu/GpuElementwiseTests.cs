using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>What element-wise kernels, sums, picking by index and draws do on a device beyond the cases that every operation passes.</summary>
[NonParallelizable]
public class GpuElementwiseTests
{
    [Test]
    public void Four_floats_are_moved_at_once_where_all_tensors_allow_it()
    {
        using (Backend.Use(GpuTesting.Device))
        {
            Tensor x = Tensor.Ones([4, 40]), row = Tensor.Ones([40]), column = Tensor.Ones([4, 1]), tall = Tensor.Ones([40, 4]);
            Assert.Multiple(() =>
            {
                Assert.That(Width(x, x), Is.EqualTo(4), "contiguous");
                Assert.That(Width(x, row), Is.EqualTo(4), "rows of a multiple of four");
                Assert.That(Width(x, column), Is.EqualTo(4), "one element repeated");
                Assert.That(Width(x, column.Slice(0, 0, 4)), Is.EqualTo(4));
                Assert.That(Width(x.Slice(1, 4, 24), x.Slice(1, 20, 40)), Is.EqualTo(4), "aligned parts of rows");
                Assert.That(Width(x.Slice(1, 0, 39), x.Slice(1, 0, 39)), Is.EqualTo(1), "rows of no multiple of four");
                Assert.That(Width(x.Slice(1, 1, 21), x.Slice(1, 0, 20)), Is.EqualTo(1), "an address of no multiple of 16 bytes");
                Assert.That(Width(x, tall.T), Is.EqualTo(1), "transposed");
                Assert.That(Width(row.Slice(0, 0, 39), row.Slice(0, 0, 39)), Is.EqualTo(4), "a vector's tail is taken by one thread");
            });
        }

        static int Width(Tensor a, Tensor b) => new GpuLoop(StridedLoop.Broadcast(a.Shape, a, b), a, b).Width;
    }

    [Test]
    public void Parts_of_any_offset_and_length_are_computed_and_nothing_beside_them_is_touched([Values(0, 1, 3, 4)] int start, [Values(1, 5, 8, 15)] int length)
    {
        Tensor a = new Philox(1).Uniform([40]), b = new Philox(2).Uniform([40]), w = new Philox(3).Uniform([40]);
        AssertSame(x =>
        {
            Tensor p = x[0].Slice(0, start, start + length), q = x[1].Slice(0, 4, 4 + length), r = x[2].Slice(0, start, start + length);
            return Tensor.Concat(0, p * q, p.Lerp(q, r), p.Tanh(), q.Dropout(0.5, new Philox(4)), p.MeanSquaredError(q).Unsqueeze(0), p.Sum().Unsqueeze(0));
        }, a, b, w);
    }

    [Test]
    public void Sums_cut_into_parts_are_the_CPU_s([Values("10000", "3, 10001", "3000, 5", "70001, 3", "2, 600, 40", "5, 300, 7")] string sizes, [Values(0, -1)] int dimension)
    {
        Shape shape = new([.. sizes.Split(", ").Select(int.Parse)]);
        AssertSame(x => x[0].Sum(dimension), 2e-5, new Philox(5).Uniform(shape));
        AssertSame(x => x[0].T.Sum(dimension), 2e-5, new Philox(6).Uniform(shape.Rank == 1 ? shape.Insert(0, 1) : shape));
        AssertSame(x => x[0].Sum(), 2e-4, new Philox(7).Uniform(shape));
    }

    [Test]
    public void The_same_elements_are_dropped_as_on_the_CPU([Values("4003", "7, 33", "16, 64")] string sizes)
    {
        Tensor x = Tensor.Ones(new([.. sizes.Split(", ").Select(int.Parse)]));
        AssertSame(t => t[0].Dropout(0.3, new Philox(8, 9) { Position = 6 }), 0, x);
        AssertSame(t => t[0].Slice(0, 1, t[0].Shape[0], 2).Dropout(0.3, new Philox(8, 9) { Position = 6 }), 0, x);
    }

    [Test]
    public void Conversions_and_comparisons_of_numbers_that_are_none_are_the_CPU_s()
    {
        Tensor x = Tensor.From([float.NaN, float.PositiveInfinity, float.NegativeInfinity, 3e9f, -3e9f, 2147483520, -2147483648, -0.9f, 1.9f, -0f, 0, 1e-40f], [12]), y = x.Slice(0, 0, 12).Contiguous();
        Tensor other = Tensor.From([0, float.NaN, float.NegativeInfinity, 3e9f, 0, 0, 0, 0, 0, 0, 0, 0], [12]);
        AssertSame(t => t[0].To(DType.Int32), 0, x);
        AssertSame(t => t[0].To(DType.Int32).To(DType.Float32), 0, x);
        AssertSame(t => Tensor.Concat(0, t[0] < t[1], t[0] <= t[1], t[0] > t[1], t[0] >= t[1], t[0].Equal(t[1]), t[0].NotEqual(t[1]), t[0].NotEqual(0)), 0, x, other);
        AssertSame(t => Tensor.Concat(0, t[0].T < t[1], t[0].T.Equal(t[1])), 0, Tensor.From([1, 2, 3, 4], [2, 2]), Tensor.From([1, 3, 2, 5], [2, 2]));
    }

    [Test]
    public void An_index_out_of_range_gives_NaN_and_no_gradient([Values(-1, 5, int.MaxValue, int.MinValue)] int index, [Values] bool whole)
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        {
            Tensor x = Tensor.Persistent([5, 4]).RequireGradient(), indices = Tensor.From([1, index, 1], [3]);
            x.CopyFrom(new Philox(10).Uniform([5, 4]));
            using (Tape.Step())
            {
                Tensor y = whole ? x.Embedding(indices) : x.Gather(0, indices.Unsqueeze(-1).Expand([3, 4]));
                y.Backward(Tensor.Ones(y.Shape));
                float[] values = y.ToArray(), given = x.ToArray(), gradient = x.Gradient.ToArray();
                for (int j = 0; j < 4; j++)
                {
                    Assert.That(values[4 + j], Is.NaN);
                    Assert.That(values[j], Is.EqualTo(given[4 + j]));
                }
                Assert.That(gradient, Is.EqualTo(Enumerable.Range(0, 20).Select(i => i / 4 == 1 ? 2f : 0f)));
            }
            Assert.That(indices.OneHot(5).ToArray(), Is.EqualTo(Enumerable.Range(0, 15).Select(i => i is 1 or 11 ? 1f : 0f)));
            Assert.That(Tensor.Range(3, 2).Gather(0, indices.Slice(0, 1, 2)).ToArray<int>(), Is.EqualTo(new[] { 0 }));
        }
    }

    [Test]
    public void Draws_are_the_CPU_s([Values] bool replacement, [Values(0, 3)] int position)
    {
        Tensor p = new Philox(11).Uniform([7, 3, 100], -1, 1).Clamp(0, 1);
        Philox expected = new(12) { Position = (ulong)position }, actual = new(12) { Position = (ulong)position };
        int[] draws = p.Multinomial(20, expected, replacement).ToArray<int>();
        using (Backend.Use(GpuTesting.Device))
        {
            Assert.That(p.On(GpuTesting.Device).Multinomial(20, actual, replacement).ToArray<int>(), Is.EqualTo(draws));
            Assert.That(actual.Position, Is.EqualTo(expected.Position));
        }
    }

    [Test]
    public void Where_there_is_nothing_to_draw_from_the_draw_is_minus_one()
    {
        using (Backend.Use(GpuTesting.Device))
        {
            Tensor p = Tensor.From([0, 0, 0, 1, -1, 1, float.NaN, 1, 1, float.PositiveInfinity, 1, 1, 0, 1, 0], [5, 3]);
            Assert.That(p.Multinomial(1, new(13)).ToArray<int>(), Is.EqualTo(new[] { -1, -1, -1, -1, 1 }));
            Assert.That(p.Slice(0, 4, 5).Multinomial(2, new(13), replacement: false).ToArray<int>(), Is.EqualTo(new[] { 1, -1 }));
        }
    }

    [Test]
    public void Losses_and_indices_copy_nothing_to_the_host()
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        {
            Tensor x = Tensor.Persistent([6, 5]).RequireGradient(), t = Tensor.Full([6, 5], 0.5), indices = Tensor.From([0, 5, 0], [3]), last = Tensor.From([4, 0, 4], [3]), kernel = Tensor.Ones([6, 3]);
            x.CopyFrom(new Philox(14).Uniform([6, 5]));
            long before = gpu.CopiesToHost;
            using (Tape.Step())
            {
                Tensor loss = x.MeanSquaredError(t) + x.SmoothL1(t) + x.BinaryCrossEntropyWithLogits(t) + x.KullbackLeiblerDivergence(t) + x.Embedding(indices).Dropout(0.5, new(15)).Sum()
                    + x.CircularShift(kernel).Mean() + Tensor.Where(x > 0, x, t).Sum() + x.IndexSelect(1, last).Sum();
                loss.Backward();
                indices.OneHot(6);
                t.Multinomial(2, new(16));
                Assert.That(gpu.CopiesToHost, Is.EqualTo(before));
            }
            Assert.That(x.Gradient.ToArray(), Has.All.Not.NaN);
        }
    }

    /// <summary>The function's value, and the gradients of its real inputs, on the device are the CPU's in float32, within a tolerance; 0 demands the same bits.</summary>
    static void AssertSame(Func<Tensor[], Tensor> function, params Tensor[] inputs) => AssertSame(function, 1e-6, inputs);

    static void AssertSame(Func<Tensor[], Tensor> function, double tolerance, params Tensor[] inputs)
    {
        float[][] expected = GpuTesting.Run(CpuBackend.Instance, function, inputs), actual = GpuTesting.Run(GpuTesting.Device, function, inputs);
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        for (int i = 0; i < expected.Length; i++)
            if (tolerance == 0) Assert.That(actual[i].Select(BitConverter.SingleToInt32Bits), Is.EqualTo(expected[i].Select(BitConverter.SingleToInt32Bits)), $"result {i}");
            else OperationTests.AssertClose(actual[i], expected[i], tolerance, $"result {i}");
    }
}
