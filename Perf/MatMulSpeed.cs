namespace NeuralMemory.Perf;

/// <summary>The matrix product at the shapes that networks have, each checked against a float64 product before it is timed.</summary>
static class MatMulSpeed
{
    static readonly (string Name, int M, int K, int N)[] shapes =
    [
        ("square", 64, 64, 64), ("square", 128, 128, 128), ("square", 256, 256, 256), ("square", 512, 512, 512), ("square", 1024, 1024, 1024), ("square", 2048, 2048, 2048),
        ("LSTM step", 12, 128, 512), ("LSTM input", 768, 65, 512), ("NTM head", 32, 100, 92), ("NTM controller", 1, 120, 400), ("GPT block", 768, 128, 512),
    ];

    public static void Run()
    {
        Console.WriteLine("| | m | k | n | GFLOP/s | worst error / bound |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|");
        foreach ((string name, int m, int k, int n) in shapes)
        {
            Philox random = new(1);
            Tensor a = Draw(random, m, k), b = Draw(random, k, n);
            double error = WorstError(a, b);
            if (!(error <= 1)) throw new InvalidOperationException($"{name} {m} x {k} x {n}: an error of {error:g3} times the bound; nothing is timed.");
            double seconds = Timing.Median(() =>
            {
                using (Tape.Step()) a.MatMul(b);
            });
            Console.WriteLine($"| {name} | {m} | {k} | {n} | {2.0 * m * k * n / seconds / 1e9:f1} | {error:f3} |");
        }
    }

    static Tensor Draw(Philox random, int rows, int columns)
    {
        Tensor tensor = Tensor.Persistent([rows, columns]);
        tensor.CopyFrom<float>([.. Enumerable.Range(0, tensor.Count).Select(_ => 2 * random.NextSingle() - 1)]);
        return tensor;
    }

    /// <summary>The largest |error| over k eps sum |a b|, the bound of any order of summation, at a sample of elements.</summary>
    static double WorstError(Tensor a, Tensor b)
    {
        int m = a.Shape[0], k = a.Shape[1], n = b.Shape[1];
        float[] x = a.ToArray(), y = b.ToArray(), c = a.MatMul(b).ToArray();
        Philox random = new(2);
        double worst = 0;
        for (int sample = 0; sample < 2000; sample++)
        {
            int i = random.Next(0, m), j = random.Next(0, n);
            double sum = 0, magnitude = 0;
            for (int p = 0; p < k; p++)
            {
                double term = (double)x[i * k + p] * y[p * n + j];
                sum += term;
                magnitude += Math.Abs(term);
            }
            worst = Math.Max(worst, Math.Abs(c[i * n + j] - sum) / (k * Math.Pow(2, -24) * magnitude));
        }
        return worst;
    }
}
