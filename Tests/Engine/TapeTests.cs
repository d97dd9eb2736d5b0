namespace NeuralMemory.Tests.Engine;

[NonParallelizable]
public class TapeTests
{
    static Tensor Leaf(params float[] values) => Tensor.From(values, [values.Length]).RequireGradient();

    [Test]
    public void Gradients_accumulate_over_uses_and_over_calls()
    {
        Tensor x = Leaf(1, 2, 3);
        for (int call = 1; call <= 2; call++)
        {
            (x * x + x).Sum().Backward();
            Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 3 * call, 5 * call, 7 * call }));
        }
        x.ZeroGradient();
        Assert.That(x.Gradient.ToArray(), Is.All.Zero);
    }

    [Test]
    public void A_gradient_set_to_zero_is_written_anew()
    {
        Tensor x = Leaf(1, 2, 3);
        (x * x).Sum().Backward();
        x.ZeroGradient();
        Assert.That(x.HasGradient);
        (x * 3).Sum().Backward();
        Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(3));
        x.ZeroGradient();
        x.Slice(0, 1, 2).Sum().Backward();                              // a part of it
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 0, 1, 0 }));
    }

    [Test]
    public void The_gradient_given_to_Backward_is_left_as_it_is()
    {
        Tensor x = Leaf(1, 2, 3), dy = Tensor.From([1f, 10, 100], [3]);
        Tensor y = x * 2, kept = (x * 3).RetainGradient(), expanded = x * 5;
        y.Backward(dy);
        y.Backward(dy);
        Assert.That(y.HasGradient, Is.False);
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 4, 40, 400 }));
        kept.Backward(dy);
        kept.Backward(dy);
        Assert.That(kept.Gradient.ToArray(), Is.EqualTo(new float[] { 2, 20, 200 }));
        expanded.Backward(Tensor.From([1f], [1]).Expand([3]));
        x.Backward(dy);                                                 // a leaf: what is given is added to its own
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 4 + 3 + 3 + 5 + 1, 40 + 30 + 30 + 5 + 10, 400 + 300 + 300 + 5 + 100 }));
        Assert.That(dy.ToArray(), Is.EqualTo(new float[] { 1, 10, 100 }));
        using (Tape.Step())
        {
            Tensor within = Tensor.From([1f, 1, 1], [3]);
            (x * 2).Backward(within);
            Tensor next = Tensor.Zeros([3]);                            // would be given the memory, were it given back
            Assert.That(within.ToArray(), Is.All.EqualTo(1));
            Assert.That(next.ToArray(), Is.All.Zero);
        }
    }

    /// <summary>The gradient of the very tensor that it flows to: what is read is what it was before anything was added.</summary>
    [Test]
    public void The_gradient_given_to_Backward_may_be_one_that_is_added_to([Values("itself", "view", "detached", "view of the detached")] string given)
    {
        const int n = 70;
        Tensor x = Tensor.From([.. Enumerable.Range(0, n * n).Select(i => (float)i)], [n, n]).RequireGradient(), shift = Tensor.Zeros([n, n]);
        shift.CopyFrom<float>([.. Enumerable.Range(0, n * n).Select(i => i % n == (i / n + 1) % n ? 1f : 0)]);
        (x * x).Sum().Backward();                                       // 2 x
        Tensor g = given.Contains("detached") ? x.Gradient.Detach() : x.Gradient;
        x.MatMul(shift).Backward(given.Contains("view") ? g.Reshape([n * n]).Reshape([n, n]) : g);
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(Enumerable.Range(0, n * n).Select(i => 2f * i + 2 * (i / n * n + (i + 1 - i / n * n) % n))));
    }

    [Test]
    public void A_gradient_given_to_Backward_is_left_as_it_is_where_what_it_flows_to_is_dead()
    {
        Tensor x = Leaf(1, 2, 3), y, dy = Tensor.From([1f, 10, 100], [3]);
        using (Tape.Step())
        {
            Tensor within = x * 2;
            using (Tape.OutsideStep()) y = within * 3;
        }
        for (int call = 0; call < 2; call++) Assert.That(() => y.Backward(dy), Throws.InvalidOperationException.Or.TypeOf<ObjectDisposedException>());
        Assert.That(y.HasGradient, Is.False);
        Assert.That(dy.ToArray(), Is.EqualTo(new float[] { 1, 10, 100 }));
    }

    [Test]
    public void Intermediate_gradients_are_kept_on_request_only()
    {
        Tensor x = Leaf(1, 2), y = x * 2, z = (y * 3).RetainGradient();
        z.Sum().Backward();
        Assert.That(y.HasGradient, Is.False);
        Assert.That(() => y.Gradient, Throws.InvalidOperationException.With.Message.Contains("retain"));
        Assert.That(z.Gradient.ToArray(), Is.All.EqualTo(1));
        Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(6));
    }

    [Test]
    public void Nothing_is_recorded_without_need()
    {
        Tensor x = Leaf(1, 2);
        using (Tape.NoGradient()) Assert.That((x * 2).RequiresGradient, Is.False);
        Assert.That((x.Detach() * 2).RequiresGradient, Is.False);
        Assert.That((x * 2).RequiresGradient, Is.True);
        Assert.That(() => (x.Detach() * 2).Sum().Backward(), Throws.InvalidOperationException.With.Message.Contains("requires a gradient"));
        Assert.That(() => (x * 2).Backward(), Throws.InvalidOperationException.With.Message.Contains("[2] has 2 elements"));
        Assert.That(() => (x * 2).Backward(Tensor.Ones([3])), Throws.TypeOf<ShapeException>().With.Message.Contains("[3]").And.Message.Contains("[2]"));
        Assert.That(() => (x * 2).RequireGradient(), Throws.InvalidOperationException.With.Message.Contains("Mul"));
        Assert.That(() => Tensor.Range(0, 3).RequireGradient(), Throws.InvalidOperationException.With.Message.Contains("Int32"));
    }

    [Test]
    public void A_tensor_used_after_its_step_says_so()
    {
        Tensor x = Leaf(1, 2), inner, kept;
        using (Tape.Step())
        {
            inner = x * 2;
            kept = inner.Keep();
        }
        Assert.That(inner.IsAlive, Is.False);
        Assert.That(() => inner.ToArray(), Throws.InvalidOperationException.With.Message.Contains("step that has ended"));
        Assert.That(() => inner + x, Throws.InvalidOperationException.With.Message.Contains("step that has ended"));
        Assert.That(inner.ToString(), Does.Contain("ended"));
        Assert.That(kept.ToArray(), Is.EqualTo(new float[] { 2, 4 }));
        Assert.That(() => default(Tensor).Shape, Throws.InvalidOperationException.With.Message.Contains("never given a value"));
        using (Tape.Step())
        {
            Tensor reused = x * 5;
            Assert.That(() => inner.ToArray(), Throws.InvalidOperationException, "its memory belongs to another tensor now");
            Assert.That(reused.ToArray(), Is.EqualTo(new float[] { 5, 10 }));
        }
    }

    [Test]
    public void Steps_nest_and_end_in_order()
    {
        Tensor x = Leaf(3);
        using (Tape.Step())
        {
            Tensor outer = x * 2, inner;
            using (Tape.Step()) inner = outer * 2;
            Assert.That(inner.IsAlive, Is.False);
            Assert.That(outer.Item(), Is.EqualTo(6));
            outer.Sum().Backward();
        }
        Assert.That(x.Gradient.Item(), Is.EqualTo(2));

        Tape.Scope first = Tape.Step(), second = Tape.Step();
        Assert.That(() => first.Dispose(), Throws.InvalidOperationException.With.Message.Contains("begun within it"));
        second.Dispose();
        first.Dispose();
        Assert.That(() => first.Dispose(), Throws.InvalidOperationException.With.Message.Contains("once"));
    }

    [Test]
    public void Parameters_made_within_a_step_outlive_it()
    {
        Tensor persistent, outside;
        using (Tape.Step())
        {
            persistent = Tensor.Persistent([2]);
            using (Tape.OutsideStep()) outside = Tensor.Ones([2]) + 1;
        }
        Assert.That(persistent.ToArray(), Is.All.Zero);
        Assert.That(outside.ToArray(), Is.All.EqualTo(2));
    }

    [Test]
    public void Non_finite_values_are_caught_where_they_arise()
    {
        Tensor x = Leaf(1, -1, 2);
        using (Tape.DetectNonFinite())
        {
            NonFiniteException thrown = Assert.Throws<NonFiniteException>(() => _ = (x.Log() * 0).Exp())!;
            Assert.That(thrown.Operation, Is.EqualTo("Log"));
            Assert.That(thrown.Message, Does.Contain("output 0, [3], is NaN at [1]").And.Contain("[3] from -1 to 2"));

            Tensor zero = Leaf(0);
            Tensor root = zero.Sqrt().Sum();
            thrown = Assert.Throws<NonFiniteException>(() => root.Backward())!;
            Assert.That(thrown.Message, Does.Contain("Sqrt").And.Contain("the gradient of input 0"));
        }
        Assert.That(x.Log().ToArray()[1], Is.NaN);
    }

    [Test]
    public void A_step_takes_no_memory_once_the_longest_has_been_seen()
    {
        Tensor weight = Tensor.Persistent([20, 20]).RequireGradient();
        weight.Fill(.01);
        Tensor input = Tensor.Persistent([40, 20]);
        void Step(int length)
        {
            using (Tape.Step())
            {
                Tensor h = input.Slice(0, 0, 1).MatMul(weight);
                for (int t = 1; t < length; t++) h = (h.MatMul(weight) + input.Slice(0, t, t + 1)).Tanh();
                weight.ZeroGradient();
                h.Sum().Backward();
            }
        }
        for (int i = 0; i < 3; i++) Step(40);
        for (int length = 1; length < 40; length++) Step(length);              // compiled and tiered as far as it will be
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long native = Storage.TotalBytes, managed = GC.GetAllocatedBytesForCurrentThread();
        for (int repeat = 0; repeat < 50; repeat++)                               // enough steps that memory not used again would overflow any block
            for (int length = 1; length <= 40; length++) Step(length);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - managed, Is.Zero);
        Assert.That(Storage.TotalBytes, Is.EqualTo(native));
    }

    [Test]
    public void Threads_have_tapes_of_their_own()
    {
        float[][] results = new float[4][];
        Thread[] threads = [.. Enumerable.Range(0, results.Length).Select(i => new Thread(() =>
        {
            Tensor x = Tensor.From([1f, 2, 3], [3]).RequireGradient();
            for (int step = 0; step < 200; step++)
                using (Tape.Step())
                {
                    x.ZeroGradient();
                    (x * x * (i + 1)).Sum().Backward();
                }
            results[i] = x.Gradient.ToArray();
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        for (int i = 0; i < results.Length; i++) Assert.That(results[i], Is.EqualTo(new float[] { 2 * (i + 1), 4 * (i + 1), 6 * (i + 1) }));

        Tape.Scope scope = Tape.Step();
        Exception? caught = null;
        Thread other = new(() => caught = Assert.Catch(scope.Dispose));
        other.Start();
        other.Join();
        scope.Dispose();
        Assert.That(caught, Is.TypeOf<InvalidOperationException>().With.Message.Contains("thread"));
    }

    [Test]
    public void Several_roots_are_differentiated_at_once()
    {
        Tensor x = Leaf(2, 3);
        Tensor y = x * x, z = y + x;
        Tape.Backward([y, z], [Tensor.From([1f, 0], [2]), Tensor.From([0f, 1], [2])]);
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 4, 7 }));
    }

    [Test]
    public void A_root_s_gradient_may_be_that_of_another_root()
    {
        Tensor x = Leaf(2, 3), y = x * x;
        x.Sum().Backward();
        Tape.Backward([x, y], [Tensor.From([5f, 7], [2]), x.Gradient]);
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new float[] { 1 + 5 + 4, 1 + 7 + 6 }));
    }

    /// <summary>Every pass hands on its own gradient only; what is retained is the sum over the passes.</summary>
    [Test]
    public void A_retained_gradient_is_not_handed_on_again([Values] bool step)
    {
        using Tape.Scope? scope = step ? Tape.Step() : null;
        Tensor w = Leaf(1, 1), h = (w * 3).RetainGradient();
        Tensor first = h.Sum(), second = (h * 2).Sum();
        first.Backward();
        second.Backward();
        Assert.That(w.Gradient.ToArray(), Is.EqualTo(new float[] { 9, 9 }));
        Assert.That(h.Gradient.ToArray(), Is.EqualTo(new float[] { 3, 3 }));

        Tensor x = Leaf(1, 1), y = (x * 2).RetainGradient(), z = (y * 3).Sum();
        z.Backward();
        z.Backward();
        Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(12));
        Assert.That(y.Unsqueeze(0).Gradient.Shape, Is.EqualTo(new Shape([1, 2])));
        Assert.That(y.Unsqueeze(0).Gradient.ToArray(), Is.All.EqualTo(6));
        y.ZeroGradient();
        Assert.That(y.HasGradient);
        Assert.That(y.Gradient.ToArray(), Is.All.Zero);
        z.Backward();
        Assert.That(y.Gradient.ToArray(), Is.All.EqualTo(3));
        Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(18));

        Tensor leaf = Leaf(5), root = (leaf * 2).RetainGradient();
        root.Backward();
        root.Backward();
        Assert.That(leaf.Gradient.Item(), Is.EqualTo(4));
        Assert.That(root.Gradient.Item(), Is.EqualTo(2));
    }

    [Test]
    public void Non_finite_values_are_sought_in_the_gradients_of_expanded_tensors()
    {
        Tensor p = Leaf(0, 2, 3), q = Tensor.Ones([4, 3]);
        for (int step = 0; step < 3; step++)
        {
            using (Tape.DetectNonFinite())
            using (Tape.Step())
                (p.Expand([4, 3]) * q).Sum().Backward();
            Assert.That(p.Gradient.ToArray(), Is.All.EqualTo(4 * (step + 1)));
        }
        Tensor root = p.Expand([4, 3]).Sqrt().Sum();
        using (Tape.DetectNonFinite())
            Assert.That(() => root.Backward(), Throws.TypeOf<NonFiniteException>().With.Message.Contains("Sqrt: the gradient of input 0, [4, 3], is").And.Message.Contains("at [0, 0]"));
    }

    [Test]
    public void A_backward_pass_that_throws_leaves_nothing_behind([Values] bool step)
    {
        using Tape.Scope? scope = step ? Tape.Step() : null;
        Tensor x = Leaf(0, 1, 4), loss = (x.Sqrt() * 1).Sum();
        using (Tape.DetectNonFinite()) Assert.Throws<NonFiniteException>(() => loss.Backward());
        x.ZeroGradient();
        loss.Backward();
        Assert.That(x.Gradient.ToArray(), Is.EqualTo(new[] { float.PositiveInfinity, .5f, .25f }));

        Tensor a = Leaf(1), b = Leaf(2), y = a * 2, z = b * 3;
        Assert.Throws<ShapeException>(() => Tape.Backward([y, z], [Tensor.Ones([1]), Tensor.Ones([2])]));
        Tape.Backward([y, z], [Tensor.Ones([1]), Tensor.Ones([1])]);
        Assert.That((a.Gradient.Item(), b.Gradient.Item()), Is.EqualTo((2, 3)));
    }

    /// <summary>y = x, which throws on the way back when it is told to, having asked for the gradient of its input.</summary>
    sealed class Throwing : Operation<Throwing>
    {
        public static bool Throws;

        public static Tensor Apply(Tensor x)
        {
            Tensor y = Tensor.Empty(x.Shape, x.DType);
            y.CopyFrom(x);
            Record(y, x);
            return y;
        }

        protected override void Backward()
        {
            Tensor gradient = InputGradient(0);
            if (Throws) throw new InvalidDataException();
            gradient.Backend.Add(OutputGradient(), gradient);
        }
    }

    [Test]
    public void An_operation_that_has_thrown_serves_again()
    {
        Tensor x = Leaf(1, 2, 3);
        for (int step = 0; step < 3; step++)
            using (Tape.Step())
            {
                Tensor loss = Throwing.Apply(x.Expand([4, 3])).Sum();
                Throwing.Throws = step == 0;
                if (Throwing.Throws) Assert.Throws<InvalidDataException>(() => loss.Backward());
                else loss.Backward();
            }
        Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(8));

        Tensor outside = Throwing.Apply(x.Expand([4, 3])).Sum();
        x.ZeroGradient();
        Throwing.Throws = true;
        Assert.Throws<InvalidDataException>(() => outside.Backward());
        Throwing.Throws = false;
        outside.Backward();
        Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(4));
    }

    [Test]
    public void Gradients_outlive_the_step_of_the_backward_pass_where_their_tensors_do()
    {
        Tensor x, h;
        using (Tape.Step())
        {
            x = Tensor.Zeros([3]).RequireGradient();
            h = (x + 1).RetainGradient();
            using (Tape.Step()) h.Square().Sum().Backward();
            Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(2));
            using (Tape.Step()) h.Sum().Backward();
            (x * 2).Sum().Backward();
            Tensor other = Tensor.Full([3], 7);                            // would be given their memory, were it free
            Assert.That(x.Gradient.ToArray(), Is.All.EqualTo(5));
            Assert.That(h.Gradient.ToArray(), Is.All.EqualTo(3));

            float[]? elsewhere = null;
            Tensor leaf = Tensor.Zeros([3]).RequireGradient();
            Thread thread = new(() =>
            {
                using (Tape.Step()) (leaf * 2).Sum().Backward();
                elsewhere = leaf.Gradient.ToArray();
            });
            thread.Start();
            thread.Join();
            Assert.That(elsewhere, Is.All.EqualTo(2));
            Assert.That(leaf.Gradient.Body.Arena, Is.Null, "another thread does not touch this step's memory");
        }
        Assert.That(x.IsAlive, Is.False);
    }

    [Test]
    public void Where_there_are_no_elements_gradients_are_zeros()
    {
        foreach ((int queries, int keys) in ((int, int)[])[(0, 4), (3, 0), (0, 0)])
        {
            Tensor q = Tensor.Ones([queries, 2]).RequireGradient(), k = Tensor.Ones([keys, 2]).RequireGradient(), v = Tensor.Ones([keys, 5]).RequireGradient();
            (q * 1).ScaledDotProductAttention(k, v * 1).Sum().Backward();
            foreach (Tensor leaf in (Tensor[])[q, k, v]) Assert.That(leaf.Gradient.ToArray(), Is.EqualTo(new float[leaf.Count]), $"{queries} queries, {keys} keys, {leaf.Shape}");
        }
        Tensor x = Tensor.Ones([0, 2, 5]).RequireGradient(), weight = Tensor.Ones([3, 2, 3]).RequireGradient(), bias = Tensor.Ones([3]).RequireGradient();
        x.Conv1d(weight, bias).Sum().Backward();
        foreach (Tensor leaf in (Tensor[])[x, weight, bias]) Assert.That(leaf.Gradient.ToArray(), Is.EqualTo(new float[leaf.Count]), $"{leaf.Shape}");
    }

    [Test]
    public void Modes_end_in_order()
    {
        Func<Tape.Scope>[] modes = [Tape.NoGradient, Tape.Step, Tape.OutsideStep, Tape.DetectNonFinite, () => Backend.Use(CpuBackend.Instance)];
        foreach (Func<Tape.Scope> outer in modes)
            foreach (Func<Tape.Scope> inner in modes)
            {
                Tape.Scope first = outer(), second = inner();
                Assert.That(() => first.Dispose(), Throws.InvalidOperationException.With.Message.Contains("begun within it"));
                second.Dispose();
                Assert.That(() => second.Dispose(), Throws.InvalidOperationException.With.Message.Contains("once"));
                first.Dispose();
                using (Tape.NoGradient()) Assert.That(() => first.Dispose(), Throws.InvalidOperationException.With.Message.Contains("once"));
                Assert.That(Tape.IsRecording);
            }
        Assert.That(() => default(Tape.Scope).Dispose(), Throws.InvalidOperationException);
    }
}
