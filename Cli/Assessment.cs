using NeuralMemory.Models;
using NeuralMemory.Tasks;
using NeuralMemory.Training;
using Spectre.Console;

namespace NeuralMemory.Cli;

/// <summary>Tests a model on fresh sequences; <c>train</c> and <c>eval</c> see the same ones.</summary>
static class Assessment
{
    /// <summary>Longer ones run fewer side by side, for the memory's sake.</summary>
    const int MostSideBySide = 10, MostLengths = 2000;

    public static EvaluationResult Run(RunConfiguration run, SequenceModel model, SequenceTask task, int length, int sequences, CancellationToken cancelled)
    {
        if (length < task.ShortestLength) throw new UsageException($"--length: {length} is too short for {task.Name}; at least {task.ShortestLength} was expected.");
        int batch = Math.Clamp(MostLengths / length, 1, MostSideBySide);
        try
        {
            return Evaluation.Run(model, task, length, sequences, run.Seed, batch, cancellationToken: cancelled);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new UsageException($"--length: {length} is too long: {e.Message}");
        }
    }

    public static void Show(Session session, RunConfiguration run, IReadOnlyList<EvaluationResult> tests)
    {
        Table table = new() { Border = session.IsTerminal ? TableBorder.Rounded : TableBorder.Simple };
        table.Title = new($"Bits per sequence, {tests[0].Sequences} fresh sequences each: {run.Task}, {run.Model}, seed {run.Seed}");
        foreach (string column in (string[])["length", "asked for", "cost, median", "cost, mean", "wrong, median", "wrong, mean"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (EvaluationResult test in tests)
            table.AddRow($"{test.Length}", $"{test.OutputBits}", Progress.Bits(test.MedianBits), Progress.Bits(test.MeanBits), Progress.Bits(test.MedianWrongBits), Progress.Bits(test.MeanWrongBits));
        session.Console.Write(table);
    }
}
