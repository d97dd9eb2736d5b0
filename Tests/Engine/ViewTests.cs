namespace NeuralMemory.Tests.Engine;

public class ViewTests
{
    static Tensor Counting(Shape shape) => Tensor.From(Enumerable.Range(0, shape.Count).Select(i => (float)i).ToArray(), shape);

    [Test]
    public void Views_show_the_same_elements_under_other_indices()
    {
        Tensor x = Counting([2, 3, 4]);
        Assert.Multiple(() =>
        {
            Assert.That(x.Transpose(0, 2)[3, 1, 0], Is.EqualTo(x[0, 1, 3]));
            Assert.That(x.Permute(2, 0, 1)[3, 1, 2], Is.EqualTo(x[1, 2, 3]));
            Assert.That(x.Slice(-1, 1, 4, 2).ToArray(), Is.EqualTo(new float[] { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23 }));
            Assert.That(x.Select(1, ^1).ToArray(), Is.EqualTo(new float[] { 8, 9, 10, 11, 20, 21, 22, 23 }));
            Assert.That(x.Unsqueeze(-1).Shape, Is.EqualTo(new Shape([2, 3, 4, 1])));
            Assert.That(x.Unsqueeze(1).Squeeze(1).ToArray(), Is.EqualTo(x.ToArray()));
            Assert.That(Counting([3, 1]).Expand([2, 3, 2]).ToArray(), Is.EqualTo(new float[] { 0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2 }));
            Assert.That(x.T.ToArray()[..6], Is.EqualTo(new float[] { 0, 4, 8, 1, 5, 9 }));
        });
    }

    [Test]
    public void Views_of_large_steps_and_of_nothing()
    {
        Assert.That(Counting([5]).Slice(0, 1, 5, int.MaxValue).ToArray(), Is.EqualTo(new float[] { 1 }));
        Assert.That(Counting([5]).Slice(0, 3, 3, 2).Shape, Is.EqualTo(new Shape([0])));
        Assert.That(Tensor.Zeros([0, 3, 4]).Flatten(1).Shape, Is.EqualTo(new Shape([0, 12])));
        Assert.That(Counting([2, 3, 4]).Flatten(0, 1).Shape, Is.EqualTo(new Shape([6, 4])));
        Assert.That(Counting([2, 3, 4]).Flatten().Shape, Is.EqualTo(new Shape([24])));
    }

