namespace NeuralMemory.Tests.Kernels;

[NonParallelizable]
public class AttentionTests
{
    [Test]
    public void Is_as_exact_as_if_composed([Values(63, 300)] int length, [Values] bool causal, [Values(1, 6)] double size)
    {
        Philox random = new(1);
        Tensor[] inputs = [.. Enumerable.Range(0, 3).Select(_ => random.Uniform([2, length, 33], -size, size))];
        Tensor projection = random.Uniform([2, length, 33], -1, 1);
        double[][] reference = Evaluate(DType.Float64, composed: true), composed = Evaluate(DType.Float32, composed: true), fused = Evaluate(DType.Float32, composed: false);
        for (int i = 0; i < 4; i++)
            Assert.That(Error(fused[i], reference[i]), Is.LessThanOrEqualTo((i == 0 ? 2 : 3) * Error(composed[i], reference[i])), i == 0 ? "value" : $"gradient of input {i - 1}");

        double[][] Evaluate(DType type, bool composed)
        {
            Tensor[] x = [.. inputs.Select(input => Leaf(input, type))];
            Tensor y = composed ? x[0].AttentionWeights(x[1], causal: causal).MatMul(x[2]) : x[0].ScaledDotProductAttention(x[1], x[2], causal: causal);
            y.Backward(projection.To(type));
            return [y.ToArray<double>(), .. x.Select(leaf => leaf.Gradient.ToArray<double>())];
        }

        static double Error(double[] actual, double[] expected) => actual.Zip(expected, (a, e) => Math.Abs(a - e)).Max();
    }

    static Tensor Leaf(Tensor x, DType type = DType.Float32)
    {
        Tensor leaf = Tensor.Persistent(x.Shape, type);
        leaf.CopyFrom(x);
        return leaf.RequireGradient();
    }

    [Test]
    public void Weights_add_up_to_1_and_masks_are_of_one_meaning()
    {
        Philox random = new(2);
        Tensor q = random.Uniform([2, 3, 150, 8]), k = random.Uniform([2, 3, 150, 8]), v = random.Uniform([2, 3, 150, 8]);
        Tensor triangle = Tensor.Range(0, 150) <= Tensor.Range(0, 150).Unsqueeze(-1), additive = Tensor.Where(triangle, Tensor.Zeros([]), Tensor.Full([], double.NegativeInfinity));
        float[] expected = q.ScaledDotProductAttention(k, v, causal: true).ToArray();
        Assert.That(q.AttentionWeights(k, causal: true).Sum(-1).ToArray(), Is.All.EqualTo(1).Within(1e-5));
        Assert.That(q.ScaledDotProductAttention(k, v, triangle).ToArray(), Is.EqualTo(expected).Within(1e-6));
        Assert.That(q.ScaledDotProductAttention(k, v, additive).ToArray(), Is.EqualTo(expected).Within(1e-6));
        Assert.That(q.AttentionWeights(k, triangle).MatMul(v).ToArray(), Is.EqualTo(expected).Within(1e-5));

        Tensor seen = Tensor.Where(Tensor.Range(0, 150) < 100, Tensor.Ones([]), Tensor.Zeros([])).Expand([2, 150]).To(DType.Int32);
        float[] shorter = q.ScaledDotProductAttention(k.Slice(2, 0, 100), v.Slice(2, 0, 100)).ToArray();
        Assert.That(q.ScaledDotProductAttention(k, v, keyPadding: seen).ToArray(), Is.EqualTo(shorter).Within(1e-6));
        Assert.That(q.AttentionWeights(k, keyPadding: seen).MatMul(v).ToArray(), Is.EqualTo(shorter).Within(1e-5));
    }

