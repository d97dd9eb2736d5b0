namespace NeuralMemory.Tests.Kernels;

public class ReductionTests
{
    const float Infinity = float.PositiveInfinity;

    [TestCase(10_000_000, 1, 1)]
    [TestCase(1, 1_000_003, 1)]
    [TestCase(1, 500_003, 3)]
    public void Sums_of_many_numbers_are_exact_to_six_digits(int a, int b, int c)
    {
        Tensor x = new Philox(1).Uniform([a, b, c], 0, 1);
        float[] values = x.ToArray();
        for (int column = 0; column < c; column++)
        {
            double exact = 0;
            for (int i = column; i < values.Length; i += c) exact += values[i];
            Assert.That(x.Sum(0, 1)[column], Is.EqualTo(exact).Within(1e-6 * exact));
            Assert.That(x.Mean(0, 1)[column], Is.EqualTo(exact / (a * b)).Within(1e-6 * exact / (a * b)));
            if (b > 1) Assert.That(x.CumulativeSum(1)[0, ^1, column], Is.EqualTo(exact).Within(1e-6 * exact));
        }
    }

    /// <summary>Numbers that the caches hold are read in another order than those that they do not.</summary>
    [Test]
    public void A_large_sum_has_the_bits_of_the_sum_of_its_parts([Values(1000, 1024, 32768)] int width)
    {
        int half = (5 << 20) / sizeof(float) / width;
        Tensor x = new Philox(1).Uniform([2 * half, width], -1, 1), near = Tensor.Concat(0, x.Slice(0, 0, half).Sum(1), x.Slice(0, half, 2 * half).Sum(1));
        Assert.That(x.Sum(1).ToArray(), Is.EqualTo(near.ToArray()));
        if (width == 32768) Assert.That(x.Sum().Item(), Is.EqualTo(near.Sum().Item()));             // the parts in which everything is summed
    }

    [Test]
    public void The_sum_of_nothing_is_zero()
    {
        Tensor x = Tensor.Empty([0, 3]);
        Assert.That(x.Sum().Item(), Is.Zero);
        Assert.That(x.Sum(0).ToArray(), Is.EqualTo(new float[3]));
        Assert.That(x.Sum(1).Shape, Is.EqualTo(new Shape([0])));
        Assert.That(x.Norm(0).ToArray(), Is.EqualTo(new float[3]));
        Assert.That(x.LogSumExp(0).ToArray(), Is.All.EqualTo(-Infinity));
    }

    [Test]
    public void Reduced_dimensions_go_or_stay_with_size_1()
    {
        Tensor x = Tensor.Ones([2, 3, 4]);
        Assert.That(x.Sum(0, -1).Shape, Is.EqualTo(new Shape([3])));
        Assert.That(x.Sum([0, -1], keepDimensions: true).Shape, Is.EqualTo(new Shape([1, 3, 1])));
        Assert.That(x.Mean([], keepDimensions: true).Shape, Is.EqualTo(new Shape([1, 1, 1])));
        Assert.That(x.Max(1).Shape, Is.EqualTo(new Shape([2, 4])));
        Assert.That(x.LogSumExp(1, keepDimension: true).Shape, Is.EqualTo(new Shape([2, 1, 4])));
        Assert.That(Tensor.Scalar(3).Sum().Item(), Is.EqualTo(3));
    }

    [Test]
    public void Softmax_adds_up_to_one_along_any_dimension([Values(0, 1, 2)] int dimension)
    {
        Tensor x = new Philox(2).Uniform([5, 33, 7], -20, 20);
        Assert.That(x.Softmax(dimension).Sum(dimension).ToArray(), Is.All.EqualTo(1).Within(1e-6));
        Assert.That(x.LogSoftmax(dimension).LogSumExp(dimension).ToArray(), Is.All.EqualTo(0).Within(1e-5));
    }

    [Test]
    public void Softmax_of_extreme_numbers_is_finite()
    {
        Tensor x = Tensor.From([1e30f, -1e30f, 0, 1e30f, -Infinity, -Infinity, 3, -1e30f, -1e30f, -1e30f, -1e30f, -1e30f], [3, 4]);
        foreach (Tensor t in (Tensor[])[x, x.T.Contiguous().T])
        {
            Assert.That(t.Softmax().ToArray(), Is.EqualTo(new[] { 0.5f, 0, 0, 0.5f, 0, 0, 1, 0, 0.25f, 0.25f, 0.25f, 0.25f }));
            Assert.That(t.LogSumExp().ToArray(), Is.EqualTo(new[] { 1e30f, 3, -1e30f }));
            Assert.That(t.LogSoftmax().ToArray(), Has.None.NaN);
            Assert.That(t.LogSoftmax()[1, 2], Is.Zero);
        }
    }

