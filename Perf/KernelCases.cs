using NeuralMemory.Optimizers;

namespace NeuralMemory.Perf;

/// <summary>Single operations at the shapes that networks have.</summary>
static class KernelCases
{
    const int Elements = 4 * 1024 * 1024, Rows = 4096;

    public static IEnumerable<Case> All =>
    [
        .. from shape in products from layout in (string[])["", "-nt", "-tn"] select Product(layout, shape.M, shape.K, shape.N),
        .. from shape in attentions from causal in (bool[])[false, true] from training in (bool[])[false, true] select Attention(shape.B, shape.H, shape.L, shape.D, causal, training),
        .. from f in functions select Function(f.Name, [Elements], 1, training: false, f.Apply),
        .. from f in functions where f.Name.StartsWith("gelu", StringComparison.Ordinal) select Function(f.Name + "-training", [Elements], 1, training: true, f.Apply),
        .. from f in rows from width in (int[])[1024, 65536] from training in (bool[])[false, true]
           select Function(training ? f.Name + "-training" : f.Name, [Elements / width, width], f.Flops, training, f.Apply),
        CrossEntropy(training: false), CrossEntropy(training: true),
        AdamW(),
    ];

    // Squares; an LSTM's step, its inputs of a whole sequence and its weights' gradient; an NTM's controller, heads and gates; a GPT block's four maps and its gradients, and the logits.
    static readonly (int M, int K, int N)[] products =
    [
        (64, 64, 64), (128, 128, 128), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048),
        (12, 128, 512), (768, 65, 512), (512, 768, 128), (1, 120, 400), (32, 100, 92), (32, 100, 400),
        (768, 128, 384), (768, 128, 512), (768, 512, 128), (768, 128, 65), (128, 768, 512),
    ];

    static readonly (int B, int H, int L, int D)[] attentions = [(12, 4, 64, 32), (1, 8, 1024, 64), (1, 8, 4096, 64)];

    static readonly (string Name, Func<Tensor, Tensor> Apply)[] functions =
    [
        ("exp", x => x.Exp()), ("tanh", x => x.Tanh()), ("sigmoid", x => x.Sigmoid()), ("gelu", x => x.Gelu()), ("gelu-tanh", x => x.GeluTanh()), ("softplus", x => x.Softplus()),
    ];

    static readonly (string Name, double Flops, Func<Tensor, Tensor> Apply)[] rows = [("softmax", 5, x => x.Softmax()), ("layer-norm", 8, x => x.LayerNorm())];

    /// <summary>a b, the one or the other read as the transpose of what lies in memory. Checked at rows spread over the whole.</summary>
    static Case Product(string layout, int m, int k, int n) => new($"matmul{layout}", $"{m}x{k}x{n}", 2.0 * m * k * n, 4.0 * (m * k + k * n + m * n), () =>
    {
        Philox random = new(1);
        Tensor a = layout == "-tn" ? Draw(random, k, m).T : Draw(random, m, k), b = layout == "-nt" ? Draw(random, n, k).T : Draw(random, k, n);
        return new(() => { using (Step()) a.MatMul(b); }, () =>
        {
            using Tape.Scope step = Step();
            int[] sample = [.. Enumerable.Range(0, Math.Min(m, 32)).Select(i => (int)((long)i * (m - 1) / Math.Max(1, Math.Min(m, 32) - 1)))];
            float[] x = a.ToArray(), y = b.ToArray(), c = a.MatMul(b).ToArray();
            float[] actual = new float[sample.Length * n];
            double[] expected = new double[sample.Length * n];
            for (int s = 0; s < sample.Length; s++)
            {
                c.AsSpan(sample[s] * n, n).CopyTo(actual.AsSpan(s * n));
                for (int p = 0; p < k; p++)
                    for (int j = 0; j < n; j++) expected[s * n + j] += (double)x[sample[s] * k + p] * y[p * n + j];
            }
            return Prepared.Difference(actual, expected);
        });
    });

    /// <summary>Attention, forward or forward and backward. Checked against its composed formula, the last head of each sequence where heads are large.</summary>
    static Case Attention(int b, int h, int l, int d, bool causal, bool training)
    {
        double products = training ? 7 : 2, area = causal ? l * (l + 1.0) / 2 : (double)l * l;         // backward: S again, dP, dV, dQ, dK
        string name = "attention" + (causal ? "-causal" : "") + (training ? "-training" : "");
        return new(name, $"{b}x{h}x{l}x{d}", products * 2 * b * h * area * d, (training ? 8.0 : 4.0) * 4 * b * h * l * d, () =>
        {
            Philox random = new(1);
            Tensor[] inputs = [Draw(random, b, h, l, d), Draw(random, b, h, l, d), Draw(random, b, h, l, d)];
            Tensor hidden = Tensor.Persistent([l, l], DType.Float64);
            if (causal) hidden.CopyFrom<double>([.. Enumerable.Range(0, l * l).Select(i => i % l > i / l ? double.NegativeInfinity : 0)]);
            return Differentiable(training, inputs, x => x[0].ScaledDotProductAttention(x[1], x[2], causal: causal),
                x => ((x[0].MatMul(x[1].Transpose(-2, -1)) * (1 / Math.Sqrt(d)) + hidden).Softmax()).MatMul(x[2]), l > 1000 ? x => x.Slice(1, h - 1, h) : x => x);
        });
    }

    /// <summary>A function of one tensor.</summary>
    static Case Function(string name, int[] shape, double flops, bool training, Func<Tensor, Tensor> f) =>
        new(name, string.Join('x', shape), (training ? 2 : 1) * flops * Elements, (training ? 5.0 : 2) * 4 * Elements, () =>
            Differentiable(training, [Draw(new(1), shape)], x => f(x[0]), x => f(x[0]), x => x));

    static Case CrossEntropy(bool training)
    {
        const int classes = Elements / Rows;
        return new(training ? "cross-entropy-training" : "cross-entropy", $"{Rows}x{classes}", (training ? 6.0 : 3) * Elements, (training ? 4.0 : 1) * 4 * Elements, () =>
        {
            Philox random = new(2);
            Tensor labels = Tensor.Persistent([Rows], DType.Int32);
            labels.CopyFrom<int>([.. Enumerable.Range(0, Rows).Select(_ => random.Next(0, classes))]);
            return Differentiable(training, [Draw(new(1), Rows, classes)], x => x[0].CrossEntropy(labels), x => x[0].CrossEntropy(labels), x => x);
        });
    }

    /// <summary>A step of the optimiser; checked against the same two steps in float64.</summary>
    static Case AdamW() => new("adamw", $"{Elements}", 12.0 * Elements, 7.0 * 4 * Elements, () =>
    {
        Tensor Weight(DType type)
        {
            Tensor weight = Draw(new(1), Elements).To(type).Keep().RequireGradient();
            using (Step()) (weight.Square().Sum() * .5).Backward();
            return weight;
        }
        AdamW Optimizer(Tensor weight) => new([weight], 1e-3);
        AdamW timed = Optimizer(Weight(DType.Float32));
        return new(timed.Step, () =>
        {
            Tensor single = Weight(DType.Float32), real = Weight(DType.Float64);
            AdamW one = Optimizer(single), reference = Optimizer(real);
            for (int i = 0; i < 2; i++)
            {
                one.Step();
                reference.Step();
            }
            return Prepared.Difference(single, real);
        });
    });

    /// <summary>
    /// Something that is differentiated, where it trains, with a gradient drawn for its output. <paramref name="reference"/> computes the same of float64 tensors; of inputs and
    /// results, <paramref name="part"/> is compared.
    /// </summary>
    public static Prepared Differentiable(bool training, Tensor[] inputs, Func<Tensor[], Tensor> f, Func<Tensor[], Tensor> reference, Func<Tensor, Tensor> part)
    {
        Shape shape;
        using (Step()) shape = f(inputs).Shape;
        Tensor dy = Draw(new(3), [.. shape.Sizes]);
        foreach (Tensor input in inputs) input.RequireGradient(training);

        Tensor Run()
        {
            Tensor y = f(inputs);
            if (training) y.Backward(dy);
            return y;
        }

        return new(() =>
        {
            foreach (Tensor input in inputs) input.ZeroGradient();
            using (Step()) Run();
        }, () =>
        {
            using Tape.Scope step = Step();
            foreach (Tensor input in inputs) input.ZeroGradient();
            Tensor y = Run();
            Tensor[] real = [.. inputs.Select(input => part(input.Detach()).To(DType.Float64).Keep().RequireGradient(training))];
            Tensor expected = reference(real);
            double worst = Prepared.Difference(Part(y), expected);
            if (!training) return worst;
            expected.Backward(Part(dy).To(DType.Float64));
            for (int i = 0; i < inputs.Length; i++) worst = Math.Max(worst, Prepared.Difference(Part(inputs[i].Gradient), real[i].Gradient));
            return worst;
        });

        Tensor Part(Tensor x) => x.Rank == 0 ? x : part(x);
    }

    static Tape.Scope Step() => Tape.Step();

    /// <summary>A tensor of its own of uniform numbers from -2 to 2.</summary>
    public static Tensor Draw(Philox random, params int[] shape)
    {
        Tensor tensor = Tensor.Persistent(new Shape(shape));
        float[] values = new float[tensor.Count];
        foreach (ref float value in values.AsSpan()) value = 4 * random.NextSingle() - 2;
        tensor.CopyFrom<float>(values);
        return tensor;
    }
}
