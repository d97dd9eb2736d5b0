namespace NeuralMemory.Tests.Kernels;

public class BinaryCrossEntropyTests
{
    [Test]
    public void Extreme_logits_cost_what_they_should()
    {
        using var _ = Tape.Step();
        Tensor x = Tensor.Persistent([4]);
        x.CopyFrom<float>([1000, -1000, 1000, -1000]);
        Tensor y = x.RequireGradient().BinaryCrossEntropyWithLogits(Tensor.From([1f, 0, 0, 1], [4]));
        y.Backward();
        Assert.That(y.Item(), Is.EqualTo(500));
        Assert.That(x.Gradient.ToArray(), Is.EqualTo((float[])[0, 0, .25f, -.25f]));
    }

    [Test]
    public void Arguments_that_do_not_fit()
    {
        using var _ = Tape.Step();
        Assert.That(() => Tensor.Zeros([2, 3]).BinaryCrossEntropyWithLogits(Tensor.Zeros([3, 2])),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("BinaryCrossEntropyWithLogits: [2, 3] and [3, 2]: the shapes must be the same."));
        Assert.That(() => Tensor.Zeros([2]).BinaryCrossEntropyWithLogits(Tensor.Zeros([2], DType.Float64)),
            Throws.TypeOf<ShapeException>().With.Message.Contains("both must have the same type"));
        Assert.That(() => Tensor.Zeros([0, 2]).BinaryCrossEntropyWithLogits(Tensor.Zeros([0, 2])),
            Throws.TypeOf<ShapeException>().With.Message.Contains("[0, 2] has no elements"));
    }
}
