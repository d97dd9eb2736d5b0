using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>Shows training while it goes on.</summary>
interface IView
{
    /// <summary>Runs <paramref name="train"/> and shows what <paramref name="trainer"/> tells of it.</summary>
    TrainingResult Run(Trainer trainer, Func<TrainingResult> train);
}

/// <summary>Where and when a run is.</summary>
static class Progress
{
    public static string Heading(RunConfiguration run, int parameters) =>
        $"{run.Task}, seed {run.Seed}: {run.Recipe.Describe(run)}, {parameters:n0} parameters, on {Session.Device}";

    /// <summary>Bits to three digits or so, however few they are.</summary>
    public static string Bits(double bits) => bits < .01 && bits > 0 ? bits.ToString("0.0e+0") : bits.ToString(bits < 10 ? "0.00" : "0.0");

    /// <summary>The time left as <c>1:02:03</c> or <c>4:05</c>; <c>-:--</c> where nothing is known yet.</summary>
    public static string Left(double sequences, double perSecond)
    {
        if (!(perSecond > 0) || sequences / perSecond > 1e7) return "-:--";
        TimeSpan left = TimeSpan.FromSeconds(Math.Ceiling(Math.Max(sequences, 0) / perSecond));
        return left.TotalHours >= 1 ? $"{(int)left.TotalHours}:{left:mm\\:ss}" : $"{left:m\\:ss}";
    }
}
