namespace NeuralMemory.Tests.Kernels;

public class ConvolutionTests
{
    [Test]
    public void Equals_its_defining_sum(
        [Values(1, 3)] int stride, [Values(0, 2)] int padding, [Values(1, 2)] int dilation, [Values(1, 2, 6)] int groups, [Values(1, 4)] int kernel)
    {
        Philox random = new(1);
        Tensor x = random.Uniform([2, 6, 19]), w = random.Uniform([12, 6 / groups, kernel]), bias = random.Uniform([12]);
        Tensor y = x.Conv1d(w, bias, stride, padding, dilation, groups);
        for (int o = 0; o < 12; o++)
            for (int t = 0; t < y.Shape[2]; t++)
            {
                double sum = bias[o];
                for (int i = 0; i < 6 / groups; i++)
                    for (int k = 0; k < kernel; k++)
                    {
                        int at = t * stride + k * dilation - padding;
                        if (at is >= 0 and < 19) sum += w[o, i, k] * x[1, o / (12 / groups) * (6 / groups) + i, at];
                    }
                Assert.That(y[1, o, t], Is.EqualTo(sum).Within(1e-5));
            }
        Assert.That(y.Shape, Is.EqualTo(new Shape([2, 12, (19 + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1])));
    }

    [Test]
    public void A_kernel_of_one_step_is_a_linear_map()
    {
        Philox random = new(2);
        Tensor x = random.Uniform([3, 5, 17]), w = random.Uniform([7, 5, 1]), bias = random.Uniform([7]);
        Assert.That(x.Conv1d(w, bias).ToArray(), Is.EqualTo(x.Transpose(1, 2).Linear(w.Squeeze(2), bias).Transpose(1, 2).ToArray()).Within(1e-5));
    }

    [Test]
    public void The_first_steps_of_a_padded_convolution_do_not_see_the_future([Values(1, 4)] int groups)
    {
        Philox random = new(3);
        Tensor x = random.Uniform([1, 4, 12]), w = random.Uniform([4, 4 / groups, 4]);
        Tensor y = x.Conv1d(w, padding: 3, groups: groups).Slice(2, 0, 7), start = x.Slice(2, 0, 7).Conv1d(w, padding: 3, groups: groups).Slice(2, 0, 7);
        Assert.That(y.ToArray(), Is.EqualTo(start.ToArray()).Within(1e-6));
    }

    [Test]
    public void Arguments_that_do_not_fit()
    {
        Tensor x = Tensor.Zeros([2, 4, 5]);
        Refuses(Tensor.Zeros([4, 3, 2]), "Conv1d: x [2, 4, 5] by weight [4, 3, 2]: x has 4 channels, but 1 groups of the weight's 3 were expected.");
        Refuses(Tensor.Zeros([3, 2, 2]), "Conv1d: x [2, 4, 5] by weight [3, 2, 2]: the weight's 3 channels do not make 2 groups of one size.", 2);
        Refuses(Tensor.Zeros([4, 4]), "Conv1d: x [2, 4, 5] by weight [4, 4]: the weight was expected to be [out, in/groups, kernel].");
        Refuses(Tensor.Zeros([3, 4, 6]), "Conv1d: x [2, 4, 5] by weight [3, 4, 6]: the kernel reaches over 6 steps, but with a padding of 0 there are 5.");
        Assert.That(() => x.Conv1d(Tensor.Zeros([3, 4, 2]), Tensor.Zeros([2])), Throws.TypeOf<ShapeException>().With.Message.Contains("bias [2] was expected to be [3]"));
        Assert.That(() => x.Conv1d(Tensor.Zeros([3, 4, 2]), padding: int.MaxValue), Throws.TypeOf<ShapeException>().With.Message.Contains("there are 4294967299 steps"));
        Assert.That(() => x.Conv1d(Tensor.Zeros([4, 1, 2]), padding: int.MaxValue, groups: 4), Throws.TypeOf<ShapeException>().With.Message.Contains("there are 4294967299 steps"));
        Assert.That(() => x.Select(0, 0).Conv1d(Tensor.Zeros([3, 4, 2])), Throws.TypeOf<ShapeException>().With.Message.Contains("x was expected to be [batch, in, time]"));
        Assert.That(() => x.Conv1d(Tensor.Zeros([3, 4, 2], DType.Float64)), Throws.TypeOf<ShapeException>().With.Message.Contains("same type"));
        Assert.That(() => x.Conv1d(Tensor.Zeros([3, 4, 2]), stride: 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("stride of at least 1"));
        Assert.That(() => x.Conv1d(Tensor.Zeros([3, 4, 2]), padding: -1), Throws.TypeOf<ArgumentOutOfRangeException>());

        void Refuses(Tensor weight, string message, int groups = 1) =>
            Assert.That(() => x.Conv1d(weight, groups: groups), Throws.TypeOf<ShapeException>().With.Message.EqualTo(message));
    }
}