    [Test]
    public void Nothing_but_minus_infinity_gives_zeros_and_no_NaN()
    {
        foreach (Func<Tensor, Tensor> function in (Func<Tensor, Tensor>[])[x => x.Softmax(0), x => x.LogSoftmax(0), x => x.LogSumExp(0)])
        {
            Tensor x = Tensor.Persistent([3, 2]).RequireGradient();
            x.CopyFrom<float>([-Infinity, 1, -Infinity, 2, -Infinity, 3]);
            Tensor y = function(x);
            Assert.That(y.ToArray(), Has.None.NaN);
            y.Backward(Tensor.Ones(y.Shape));
            Assert.That(x.Gradient.ToArray(), Has.None.NaN);
        }
        Assert.That(Tensor.Full([3], -Infinity).Softmax().ToArray(), Is.EqualTo(new float[3]));
        Assert.That(Tensor.Full([3], -Infinity).LogSoftmax().ToArray(), Is.All.EqualTo(-Infinity));
        Assert.That(Tensor.Full([3], -Infinity).LogSumExp().Item(), Is.EqualTo(-Infinity));
    }

    [Test]
    public void A_log_of_a_sum_with_infinity_is_infinite()
    {
        Tensor x = Tensor.From([Infinity, 0, -1, Infinity, Infinity, Infinity, Infinity, -Infinity, 3, Infinity, float.NaN, 0], [4, 3]);
        foreach (Tensor t in (Tensor[])[x, x.T.Contiguous().T])
            Assert.That(t.LogSumExp().ToArray(), Is.EqualTo(new[] { Infinity, Infinity, Infinity, float.NaN }));
        Assert.That(Tensor.Full([100], Infinity).LogSumExp().Item(), Is.EqualTo(Infinity));
    }

    [Test]
    public void Extremes_are_the_first_of_equal_ones_and_NaN_above_all()
    {
        Tensor x = Tensor.From([1f, 5, 5, -2, -2, 0, float.NaN, 9, float.NaN], [3, 3]);
        foreach (Tensor t in (Tensor[])[x, x.T.Contiguous().T])
        {
            Tensor y = t.Max(1, out Tensor indices);
            Assert.That(y.ToArray(), Is.EqualTo(new[] { 5, 0, float.NaN }));
            Assert.That(indices.ToArray<int>(), Is.EqualTo(new[] { 1, 2, 0 }));
            Assert.That(t.Min(1).ToArray(), Is.EqualTo(new[] { 1, -2, float.NaN }));
            Assert.That(t.ArgMin(1).ToArray<int>(), Is.EqualTo(new[] { 0, 0, 0 }));
        }
        Assert.That(Tensor.Full([100], -Infinity).ArgMax().Item(), Is.Zero);
        Assert.That(Tensor.Full([100], Infinity).ArgMin().Item(), Is.Zero);
    }

