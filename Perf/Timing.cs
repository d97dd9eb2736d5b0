using System.Diagnostics;

namespace NeuralMemory.Perf;

/// <summary>Times something that has been checked.</summary>
static class Timing
{
    /// <summary>The median seconds of one call: after a warm-up, at least half a second and five runs of at least a millisecond each.</summary>
    public static double Median(Action action)
    {
        Stopwatch warm = Stopwatch.StartNew();
        int calls = 0;
        for (; warm.Elapsed.TotalSeconds < .25 || calls < 3; calls++) action();
        int repeats = Math.Max(1, (int)(.001 / (warm.Elapsed.TotalSeconds / calls)));

        List<double> seconds = [];
        Stopwatch all = Stopwatch.StartNew();
        while (seconds.Count < 5 || all.Elapsed.TotalSeconds < .5)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeats; i++) action();
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / repeats);
        }
        seconds.Sort();
        return seconds[seconds.Count / 2];
    }

    /// <summary>The exponent p for which y grows as x^p, by least squares over the logarithms.</summary>
    public static double Exponent(IReadOnlyList<(double X, double Y)> points)
    {
        double x = points.Average(p => Math.Log(p.X)), y = points.Average(p => Math.Log(p.Y));
        return points.Sum(p => (Math.Log(p.X) - x) * (Math.Log(p.Y) - y)) / points.Sum(p => Math.Pow(Math.Log(p.X) - x, 2));
    }
}
