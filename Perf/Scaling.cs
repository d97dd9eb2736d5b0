using System.Text;
using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Models;
using NeuralMemory.Training;

namespace NeuralMemory.Perf;

/// <summary>
/// How the cost of a training step, forward and backward, grows: with the length of the sequence, the slots of the memory, the threads and the width of the network, for each model that has
/// one. Every gradient is held to that of the readable model in float64 before anything is timed.
/// </summary>
static class Scaling
{
    const int Inputs = 10, Outputs = 8, Steps = 64, Batch = 32, CheckedSteps = 48;
    const double Tolerance = 1e-4;

    /// <summary>What is measured, and how large it is where something else varies: the sizes that docs/length.md trains.</summary>
    static readonly Subject[] subjects =
    [
        new("NTM", s => s.Model(random => new Ntm(Inputs, Outputs, Ntm.PaperSizes with { Slots = s.Slots, Hidden = s.Width ?? 100 }, random), (ntm, x) => ntm.ForwardComposed(x).Output)),
        new("DNC", s => s.Model(random => new Dnc(Inputs, Outputs, new(s.Width ?? 100, s.Slots, 20, 1), random), (dnc, x) => dnc.ForwardComposed(x).Output)),
        new("LSTM", s => s.Model(random => new LstmModel(Inputs, Outputs, s.Width ?? 128, 3, random), (lstm, x) => lstm.Forward(x)), HasSlots: false),
        new("Transformer", s => s.Model(random => new SequenceTransformer(Inputs, Outputs, new(s.Width ?? 64, 4, 4 * (s.Width ?? 64), 3), random), (transformer, x) => transformer.Run(x).Output), HasSlots: false),
    ];

    static readonly Axis[] axes =
    [
        new("length", "one sequence", [32, 64, 128, 256, 512, 1024, 2048, 4096], length => new(length)),
        new("slots", $"one sequence of {Steps} steps", [64, 128, 256, 512, 1024], slots => new(Steps, Slots: slots)),
        new("threads", $"{Batch} sequences of {Steps} steps", [1, 2, 4, 8, 16, 32, 64], threads => new(Steps, Batch, Threads: threads)),
        new("width", $"one sequence of {Steps} steps", [32, 64, 128, 256, 512], width => new(Steps, Width: width)),
    ];

    /// <summary>Prints a table an axis, or a line of JSON a measurement.</summary>
    /// <param name="only">Axes separated by commas, or null for all.</param>
    /// <param name="json">Whether lines of JSON are wanted.</param>
    /// <param name="picture">The file of a picture of the first axis measured, or null.</param>
    /// <exception cref="ArgumentException"><paramref name="only"/> names an axis that there is not.</exception>
    public static void Run(string? only, bool json, string? picture)
    {
        string[] asked = only?.Split(',') ?? [.. axes.Select(axis => axis.Name)];
        foreach (string name in asked)
            if (!axes.Any(axis => axis.Name == name)) throw new ArgumentException($"--only: '{name}' is not one of {string.Join(", ", axes.Select(axis => axis.Name))}.");
        foreach (Axis axis in axes.Where(axis => asked.Contains(axis.Name)))
        {
            List<Curve> curves = Measure(axis, json);
            if (!json) Print(axis, curves);
            if (picture is null) continue;
            Chart chart = new($"A training step, forward and backward: {axis.Fixed}", axis.Name, "milliseconds", curves, LogY: true, LogX: true);
            AtomicFile.Write(picture, stream => stream.Write(Encoding.UTF8.GetBytes(chart.ToSvg())));
            picture = null;
        }
    }

    static List<Curve> Measure(Axis axis, bool json)
    {
        List<Curve> curves = [];
        int threads = ThreadTeam.Threads;
        int[] sizes = axis.Name == "threads" ? [.. axis.Sizes.Where(size => size <= threads)] : axis.Sizes;
        foreach (Subject subject in subjects.Where(subject => subject.HasSlots || axis.Name != "slots"))
        {
            List<(double, double)> points = [];
            foreach (int size in sizes)
            {
                Setup setup = axis.At(size);
                try
                {
                    if (setup.Threads is { } count) ThreadTeam.Threads = count;
                    (double seconds, double error) = subject.Measure(setup);
                    points.Add((size, 1e3 * seconds));
                    if (json) Console.WriteLine(JsonSerializer.Serialize(
                        new { suite = "scaling", against = axis.Name, size, model = subject.Name, batch = setup.Batch, threads = ThreadTeam.Threads, ours_s = seconds, error }));
                }
                finally
                {
                    ThreadTeam.Threads = threads;
                }
            }
            curves.Add(new(subject.Name, points));
        }
        return curves;
    }

