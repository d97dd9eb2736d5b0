namespace NeuralMemory.Tests.Kernels;

public class LossTests
{
    [Test]
    public void Cross_entropy_is_the_mean_of_what_log_softmax_says_of_the_labels()
    {
        Philox random = new(1);
        Tensor x = random.Uniform([31, 17], -5, 5), labels = random.Indices([31], 17);
        double expected = -x.LogSoftmax().Gather(1, labels.Unsqueeze(1)).Mean().Item();
        Assert.That(x.CrossEntropy(labels).Item(), Is.EqualTo(expected).Within(1e-6));
    }

    [Test]
    public void Smoothed_cross_entropy_is_the_divergence_from_smoothed_targets_and_their_entropy()
    {
        Philox random = new(2);
        Tensor x = random.Uniform([31, 17], -5, 5).To(DType.Float64), labels = random.Indices([31], 17);
        Tensor targets = labels.OneHot(17).To(DType.Float64) * 0.8 + 0.2 / 17;
        double entropy = -(targets * targets.Log()).Sum().Item() / 31;
        Assert.That(x.CrossEntropy(labels, labelSmoothing: 0.2).Item(), Is.EqualTo(x.LogSoftmax().KullbackLeiblerDivergence(targets).Item() + entropy).Within(1e-12));
    }

    [Test]
    public void Ignored_rows_are_as_if_they_were_not_there()
    {
        Philox random = new(3);
        Tensor x = random.Uniform([6, 5]).RequireGradient(), labels = Tensor.From([0, -100, 4, 2, -100, 1], [6]);
        Tensor kept = Tensor.From([0, 2, 3, 5], [4]);
        Tensor y = x.CrossEntropy(labels, ignoreIndex: -100, labelSmoothing: 0.1);
        Assert.That(y.Item(), Is.EqualTo(x.IndexSelect(0, kept).CrossEntropy(labels.IndexSelect(0, kept), labelSmoothing: 0.1).Item()).Within(1e-6));
        y.Backward();
        Assert.That(x.Gradient.Select(0, 1).ToArray(), Is.All.Zero);
        Assert.That(x.Gradient.Select(0, 2).ToArray(), Is.All.Not.Zero);
    }

    [Test]
    public void Extreme_logits_cost_what_they_should()
    {
        Tensor x = Tensor.From([1e30f, 0, -1e30f, 1e30f, 0, -1e30f, -5, float.NegativeInfinity, -5], [3, 3]).RequireGradient();
        Tensor y = x.CrossEntropy(Tensor.From([0, 1, 2], [3]));
        Assert.That(y.Item(), Is.EqualTo(1e30 / 3).Within(1e24));
        y.Backward();
        Assert.That(x.Gradient.ToArray(), Is.EqualTo((float[])[0, 0, 0, 1 / 3f, -1 / 3f, 0, 1 / 6f, 0, -1 / 6f]).Within(1e-7));
    }

    [Test]
    public void A_distribution_does_not_diverge_from_itself_and_zeros_cost_nothing()
    {
        Tensor p = Tensor.From([0.5f, 0.25f, 0.25f, 0], [1, 4]);
        Assert.That(p.Log().KullbackLeiblerDivergence(p).Item(), Is.Zero);
        Tensor x = Tensor.From([-1f, -2, -1, float.NegativeInfinity], [1, 4]).RequireGradient(), t = Tensor.From(p.ToArray(), p.Shape).RequireGradient();
        x.KullbackLeiblerDivergence(t).Backward();
        Assert.That(x.Gradient.ToArray(), Is.EqualTo((float[])[-0.5f, -0.25f, -0.25f, 0]));
        Assert.That(t.Gradient[0, 3], Is.Zero);
    }

    [Test]
    public void Smooth_l1_lies_between_the_square_and_the_absolute_value()
    {
        Tensor x = Tensor.From([0.5f, -3, 0, 1], [4]), zero = Tensor.Zeros([4]);
        Assert.That(x.SmoothL1(zero).Item(), Is.EqualTo((0.125 + 2.5 + 0 + 0.5) / 4).Within(1e-7));
        Assert.That(x.SmoothL1(zero, beta: 0).Item(), Is.EqualTo(x.Abs().Mean().Item()).Within(1e-7));
        Assert.That(x.SmoothL1(zero, beta: 10).Item(), Is.EqualTo(x.MeanSquaredError(zero).Item() / 20).Within(1e-7));
    }

    [Test]
    public void Arguments_that_do_not_fit()
    {
        Tensor x = Tensor.Zeros([2, 3]), labels = Tensor.From([0, 3], [2]);
        Assert.That(() => x.CrossEntropy(labels), Refused("CrossEntropy: label 3 at [1] of the labels [2] for logits [2, 3]: 0 to 2 was expected."));
        Assert.That(() => x.CrossEntropy(Tensor.From([-1, -7], [2]), ignoreIndex: -1),
            Refused("CrossEntropy: label -7 at [1] of the labels [2] for logits [2, 3]: 0 to 2 or the ignored -1 was expected."));
        Assert.That(() => x.CrossEntropy(labels, ignoreIndex: 3), Throws.Nothing);
        Assert.That(() => x.CrossEntropy(Tensor.From([3, 3], [2]), ignoreIndex: 3),
            Refused("CrossEntropy: logits [2, 3] and labels [2]: all 2 labels are the ignored 3, and the mean of no row is not defined."));
        Assert.That(() => x.CrossEntropy(Tensor.From([0, 1, 2], [3])), Refused("CrossEntropy: logits [2, 3] and labels [3]: [.., classes] and [..] were expected."));
        Assert.That(() => x.CrossEntropy(Tensor.Zeros([2])), Refused("CrossEntropy: the labels [2] are Float32; Int32 was expected."));
        Assert.That(() => x.CrossEntropy(Tensor.From([0, 1], [2]), labelSmoothing: 1.5), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => x.MeanSquaredError(Tensor.Zeros([3, 2])), Refused("MeanSquaredError: [2, 3] and [3, 2]: the shapes must be the same."));
        Assert.That(() => x.SmoothL1(Tensor.Zeros([3])), Refused("SmoothL1: [2, 3] and [3]: the shapes must be the same."));
        Assert.That(() => x.SmoothL1(x, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => x.KullbackLeiblerDivergence(Tensor.From([1f, 0, 0, 0.5f, 1, -0.5f], [2, 3])),
            Refused("KullbackLeiblerDivergence: probability -0.5 at [1, 2] of the targets [2, 3]: none may be negative."));
        Assert.That(() => x.KullbackLeiblerDivergence(Tensor.Zeros([2, 3], DType.Float64)), Throws.TypeOf<ShapeException>().With.Message.Contains("same type"));

        static NUnit.Framework.Constraints.IResolveConstraint Refused(string message) => Throws.TypeOf<ShapeException>().With.Message.EqualTo(message);
    }
}
