using NeuralMemory.Models;

namespace NeuralMemory.Perf;

/// <summary>The cost of one forward and backward pass of a Neural Turing Machine, batch 1, against the sequence's length and the memory's slots.</summary>
static class Scaling
{
    public static void Run()
    {
        Table("steps", [64, 128, 256, 512, 1024], time => Seconds(time, 128));
        Table("slots", [256, 512, 1024, 2048, 4096], slots => Seconds(64, slots));
    }

    static void Table(string what, int[] sizes, Func<int, double> seconds)
    {
        List<(double X, double Y)> points = [];
        Console.WriteLine($"| {what} | ms | microseconds per {what[..^1]} |");
        Console.WriteLine("|---:|---:|---:|");
        foreach (int size in sizes)
        {
            points.Add((size, seconds(size)));
            Console.WriteLine($"| {size} | {points[^1].Y * 1e3:f3} | {points[^1].Y / size * 1e6:f3} |");
        }
        Console.WriteLine();
        Console.WriteLine($"Cost grows as {what}^{Timing.Exponent(points):f2}.");
        Console.WriteLine();
    }

    static double Seconds(int time, int slots)
    {
        Philox random = new(1);
        Ntm ntm = new(10, 8, Ntm.PaperSizes with { Slots = slots }, random);
        Tensor input = Tensor.Persistent([time, 1, 10]), projection = Tensor.Persistent([time, 1, 8]);
        input.CopyFrom<float>([.. Enumerable.Range(0, input.Count).Select(_ => random.NextSingle())]);
        projection.CopyFrom<float>([.. Enumerable.Range(0, projection.Count).Select(_ => random.NextSingle() - .5f)]);

        float[] Gradient(Func<Tensor, NtmRun> run, int steps)
        {
            foreach (Tensor parameter in ntm.Parameters) parameter.ZeroGradient();
            using (Tape.Step()) run(input.Slice(0, 0, steps)).Output.Backward(projection.Slice(0, 0, steps));
            return [.. ntm.Parameters.SelectMany(p => p.Gradient.ToArray())];
        }
        int checkedSteps = Math.Min(time, 32);
        float[] fused = Gradient(x => ntm.Run(x), checkedSteps), composed = Gradient(x => ntm.ForwardComposed(x), checkedSteps);
        double scale = composed.Max(Math.Abs), error = fused.Zip(composed).Max(pair => Math.Abs((double)pair.First - pair.Second)) / scale;
        if (!(error < 1e-4)) throw new InvalidOperationException($"The fused gradients differ from the composed ones by {error:g3} of the largest; nothing is timed.");

        return Timing.Median(() =>
        {
            using (Tape.Step()) ntm.Run(input).Output.Backward(projection);
        });
    }
}