    [Test]
    public void Threads_view_a_step_s_tensor_at_once()
    {
        using (Tape.Step())
        {
            Tensor x = Counting([5, 4, 7]) + 0;
            float[] expected = x.Reshape([20, 7]).Sum(0).ToArray();
            Exception? caught = null;
            Thread[] threads = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
            {
                try
                {
                    for (int i = 0; i < 5000; i++)
                        using (Tape.Step()) Assert.That(x.Reshape([20, 7]).T.Sum(1).ToArray(), Is.EqualTo(expected));
                }
                catch (Exception e)
                {
                    caught = e;
                }
            }))];
            foreach (Thread thread in threads) thread.Start();
            for (int i = 0; i < 5000; i++) _ = x.T;
            foreach (Thread thread in threads) thread.Join();
            Assert.That(caught, Is.Null);
        }
    }

    [TestCase(new[] { 2, 3, 4 }, new[] { 6, 4 })]
    [TestCase(new[] { 2, 3, 4 }, new[] { 3, -1 })]
    [TestCase(new[] { 4, 6 }, new[] { 3, 8 })]
    [TestCase(new[] { 1, 6, 1 }, new[] { 2, 1, 3 })]
    [TestCase(new[] { 0, 3 }, new[] { 3, 0 })]
    public void Contiguous_tensors_reshape_without_copying(int[] from, int[] to)
    {
        Tensor x = Counting(new(from));
        Assert.That(x.TryView(new(to), out Tensor view), Is.True);
        Assert.That(view.ToArray(), Is.EqualTo(x.ToArray()));
    }

    [Test]
    public void Strided_tensors_reshape_as_views_exactly_where_their_strides_allow_it()
    {
        Tensor x = Counting([4, 6]);
        Assert.That(x.Slice(1, 0, 4).TryView([2, 2, 2, 2], out Tensor split), Is.True);
        Assert.That(split.ToArray(), Is.EqualTo(x.Slice(1, 0, 4).ToArray()));
        Assert.That(x.Slice(0, 1, 3).TryView([12], out Tensor joined), Is.True);
        Assert.That(joined.ToArray(), Is.EqualTo(x.Slice(0, 1, 3).ToArray()));
        Assert.That(x.Slice(1, 0, 4).TryView([16], out _), Is.False);
        Assert.That(x.T.TryView([24], out _), Is.False);
        Assert.That(x.T.Reshape([24]).ToArray(), Is.EqualTo(x.T.ToArray()));
        Assert.That(x.Select(1, 2).Expand([3, 4]).Reshape([12]).ToArray(), Is.EqualTo(x.Select(1, 2).Expand([3, 4]).ToArray()));
    }

    [Test]
    public void The_gradient_of_a_view_is_that_view_of_its_base_s_gradient()
    {
        Tensor x = Tensor.Persistent([3, 4]).RequireGradient();
        using (Tape.Step())
        {
            Tensor corner = x.T.Slice(0, 1, 3).Select(1, 2);                       // x[2, 1..3]
            (corner * corner + 2 * corner).Sum().Backward();
            Assert.That(corner.Gradient.ToArray(), Is.EqualTo(new float[] { 2, 2 }));
        }
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0 }));
    }

    [Test]
    public void The_gradient_of_an_expanded_view_is_summed()
    {
        Tensor x = Tensor.From([1f, 2], [2, 1]).RequireGradient();
        (x.Expand([5, 2, 3]).Slice(0, 1, 4) * 2).Sum().Backward();
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 18, 18 }));
    }

    [Test]
    public void A_detached_view_has_the_same_values_and_no_gradient()
    {
        Tensor x = Counting([3, 4]).RequireGradient();
        Tensor detached = x.T.Slice(0, 1, 3).Detach();
        Assert.That(detached.RequiresGradient, Is.False);
        Assert.That(detached.ToArray(), Is.EqualTo(x.T.Slice(0, 1, 3).ToArray()));
        Tensor own = detached.RequireGradient();
        (own * 3).Sum().Backward();
        Assert.That(own.Gradient.ToArray(), Is.All.EqualTo(3));
        Assert.That(x.HasGradient, Is.False);
    }

    [Test]
    public void Bad_views_say_what_was_expected()
    {
        Tensor x = Counting([2, 3]);
        Assert.Multiple(() =>
        {
            Assert.That(() => x.Slice(1, 1, 4), Throws.TypeOf<ShapeException>().With.Message.Contains("1 to 4 by 1 in dimension 1 of [2, 3]"));
            Assert.That(() => x.Select(0, 2), Throws.TypeOf<ShapeException>().With.Message.Contains("index 2 in dimension 0 of [2, 3]: 0 to 1"));
            Assert.That(() => x.Permute(0, 0), Throws.TypeOf<ShapeException>().With.Message.Contains("order [0, 0] for [2, 3]"));
            Assert.That(() => x.Squeeze(0), Throws.TypeOf<ShapeException>().With.Message.Contains("has size 2"));
            Assert.That(() => Tensor.Ones([1, 3]).Expand([-1, 3]), Throws.TypeOf<ShapeException>().With.Message.Contains("[1, 3] to [-1, 3]"));
            Assert.That(() => x.Flatten(1, 0), Throws.TypeOf<ShapeException>().With.Message.Contains("dimensions 1 to 0 of [2, 3]"));
            Assert.That(() => x.Expand([4, 3]), Throws.TypeOf<ShapeException>().With.Message.Contains("[2, 3] to [4, 3]"));
            Assert.That(() => x.Reshape([4, -1]), Throws.TypeOf<ShapeException>().With.Message.Contains("[2, 3] with 6 elements does not fit [4, -1]"));
            Assert.That(() => x.Transpose(0, 2), Throws.TypeOf<ShapeException>().With.Message.Contains("dimension 2 of [2, 3]"));
            Assert.That(() => x.Unsqueeze(4), Throws.TypeOf<ShapeException>());
            Assert.That(() => x[0], Throws.TypeOf<ShapeException>().With.Message.Contains("1 indices for [2, 3]"));
            Assert.That(() => x[0, 3], Throws.TypeOf<ShapeException>().With.Message.Contains("index 3 in dimension 1"));
            Assert.That(() => x.Item(), Throws.TypeOf<ShapeException>().With.Message.Contains("6 elements"));
        });
    }
}