    [Test]
    public void A_query_that_sees_nothing_gets_zeros()
    {
        Philox random = new(3);
        Tensor q = Leaf(random.Uniform([2, 5, 8])), k = Leaf(random.Uniform([2, 9, 8])), v = Leaf(random.Uniform([2, 9, 8]));
        Tensor padding = Tensor.From([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0], [2, 9]);
        Tensor y = q.ScaledDotProductAttention(k, v, keyPadding: padding);
        y.Backward(Tensor.Ones(y.Shape));
        Assert.That(y.Select(0, 0).ToArray(), Is.All.Zero);
        Assert.That(y.Select(0, 1).ToArray(), Is.All.Not.Zero);
        foreach (Tensor x in (Tensor[])[q, k, v])
        {
            Assert.That(x.Gradient.Select(0, 0).ToArray(), Is.All.Zero);
            Assert.That(x.Gradient.Select(0, 1).Slice(0, 0, 5).ToArray(), Is.All.Matches<float>(float.IsFinite));
        }
        Assert.That(q.AttentionWeights(k, keyPadding: padding).Select(0, 0).ToArray(), Is.All.Zero);
        Assert.That(k.ScaledDotProductAttention(q, q, causal: true).Slice(1, 0, 4).ToArray(), Is.All.Zero, "fewer keys than queries");
    }

    [Test]
    public void With_a_cache_the_last_query_sees_every_key()
    {
        Philox random = new(4);
        Tensor q = random.Uniform([2, 140, 8]), k = random.Uniform([2, 140, 8]), v = random.Uniform([2, 140, 8]);
        float[] all = q.ScaledDotProductAttention(k, v, causal: true).Slice(1, 130, 140).ToArray();
        Assert.That(q.Slice(1, 130, 140).ScaledDotProductAttention(k, v, causal: true).ToArray(), Is.EqualTo(all).Within(1e-6));
    }

    [Test]
    public void Scores_of_any_size_are_safe()
    {
        Tensor q = Leaf(Tensor.From([1e15f, -1e15f], [2, 1])), k = Leaf(Tensor.From([1e15f, 0, -1e15f], [3, 1])), v = Leaf(Tensor.From([1f, 2, 3], [3, 1]));
        Tensor y = q.ScaledDotProductAttention(k, v);
        y.Backward(Tensor.Ones(y.Shape));
        Assert.That(y.ToArray(), Is.EqualTo((float[])[1, 3]));
        Assert.That(v.Gradient.ToArray(), Is.EqualTo((float[])[1, 0, 1]));
        Assert.That(q.Gradient.ToArray(), Is.All.Zero);
    }

    [Test]
    public void The_largest_score_is_found_at_any_place([Range(1, 6)] int keys)
    {
        Tensor q = Tensor.Full([9, 1], 1e15), v = Tensor.Range(1, keys).To(DType.Float32).Unsqueeze(-1);
        for (int place = 0; place < keys; place++)
        {
            Tensor k = Tensor.Zeros([keys, 1]);
            k.Slice(0, place, place + 1).Fill(1e15);
            Assert.That(q.ScaledDotProductAttention(k, v).ToArray(), Is.All.EqualTo(place + 1));
        }
    }

    [Test]
    public void Few_matrices_and_many_have_the_same_bits([Values] bool causal)
    {
        Tensor q = KernelTesting.Random([1, 2, 300, 16], 1), k = KernelTesting.Random([1, 2, 300, 16], 2), v = KernelTesting.Random([1, 2, 300, 16], 3);
        KernelTesting.AssertSameBits(x => x[0].ScaledDotProductAttention(x[1], x[2], causal: causal), q, k, v);
    }

    /// <summary>Sequences that look at the next one, whose gradients as queries and as keys add up in memory that two matrices share; and at themselves in part.</summary>
    [Test]
    public void Queries_and_keys_that_share_memory_have_the_same_bits([Values] bool causal)
    {
        Tensor x = KernelTesting.Random([9, 40, 16], 1);
        KernelTesting.AssertSameBits(x => x[0].Slice(0, 0, 8).ScaledDotProductAttention(x[0].Slice(0, 1, 9), x[0].Slice(0, 1, 9), causal: causal), x);
        KernelTesting.AssertSameBits(x => x[0].Slice(1, 20, 40).ScaledDotProductAttention(x[0], x[0], causal: causal), x);
        KernelTesting.AssertSameBits(x => x[0].ScaledDotProductAttention(x[0].Slice(1, 0, 30), x[0].Slice(1, 10, 40), causal: causal), x);
        KernelTesting.AssertSameBits(x => x[0].Slice(2, 0, 8).ScaledDotProductAttention(x[0].Slice(2, 4, 12), x[0].Slice(2, 8, 16), causal: causal), x);
    }