    [Test]
    public void The_gradient_of_a_maximum_goes_to_the_first()
    {
        Tensor x = Tensor.Persistent([4]).RequireGradient();
        x.CopyFrom<float>([1, 3, 3, 2]);
        x.Max(0).Backward();
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 0, 1, 0, 0 }));
    }

    [Test]
    public void Where_there_is_no_slope_the_gradient_is_zero()
    {
        Tensor zero = Tensor.Persistent([3]).RequireGradient(), equal = Tensor.Persistent([3]).RequireGradient();
        equal.Fill(7);
        zero.Norm().Backward();
        equal.StandardDeviation().Backward();
        Assert.That(zero.Gradient.ToArray(), Is.EqualTo(new float[3]));
        Assert.That(equal.Gradient.ToArray(), Is.EqualTo(new float[3]));
    }

    [Test]
    public void The_variance_keeps_its_digits_beside_a_large_mean()
    {
        Tensor x = Tensor.From([10001f, 10002, 10003, 10004], [4]);
        Assert.That(x.Variance().Item(), Is.EqualTo(5.0 / 3).Within(1e-6));
        Assert.That(x.Variance([], unbiased: false).Item(), Is.EqualTo(1.25).Within(1e-6));
        Assert.That(x.StandardDeviation().Item(), Is.EqualTo(Math.Sqrt(5.0 / 3)).Within(1e-6));
    }

    [Test]
    public void Cumulative_results_are_those_of_a_loop([Values(0, 1)] int dimension)
    {
        float[] x = new Philox(3).Uniform([21, 37], 0.5, 1.5).ToArray();
        double[] sums = [.. x.Select(v => (double)v)], products = [.. sums];
        int stride = dimension == 0 ? 37 : 1;
        for (int i = 0; i < x.Length; i++)
        {
            if (dimension == 0 ? i < 37 : i % 37 == 0) continue;
            sums[i] += sums[i - stride];
            products[i] *= products[i - stride];
        }
        Tensor t = Tensor.From(x, [21, 37]);
        double[] ourSums = t.CumulativeSum(dimension).ToArray<double>(), ourProducts = t.CumulativeProduct(dimension).ToArray<double>();
        for (int i = 0; i < x.Length; i++)
        {
            Assert.That(ourSums[i], Is.EqualTo(sums[i]).Within(1e-6 * sums[i]));
            Assert.That(ourProducts[i], Is.EqualTo(products[i]).Within(1e-5 * products[i]));
        }
    }

    [Test]
    public void A_cumulative_sum_goes_on_past_infinity() =>
        Assert.That(Tensor.From([1f, -Infinity, 2, Infinity], [4]).CumulativeSum().ToArray(), Is.EqualTo(new[] { 1, -Infinity, -Infinity, float.NaN }));

    [Test]
    public void The_cosine_of_a_vector_and_itself_is_one_and_of_zero_is_zero()
    {
        Tensor x = new Philox(4).Uniform([7, 20]);
        Assert.That(x.CosineSimilarity(x).ToArray(), Is.All.EqualTo(1).Within(1e-6));
        Assert.That(x.CosineSimilarity(-3 * x).ToArray(), Is.All.EqualTo(-1).Within(1e-6));

        Tensor a = Tensor.Persistent([2, 5]).RequireGradient(), b = Tensor.Persistent([2, 5]).RequireGradient();
        b.CopyFrom<float>([1, 2, 3, 4, 5, 0, 0, 0, 0, 0]);
        Tensor y = a.CosineSimilarity(b);
        Assert.That(y.ToArray(), Is.EqualTo(new float[2]));
        y.Backward(Tensor.Ones(y.Shape));
        Assert.That(a.Gradient.ToArray().Concat(b.Gradient.ToArray()).All(float.IsFinite));
    }

    static readonly TestCaseData[] Errors =
    [
        Error("Sum", () => Tensor.Range(0, 3).Sum(), "Sum: [3] holds Int32"),
        Error("Sum of a dimension twice", () => Tensor.Ones([2, 3]).Sum(0, -2), "Sum: dimension -2 of [2, 3] was named twice"),
        Error("Sum of no dimension", () => Tensor.Ones([2, 3]).Sum(2), "Sum: dimension 2 of [2, 3]"),
        Error("Mean of nothing", () => Tensor.Ones([0, 3]).Mean(0), "Mean: [0, 3] over dimensions [0]: 0 elements for each result"),
        Error("Mean of integers", () => Tensor.Range(0, 3).Mean(), "Mean: [3] holds Int32"),
        Error("Max of nothing", () => Tensor.Ones([3, 0]).Max(1), "Max: [3, 0] over dimensions [1]: 0 elements"),
        Error("Max of integers", () => Tensor.Range(0, 3).Max(0), "Max: [3] holds Int32"),
        Error("Min of nothing", () => Tensor.Ones([0]).Min(0), "Min: [0] over"),
        Error("ArgMax of no dimension", () => Tensor.Ones([3]).ArgMax(1), "Max: dimension 1 of [3]"),
        Error("ArgMin of no dimension", () => Tensor.Ones([3]).ArgMin(1), "Min: dimension 1 of [3]"),
        Error("Variance of one", () => Tensor.Ones([3, 1]).Variance(1), "Variance: [3, 1] over dimensions [1]: 1 elements for each result; 2 at least"),
        Error("StandardDeviation of one", () => Tensor.Ones([1]).StandardDeviation(), "StandardDeviation: [1] over all dimensions: 1"),
        Error("Norm", () => Tensor.Range(0, 3).Norm(), "Norm: [3] holds Int32"),
        Error("Softmax", () => Tensor.Ones([3]).Softmax(1), "Softmax: dimension 1 of [3]"),
        Error("Softmax of integers", () => Tensor.Range(0, 3).Softmax(), "Softmax: [3] holds Int32"),
        Error("LogSoftmax", () => Tensor.Ones([3]).LogSoftmax(-2), "LogSoftmax: dimension -2 of [3]"),
        Error("LogSumExp", () => Tensor.Scalar(1).LogSumExp(), "LogSumExp: dimension -1 of []"),
        Error("CumulativeSum", () => Tensor.Range(0, 3).CumulativeSum(), "CumulativeSum: [3] holds Int32"),
        Error("CumulativeProduct", () => Tensor.Ones([3]).CumulativeProduct(1), "CumulativeProduct: dimension 1 of [3]"),
        Error("CosineSimilarity", () => Tensor.Ones([3, 4]).CosineSimilarity(Tensor.Ones([3])), "CosineSimilarity: [3, 4] and [3] do not broadcast"),
        Error("CosineSimilarity of two types", () => Tensor.Ones([3]).CosineSimilarity(Tensor.Ones([3], DType.Float64)), "CosineSimilarity: Float32 [3] and Float64 [3]"),
    ];

    internal static TestCaseData Error(string name, Action action, string message) => new TestCaseData(action, message).SetArgDisplayNames(name);

    [TestCaseSource(nameof(Errors))]
    public void Errors_name_the_operation_and_what_disagrees(Action action, string message) =>
        Assert.That(Assert.Throws<ShapeException>(() => action())!.Message, Does.StartWith(message));
}
