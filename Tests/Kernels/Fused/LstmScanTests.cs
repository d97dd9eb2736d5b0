namespace NeuralMemory.Tests.Kernels;

[TestFixture]
public sealed class LstmScanTests
{
    static readonly object?[] Cases =
    [
        new object?[] { 1, 1, 1, null, false },
        new object?[] { 7, 3, 10, null, false },
        new object?[] { 7, 5, 33, null, true },
        new object?[] { 6, 6, 7, new[] { 6, 1, 3, 0, 4, 2 }, false },
        new object?[] { 6, 6, 7, new[] { 2, 5, 6, 0, 1, 5 }, true },
    ];

    [TestCaseSource(nameof(Cases))]
    public void Equals_the_composed_LSTM_in_value_and_every_gradient(int time, int batch, int hidden, int[]? lengths, bool reverse)
    {
        foreach ((DType type, double tolerance) in new[] { (DType.Float64, 1e-12), (DType.Float32, 1e-5) })
        {
            Tensor[] inputs = Inputs(time, batch, hidden, type);
            using (Tape.Step())
            {
                Tensor? packed = lengths is null ? null : Tensor.From(lengths, [batch]);
                double[][] composed = Evaluate(x => Composed(x[0], x[1], x[2], x[3], lengths, reverse), inputs);
                double[][] fused = Evaluate(x => LstmScan.Apply(x[0], x[1], x[2], x[3], packed, reverse), inputs);
                for (int i = 0; i < fused.Length; i++)
                    Assert.That(fused[i], Is.EqualTo(composed[i]).Within(tolerance * (1 + composed[i].Max(Math.Abs))), $"{type}, {(i < 3 ? "result" : "gradient of input")} {i % 3}");
            }
        }
    }

    [Test]
    public void Without_a_gradient_it_keeps_no_history_and_computes_the_same()
    {
        Tensor[] inputs = Inputs(9, 6, 11, DType.Float32);
        using (Tape.Step())
        {
            Tensor lengths = Tensor.From([9, 3, 0, 4, 8, 1], [6]);
            (Tensor y, Tensor h, Tensor c) = LstmScan.Apply(inputs[0], inputs[1], inputs[2], inputs[3], lengths, reverse: true);
            using (Tape.NoGradient())
            {
                (Tensor y2, Tensor h2, Tensor c2) = LstmScan.Apply(inputs[0], inputs[1], inputs[2], inputs[3], lengths, reverse: true);
                Assert.That(y2.ToArray(), Is.EqualTo(y.ToArray()));
                Assert.That(h2.ToArray(), Is.EqualTo(h.ToArray()));
                Assert.That(c2.ToArray(), Is.EqualTo(c.ToArray()));
            }
        }
    }

    [Test]
    public void The_final_state_carried_on_is_one_long_run()
    {
        Tensor[] v = Inputs(9, 3, 11, DType.Float32);
        using (Tape.Step())
        {
            (Tensor whole, Tensor hidden, Tensor cell) = LstmScan.Apply(v[0], v[1], v[2], v[3]);
            (Tensor first, Tensor h, Tensor c) = LstmScan.Apply(v[0].Slice(0, 0, 4), v[1], v[2], v[3]);
            (Tensor second, h, c) = LstmScan.Apply(v[0].Slice(0, 4, 9), v[1], h, c);
            Assert.That(Tensor.Concat(0, first, second).ToArray(), Is.EqualTo(whole.ToArray()));
            Assert.That(h.ToArray(), Is.EqualTo(hidden.ToArray()));
            Assert.That(c.ToArray(), Is.EqualTo(cell.ToArray()));
            Assert.That(hidden.ToArray(), Is.EqualTo(whole.Select(0, ^1).ToArray()));
        }
    }

