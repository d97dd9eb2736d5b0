namespace NeuralMemory.Tests.Kernels;

public class NormalizationTests
{
    [Test]
    public void Rows_have_mean_0_and_variance_1([Values(2, 63, 100, 1000)] int n, [Values(0, 1e4)] double mean)
    {
        Tensor x = new Philox(1).Uniform([5, n]) + mean;
        Tensor y = x.LayerNorm(epsilon: 0);
        Assert.That(y.Mean(-1).ToArray(), Is.All.EqualTo(0).Within(2e-6));
        Assert.That(y.Variance([-1], unbiased: false).ToArray(), Is.All.EqualTo(1).Within(1e-5));
        Assert.That(x.RmsNorm(epsilon: 0).Square().Mean(-1).ToArray(), Is.All.EqualTo(1).Within(1e-5));
    }

    [Test]
    public void A_large_mean_costs_no_digits()
    {
        Tensor x = new Philox(2).Uniform([3, 301]) + 1e5;
        double[] expected = x.To(DType.Float64).LayerNorm().ToArray<double>();
        Assert.That(x.LayerNorm().ToArray<double>(), Is.EqualTo(expected).Within(2e-6));
    }

    [Test]
    public void Equal_elements_give_the_bias_and_zeros_give_zeros()
    {
        Tensor bias = new Philox(3).Uniform([7]);
        Tensor x = Tensor.Full([2, 7], 3).RequireGradient();
        Tensor y = x.LayerNorm(Tensor.Ones([7]), bias);
        Assert.That(y.Select(0, 0).ToArray(), Is.EqualTo(bias.ToArray()));
        y.Backward(Tensor.Ones(y.Shape));
        Assert.That(x.Gradient.ToArray(), Is.All.Zero);
        Assert.That(Tensor.Zeros([2, 7]).RmsNorm(bias).ToArray(), Is.All.Zero);
    }

    [Test]
    public void Layer_norm_is_rms_norm_of_the_deviations()
    {
        Tensor x = new Philox(4).Uniform([9, 33]), w = new Philox(5).Uniform([33]);
        Tensor deviations = x - x.Mean([-1], keepDimensions: true);
        Assert.That(x.LayerNorm(w, epsilon: 1e-3).ToArray(), Is.EqualTo(deviations.RmsNorm(w, 1e-3).ToArray()).Within(1e-6));
    }

    [Test]
    public void Arguments_that_do_not_fit()
    {
        Tensor x = Tensor.Zeros([2, 3]);
        Assert.That(() => x.LayerNorm(Tensor.Zeros([2])), Refused("LayerNorm: x [2, 3] and weight [2]: the weight was expected to be [3]."));
        Assert.That(() => x.LayerNorm(null, Tensor.Zeros([1, 3])), Refused("LayerNorm: x [2, 3] and bias [1, 3]: the bias was expected to be [3]."));
        Assert.That(() => x.RmsNorm(Tensor.Zeros([3], DType.Float64)), Refused("RmsNorm: x is Float32 and the weight Float64: both must have the same type."));
        Assert.That(() => Tensor.Zeros([2, 0]).LayerNorm(), Refused("LayerNorm: x [2, 0]: [.., n] with n of at least 1 was expected."));
        Assert.That(() => Tensor.Zeros([]).RmsNorm(), Refused("RmsNorm: x []: [.., n] with n of at least 1 was expected."));
        Assert.That(() => Tensor.Range(0, 3).RmsNorm(), Throws.TypeOf<ShapeException>().With.Message.Contains("Int32"));
        Assert.That(() => x.LayerNorm(epsilon: -1), Throws.TypeOf<ArgumentOutOfRangeException>());

        static NUnit.Framework.Constraints.IResolveConstraint Refused(string message) => Throws.TypeOf<ShapeException>().With.Message.EqualTo(message);
    }
}
