using System.Diagnostics;
using System.Text.Json;

namespace NeuralMemory.Tests.Cli;

/// <summary>The proofs that models train: whole runs of the program, by its defaults, as anyone would start it.</summary>
[Category("Training")]
[NonParallelizable]
public class TrainingTests
{
    static (double Seconds, Dictionary<int, double> Bits) Train(params string[] arguments)
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            Stopwatch wall = Stopwatch.StartNew();
            using Process process = Run.Start(["train", .. arguments, "--out", Path.Combine(folder, "run"), "--json"]);
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero, errors.Result);
            TestContext.Out.WriteLine(output);
            using JsonDocument json = JsonDocument.Parse(output.TrimEnd('\n').Split('\n')[^1]);
            return (wall.Elapsed.TotalSeconds, json.RootElement.GetProperty("bits").EnumerateObject().ToDictionary(p => int.Parse(p.Name), p => p.Value.GetDouble()));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Section 4.1 of the paper: trained on up to 20 vectors, the machine copies 120.</summary>
    [Test]
    public void Copy_is_learned_in_under_a_minute_and_generalises_to_120()
    {
        (double seconds, Dictionary<int, double> bits) = Train("copy", "--seed", "1");
        Assert.That(bits[20], Is.LessThanOrEqualTo(.1));
        Assert.That(bits[120], Is.LessThanOrEqualTo(5));
        Assert.That(seconds, Is.LessThan(60), "of wall time, start-up and tests included");
    }

    /// <summary>The ablation: a head that cannot shift has nothing to walk along the memory with.</summary>
    [Test]
    public void Without_shifts_copy_does_not_generalise()
    {
        (_, Dictionary<int, double> bits) = Train("copy", "--seed", "1", "--shifts", "1");
        Assert.That(bits[120], Is.GreaterThan(100));
    }
}