    [TestCase(new[] { 5, 2, 9 }, new[] { 12, 3 }, new[] { 2, 3 }, new[] { 2, 3 }, null, "LstmScan: x is [5, 2, 9]; [time, batch, 12] was expected, as the recurrent weight is [12, 3].")]
    [TestCase(new[] { 5, 12 }, new[] { 12, 3 }, new[] { 2, 3 }, new[] { 2, 3 }, null, "LstmScan: x is [5, 12]; [time, batch, 12] was expected, as the recurrent weight is [12, 3].")]
    [TestCase(new[] { 5, 2, 12 }, new[] { 9, 3 }, new[] { 2, 3 }, new[] { 2, 3 }, null, "LstmScan: the recurrent weight is [9, 3]; [4 * hidden, hidden] was expected.")]
    [TestCase(new[] { 5, 2, 12 }, new[] { 12, 3 }, new[] { 3 }, new[] { 2, 3 }, null, "LstmScan: the hidden state is [3]; [2, 3] was expected.")]
    [TestCase(new[] { 5, 2, 12 }, new[] { 12, 3 }, new[] { 2, 3 }, new[] { 1, 3 }, null, "LstmScan: the cell is [1, 3]; [2, 3] was expected.")]
    [TestCase(new[] { 5, 2, 12 }, new[] { 12, 3 }, new[] { 2, 3 }, new[] { 2, 3 }, new[] { 5 }, "LstmScan: lengths is [1]; [2] was expected.")]
    [TestCase(new[] { 5, 2, 12 }, new[] { 12, 3 }, new[] { 2, 3 }, new[] { 2, 3 }, new[] { 5, 6 }, "LstmScan: the length of sequence 1 is 6; 0 to 5 was expected, as x is [5, 2, 12].")]
    public void Refuses(int[] x, int[] recurrent, int[] hidden, int[] cell, int[]? lengths, string message)
    {
        ShapeException e = Assert.Throws<ShapeException>(() => LstmScan.Apply(Tensor.Zeros(new(x)), Tensor.Zeros(new(recurrent)), Tensor.Zeros(new(hidden)), Tensor.Zeros(new(cell)),
            lengths is null ? null : Tensor.From(lengths, [lengths.Length])))!;
        Assert.That(e.Message, Is.EqualTo(message));
    }

    static Tensor[] Inputs(int time, int batch, int hidden, DType type) =>
    [
        .. new[] { [time, batch, 4 * hidden], [4 * hidden, hidden], [batch, hidden], new[] { batch, hidden } }.Select((shape, i) => KernelTesting.Random(shape, (ulong)i, type).RequireGradient()),
    ];

    /// <summary>The three results and the gradients of the four inputs, for a fixed projection of all results.</summary>
    static double[][] Evaluate(Func<Tensor[], (Tensor, Tensor, Tensor)> function, Tensor[] inputs)
    {
        foreach (Tensor input in inputs) input.ZeroGradient();
        (Tensor y, Tensor h, Tensor c) = function(inputs);
        Tape.Backward([y, h, c], [.. new[] { y, h, c }.Select((o, i) => KernelTesting.Random([.. o.Shape.Sizes], (ulong)i + 9, o.DType))]);
        return [y.ToArray<double>(), h.ToArray<double>(), c.ToArray<double>(), .. inputs.Select(input => input.Gradient.ToArray<double>())];
    }

    /// <summary>One sequence after the other, one step after the other.</summary>
    static (Tensor, Tensor, Tensor) Composed(Tensor x, Tensor recurrent, Tensor hidden, Tensor cell, int[]? lengths, bool reverse)
    {
        int time = x.Shape[0], batch = x.Shape[1], size = hidden.Shape[1];
        Tensor[] outputs = new Tensor[batch], lastHidden = new Tensor[batch], lastCell = new Tensor[batch];
        for (int b = 0; b < batch; b++)
        {
            int length = lengths?[b] ?? time;
            Tensor h = hidden.Select(0, b), c = cell.Select(0, b);
            Tensor[] steps = [.. Enumerable.Range(0, time).Select(_ => Tensor.Zeros([size], x.DType))];
            for (int k = 0; k < length; k++)
            {
                int t = reverse ? length - 1 - k : k;
                Tensor z = x.Select(0, t).Select(0, b) + h.Linear(recurrent);
                Tensor Gate(int i) => z.Slice(0, i * size, (i + 1) * size);
                c = Gate(1).Sigmoid() * c + Gate(0).Sigmoid() * Gate(2).Tanh();
                steps[t] = h = Gate(3).Sigmoid() * c.Tanh();
            }
            (outputs[b], lastHidden[b], lastCell[b]) = (Tensor.Stack(0, steps), h, c);
        }
        return (Tensor.Stack(1, outputs), Tensor.Stack(0, lastHidden), Tensor.Stack(0, lastCell));
    }
}
