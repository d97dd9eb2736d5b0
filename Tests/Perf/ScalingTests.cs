using System.Text.Json;
using NeuralMemory.Perf;

namespace NeuralMemory.Tests.Perf;

[NonParallelizable]
public sealed class ScalingTests
{
    [Test]
    public void Every_model_is_checked_and_timed_and_drawn()
    {
        TextWriter console = Console.Out;
        using StringWriter output = new();
        string picture = Path.Combine(Directory.CreateTempSubdirectory().FullName, "cost.svg");
        int threads = ThreadTeam.Threads;
        try
        {
            Console.SetOut(output);
            ThreadTeam.Threads = 1;
            Scaling.Run("threads", json: true, picture);
            Assert.That(File.ReadAllText(picture), Does.Contain("Transformer").And.Contain("milliseconds"));
        }
        finally
        {
            Console.SetOut(console);
            ThreadTeam.Threads = threads;
            Directory.Delete(Path.GetDirectoryName(picture)!, recursive: true);
        }
        JsonElement[] lines = [.. output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.That(lines.Select(line => line.GetProperty("model").GetString()), Is.EqualTo(new[] { "NTM", "DNC", "LSTM", "Transformer" }));
        foreach (JsonElement line in lines)
        {
            Assert.That(line.GetProperty("error").GetDouble(), Is.GreaterThan(0).And.LessThan(1e-4));
            Assert.That(line.GetProperty("ours_s").GetDouble(), Is.GreaterThan(0));
        }
    }

    [Test]
    public void An_axis_that_there_is_not_is_refused() =>
        Assert.That(() => Scaling.Run("length,depth", json: false, picture: null), Throws.ArgumentException.With.Message.EqualTo("--only: 'depth' is not one of length, slots, threads, width."));
}