    /// <summary>Where all scores are the least number, rounding leaves nothing of q k^T: all keys have the same weight.</summary>
    [Test]
    public void The_least_number_as_a_mask_hides_keys_unless_it_hides_all()
    {
        Tensor q = KernelTesting.Random([6, 64], 1), k = KernelTesting.Random([5, 64], 2), v = KernelTesting.Random([5, 3], 3), mask = Tensor.Zeros([6, 5]);
        float[] values = new float[30];
        values.AsSpan(0, 5).Fill(float.MinValue);                       // the first query: all
        values.AsSpan(5, 3).Fill(float.MinValue);                       // the second: three
        mask.CopyFrom<float>(values);
        float[] y = q.ScaledDotProductAttention(k, v, mask).ToArray();
        Assert.That(y, Is.EqualTo(q.AttentionWeights(k, mask).MatMul(v).ToArray()).Within(1e-5));
        Assert.That(y[..3], Is.EqualTo(v.Mean(0).ToArray()).Within(1e-6));
        Assert.That(y[3..6], Is.EqualTo(q.Slice(0, 1, 2).ScaledDotProductAttention(k.Slice(0, 3, 5), v.Slice(0, 3, 5)).ToArray()).Within(1e-6));
    }

    [Test]
    public void Memory_does_not_grow_with_the_product_of_the_lengths()
    {
        Tensor x = Tensor.Persistent([1, 6000, 4]).RequireGradient();
        long before = Storage.TotalBytes;
        x.ScaledDotProductAttention(x, x, causal: true).Sum().Backward();
        Assert.That(Storage.TotalBytes - before, Is.LessThan(6000L * 6000), "bytes: a score matrix would take four times as many");
    }

    [Test]
    public void Arguments_that_do_not_fit()
    {
        Tensor q = Tensor.Zeros([2, 3, 4]), k = Tensor.Zeros([2, 5, 4]);
        Refuses(() => q.ScaledDotProductAttention(Tensor.Zeros([2, 5, 3]), k), "q [2, 3, 4], k [2, 5, 3] and v [2, 5, 4]: q has vectors of 4 numbers and k of 3.");
        Refuses(() => q.ScaledDotProductAttention(k, Tensor.Zeros([2, 6, 4])), "q [2, 3, 4], k [2, 5, 4] and v [2, 6, 4]: there are 5 keys but 6 values.");
        Refuses(() => q.ScaledDotProductAttention(Tensor.Zeros([1, 5, 4]), k), "q [2, 3, 4], k [1, 5, 4] and v [2, 5, 4]: all dimensions but the last two must be the same.");
        Refuses(() => q.ScaledDotProductAttention(k.Select(0, 0), k), "q [2, 3, 4], k [5, 4] and v [2, 5, 4]: [.., Lq, d], [.., Lk, d] and [.., Lk, dv] were expected.");
        Refuses(() => q.ScaledDotProductAttention(k, k, Tensor.Zeros([5, 3])), "q [2, 3, 4] and k [2, 5, 4]: the mask [5, 3] does not broadcast to the scores [2, 3, 5].");
        Refuses(() => q.ScaledDotProductAttention(k, k, Tensor.Zeros([3, 5], DType.Float64)), "the mask [3, 5] is Float64; Int32 or, as q, Float32 was expected.");
        Refuses(() => q.ScaledDotProductAttention(k, k, window: 0), "a window of 0 keys: at least 1 was expected.");
        Refuses(() => Tensor.Zeros([1, 6, 3, 4]).ScaledDotProductAttention(Tensor.Zeros([1, 4, 5, 4]), Tensor.Zeros([1, 4, 5, 4])),
            "q [1, 6, 3, 4], k [1, 4, 5, 4] and v [1, 4, 5, 4]: all dimensions but the last two must be the same.");
        Refuses(() => q.AttentionWeights(k, keyPadding: Tensor.Zeros([3, 5])), "q [2, 3, 4] and k [2, 5, 4]: the keyPadding [3, 5] was expected to be [batch, Lk], [2, 5].");
        Refuses(() => q.ScaledDotProductAttention(k, k, Tensor.Persistent([3, 5]).RequireGradient()), "a mask requires a gradient, and attention computes none for it. Detach it, or compose attention of AttentionWeights and MatMul.");

        static void Refuses(Func<Tensor> attention, string message) =>
            Assert.That(() => attention(), Throws.TypeOf<ShapeException>().With.Message.EqualTo("ScaledDotProductAttention: " + message));
    }
}
