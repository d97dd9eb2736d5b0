namespace NeuralMemory.Perf;

/// <summary>Something to time, here and, where there is one, in a peer, which knows it by its name and shape.</summary>
/// <param name="Name">What is computed.</param>
/// <param name="Shape">Its sizes, with x between them.</param>
/// <param name="Flops">Floating-point operations of one run; an elementary function counts as one.</param>
/// <param name="Bytes">What one run must read and write at the least.</param>
/// <param name="Prepare">Makes its inputs.</param>
sealed record Case(string Name, string Shape, double Flops, double Bytes, Func<Prepared> Prepare);

/// <summary>A case that can be checked and run.</summary>
/// <param name="Run">Runs it once.</param>
/// <param name="Error">How far it is from the same computed in float64: the largest difference, as a part of the largest value; of results and, where it trains, of gradients.</param>
/// <param name="Limit">The largest error with which it is timed.</param>
sealed record Prepared(Action Run, Func<double> Error, double Limit = 1e-5)
{
    /// <summary>The error of a tensor against float64.</summary>
    public static double Difference(Tensor actual, Tensor expected) => Difference(actual.ToArray(), expected.ToArray<double>());

    /// <summary>The largest difference as a part of the largest value, or infinity where something is not a number.</summary>
    public static double Difference(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected)
    {
        double scale = 0, worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs(actual[i] - expected[i]);
            if (double.IsNaN(difference)) return double.PositiveInfinity;
            scale = Math.Max(scale, Math.Abs(expected[i]));
            worst = Math.Max(worst, difference);
        }
        return worst == 0 ? 0 : worst / scale;
    }
}
