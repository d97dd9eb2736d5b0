using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models.Layers;

using NeuralMemory.Layers;

public sealed class AttentionTests
{
    readonly MultiHeadAttention attention = new(6, 3, new Philox(1));

    [Test]
    public void Weights_sum_to_one_and_are_zero_where_nothing_may_be_seen()
    {
        Tensor x = KernelTesting.Random([2, 5, 6], 1) * 30, seen = Tensor.From([1, 1, 1, 0, 1, 1, 0, 1, 1, 0], [2, 5]);
        using (Tape.Step())
        {
            Tensor weights = attention.Run(x, x, x, seen, causal: true).Weights;             // [2, 3, 5, 5]
            Assert.That(weights.Sum(-1).ToArray(), Is.All.EqualTo(1f).Within(1e-6));
            for (int b = 0; b < 2; b++)
                for (int h = 0; h < 3; h++)
                    for (int query = 0; query < 5; query++)
                        for (int key = 0; key < 5; key++)
                            if (key > query || seen[b, key] == 0) Assert.That(weights[b, h, query, key], Is.Zero);
        }
    }

    [Test]
    public void A_causal_answer_does_not_depend_on_what_follows()
    {
        Tensor x = KernelTesting.Random([2, 7, 6], 1);
        using (Tape.Step())
        {
            float[] whole = attention.Forward(x, x, x, causal: true).Slice(1, 0, 4).ToArray();
            Tensor start = x.Slice(1, 0, 4);
            Assert.That(attention.Forward(start, start, start, causal: true).ToArray(), Is.EqualTo(whole).Within(1e-6));
        }
    }

    [Test]
    public void Nothing_to_look_at_gives_no_NaN()
    {
        Tensor x = KernelTesting.Random([1, 3, 6], 1);
        using (Tape.Step())
        {
            (Tensor y, Tensor weights) = attention.Run(x, x, x, Tensor.Zeros([1, 3]));
            Assert.That(weights.ToArray(), Is.All.Zero);
            Assert.That(attention.Forward(x, x, x, Tensor.Zeros([1, 3])).ToArray(), Is.EqualTo(y.ToArray()).And.All.Matches<float>(float.IsFinite));
        }
    }

    [Test]
    public void It_computes_the_same_whether_the_weights_are_asked_for_or_not()
    {
        Tensor q = KernelTesting.Random([2, 3, 6], 1), k = KernelTesting.Random([2, 5, 6], 2), seen = Tensor.From([1, 1, 1, 0, 1, 1, 0, 1, 1, 0], [2, 5]);
        using (Tape.Step())
            foreach (bool causal in new[] { false, true })
                Assert.That(attention.Forward(q, k, k, seen, causal).ToArray(), Is.EqualTo(attention.Run(q, k, k, seen, causal).Output.ToArray()).Within(1e-6));
    }

    [Test]
    public void Rotated_products_depend_on_the_distance_alone()
    {
        RotaryPositions rotary = new(8);
        Tensor q = KernelTesting.Random([1, 8], 1, DType.Float64), k = KernelTesting.Random([1, 8], 2, DType.Float64);
        using (Tape.Step())
        {
            double Product(int atQuery, int atKey) => rotary.Forward(q, atQuery).MatMul(rotary.Forward(k, atKey).T).Item();
            Assert.That(Product(0, 0), Is.EqualTo(q.MatMul(k.T).Item()).Within(1e-12));
            Assert.That(Product(103, 100), Is.EqualTo(Product(3, 0)).Within(1e-9));
            Assert.That(Product(3, 0), Is.Not.EqualTo(Product(0, 3)).Within(1e-3));
        }
    }

    [Test]
    public void Sinusoidal_positions_are_those_of_the_paper()
    {
        SinusoidalPositions positions = new(4);
        using (Tape.Step())
        {
            Assert.That(positions.Forward(Tensor.Zeros([1, 1, 4]), 7).ToArray(),
                Is.EqualTo(new[] { Math.Sin(7), Math.Cos(7), Math.Sin(7 / 100.0), Math.Cos(7 / 100.0) }).Within(1e-6));
            float[] far = positions.Forward(Tensor.Zeros([1, 200, 4])).Slice(1, 150, 200).ToArray();
            Assert.That(positions.Forward(Tensor.Zeros([1, 50, 4]), 150).ToArray(), Is.EqualTo(far));
        }
    }
}
