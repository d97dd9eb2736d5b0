namespace NeuralMemory.Tests.Engine;

public class ShapeTests
{
    [Test]
    public void A_shape_is_its_sizes()
    {
        Shape shape = [2, 3, 4];
        Assert.Multiple(() =>
        {
            Assert.That(shape.Rank, Is.EqualTo(3));
            Assert.That(shape.Count, Is.EqualTo(24));
            Assert.That(shape[^1], Is.EqualTo(4));
            Assert.That(shape.ToString(), Is.EqualTo("[2, 3, 4]"));
            Assert.That(shape == [2, 3, 4], Is.True);
            Assert.That(shape != [2, 3], Is.True);
            Assert.That(shape.ContiguousStrides(), Is.EqualTo(new Shape([12, 4, 1])));
            Assert.That(shape.With(1, 7), Is.EqualTo(new Shape([2, 7, 4])));
            Assert.That(shape.Without(0), Is.EqualTo(new Shape([3, 4])));
            Assert.That(shape.Insert(3, 5), Is.EqualTo(new Shape([2, 3, 4, 5])));
            Assert.That(shape.Concat([5, 6]), Is.EqualTo(new Shape([2, 3, 4, 5, 6])));
            Assert.That(new Shape([]).Count, Is.EqualTo(1));
            Assert.That(new Shape([3, 0]).Count, Is.Zero);
        });
    }

    [Test]
    public void Shapes_broadcast_from_the_last_dimension()
    {
        Assert.That(Shape.Broadcast([4, 1, 5], [3, 1], "Add"), Is.EqualTo(new Shape([4, 3, 5])));
        Assert.That(Shape.Broadcast([], [2, 2], "Add"), Is.EqualTo(new Shape([2, 2])));
        Assert.That(() => Shape.Broadcast([2, 3], [4], "Add"),
            Throws.TypeOf<ShapeException>().With.Message.Contains("Add: [2, 3] and [4]").And.Message.Contains("dimension -1 is 3 in one and 4 in the other"));
    }

    [Test]
    public void Wrong_shapes_are_refused()
    {
        Assert.That(() => new Shape([1, 1, 1, 1, 1, 1, 1, 1, 1]), Throws.TypeOf<ShapeException>().With.Message.Contains("9 dimensions"));
        Assert.That(() => new Shape([1 << 20, 1 << 20]).Count, Throws.TypeOf<ShapeException>().With.Message.Contains("[1048576, 1048576]"));
        Assert.That(() => new Shape([2]).Dimension(1, "Sum"), Throws.TypeOf<ShapeException>().With.Message.Contains("Sum: dimension 1 of [2]"));
        Assert.That(() => Tensor.Zeros([2, -1]), Throws.TypeOf<ShapeException>().With.Message.Contains("negative"));
    }
}
