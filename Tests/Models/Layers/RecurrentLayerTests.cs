using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models.Layers;

using NeuralMemory.Layers;

public sealed class RecurrentLayerTests
{
    /// <summary>Output and last hidden state.</summary>
    static (Tensor, Tensor) Run(RecurrentLayer layer, Tensor x, Tensor? lengths = null)
    {
        if (layer is not Lstm lstm) return layer is Gru gru ? gru.Run(x, null, lengths) : ((Rnn)layer).Run(x, null, lengths);
        (Tensor y, LstmState state) = lstm.Run(x, null, lengths);
        return (y, state.Hidden);
    }

    static IEnumerable<RecurrentLayer> Layers =>
    [
        new Rnn(4, 5, new Philox(1), 2), new Gru(4, 5, new Philox(1), 2), new Lstm(4, 5, new Philox(1), 2),
        new Rnn(4, 5, new Philox(1), 2, bidirectional: true), new Gru(4, 5, new Philox(1), 2, bidirectional: true), new Lstm(4, 5, new Philox(1), 2, bidirectional: true),
    ];

    /// <summary>What follows a sequence's end changes nothing.</summary>
    [TestCaseSource(nameof(Layers))]
    public void A_packed_sequence_is_as_if_it_were_alone(RecurrentLayer layer)
    {
        int[] lengths = [6, 1, 4, 2, 3, 0];
        Tensor x = KernelTesting.Random([6, 6, 4], 1);
        using (Tape.Step())
        {
            (Tensor all, Tensor last) = Run(layer, x, Tensor.From(lengths, [6]));
            for (int b = 0; b < lengths.Length; b++)
            {
                (Tensor alone, Tensor lastAlone) = Run(layer, x.Slice(0, b, b + 1).Slice(1, 0, lengths[b]));
                Assert.That(all.Slice(0, b, b + 1).Slice(1, 0, lengths[b]).ToArray(), Is.EqualTo(alone.ToArray()).Within(1e-6), $"sequence {b}");
                Assert.That(last.Slice(1, b, b + 1).ToArray(), Is.EqualTo(lastAlone.ToArray()).Within(1e-6), $"state of sequence {b}");
                Assert.That(all.Select(0, b).Slice(0, lengths[b], 6).ToArray(), Is.All.Zero, $"after sequence {b}");
            }
        }
    }

    [TestCaseSource(nameof(Layers))]
    public void The_way_back_ends_at_the_first_step(RecurrentLayer layer)
    {
        using (Tape.Step())
        {
            (Tensor y, Tensor last) = Run(layer, KernelTesting.Random([3, 6, 4], 1));
            Assert.That(y.Select(1, ^1).Slice(-1, 0, 5).ToArray(), Is.EqualTo(last.Select(0, layer.Directions == 2 ? 2 : 1).ToArray()));
            if (layer.Directions == 2) Assert.That(y.Select(1, 0).Slice(-1, 5, 10).ToArray(), Is.EqualTo(last.Select(0, 3).ToArray()));
        }
    }

    /// <summary>One unit by hand: W_ih = 1, W_hh = 2, biases 0.5 and -0.25, from h = 0.1 with x = 0.7.</summary>
    [Test]
    public void The_reset_gate_acts_after_the_recurrent_product()
    {
        Gru gru = new(1, 1, new Philox(1));
        foreach ((string name, Tensor parameter) in gru.NamedParameters())
            parameter.Fill(name.StartsWith("weight_ih") ? 1 : name.StartsWith("weight_hh") ? 2 : name.StartsWith("bias_ih") ? 0.5 : -0.25);
        double r = 1 / (1 + Math.Exp(-(0.7 + 0.5 + 0.2 - 0.25))), n = Math.Tanh(0.7 + 0.5 + r * (0.2 - 0.25));
        using (Tape.Step())
            Assert.That(gru.Run(Tensor.Full([1, 1, 1], 0.7), Tensor.Full([1, 1, 1], 0.1)).Output.Item(), Is.EqualTo((1 - r) * n + r * 0.1).Within(1e-6));
    }
}