    /// <summary>Milliseconds, and below them the exponents: over all sizes, and over the last doubling, where what grows fastest has most to say.</summary>
    static void Print(Axis axis, List<Curve> curves)
    {
        Console.WriteLine($"Milliseconds of a training step, forward and backward: {axis.Fixed}");
        Console.WriteLine();
        Row(axis.Name, curves.Select(curve => curve.Name));
        Row("---:", curves.Select(_ => "---:"));
        int sizes = curves[0].Points.Count;
        for (int i = 0; i < sizes; i++) Row($"{curves[0].Points[i].X}", curves.Select(curve => $"{curve.Points[i].Y:g3}"));
        if (sizes > 2)
        {
            Row("exponent", curves.Select(curve => $"{Timing.Exponent(curve.Points):f2}"));
            Row("of the last two", curves.Select(curve => $"{Timing.Exponent([curve.Points[^2], curve.Points[^1]]):f2}"));
        }
        Console.WriteLine();

        static void Row(string head, IEnumerable<string> cells) => Console.WriteLine($"| {head} | {string.Join(" | ", cells)} |");
    }

    /// <summary>What varies.</summary>
    /// <param name="Name">As the command line calls it.</param>
    /// <param name="Fixed">What does not vary.</param>
    /// <param name="Sizes">From the least to the greatest.</param>
    /// <param name="At">What to measure at a size.</param>
    sealed record Axis(string Name, string Fixed, int[] Sizes, Func<int, Setup> At);

    /// <summary>A model to measure.</summary>
    sealed record Subject(string Name, Func<Setup, (double, double)> Measure, bool HasSlots = true);

    /// <summary>Sizes; null where a model has its own.</summary>
    sealed record Setup(int Time, int Batch = 1, int Slots = 128, int? Width = null, int? Threads = null)
    {
        /// <summary>Checks a model against <paramref name="reference"/> in float64, and times it.</summary>
        /// <returns>Seconds, and the greatest error of a gradient, as a share of the largest gradient.</returns>
        /// <exception cref="InvalidOperationException">The gradients differ; nothing is timed.</exception>
        public (double Seconds, double Error) Model<TModel>(Func<Philox, TModel> make, Func<TModel, Tensor, Tensor> reference) where TModel : SequenceModel
        {
            TModel model = make(new(1)), exact = make(new(1));
            exact.To(DType.Float64);
            int checkedSteps = Math.Min(Time, CheckedSteps);
            double[] found = Gradients(model, model.Forward, checkedSteps), wanted = Gradients(exact, x => reference(exact, x), checkedSteps);
            double error = found.Zip(wanted).Max(pair => Math.Abs(pair.First - pair.Second)) / wanted.Max(Math.Abs);
            if (!(error < Tolerance)) throw new InvalidOperationException($"{typeof(TModel).Name}: the gradients differ from those in float64 by {error:g3} of the largest; nothing is timed.");

            Tensor input = Random(Inputs, DType.Float32), projection = Random(Outputs, DType.Float32);
            double seconds = Timing.Median(() =>
            {
                using (Tape.Step()) model.Forward(input).Backward(projection);
            });
            return (seconds, error);
        }

        /// <summary>Of a random projection of the first outputs, with respect to every parameter.</summary>
        double[] Gradients(SequenceModel model, Func<Tensor, Tensor> run, int steps)
        {
            DType type = model.Parameters[0].DType;
            Tensor input = Random(Inputs, type), projection = Random(Outputs, type);
            foreach (Tensor parameter in model.Parameters) parameter.ZeroGradient();
            using (Tape.Step()) run(input.Slice(0, 0, steps)).Backward(projection.Slice(0, 0, steps));
            return [.. model.Parameters.SelectMany(p => p.Gradient.ToArray<double>())];
        }

        Tensor Random(int channels, DType type)
        {
            Philox random = new(2, (ulong)channels);
            Tensor tensor = Tensor.Persistent([Time, Batch, channels], type);
            tensor.CopyFrom<double>([.. Enumerable.Range(0, tensor.Count).Select(_ => random.NextSingle() - .5)]);
            return tensor;
        }
    }
}
