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
        (double seconds, JsonElement json) = TrainAny(arguments);
        return (seconds, Numbers(json.GetProperty("bits")));
    }

    static Dictionary<int, double> Numbers(JsonElement json) => json.EnumerateObject().ToDictionary(p => int.Parse(p.Name), p => p.Value.GetDouble());

    static (double Seconds, JsonElement Json) TrainAny(params string[] arguments)
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
            return (wall.Elapsed.TotalSeconds, JsonDocument.Parse(output.TrimEnd('\n').Split('\n')[^1]).RootElement);
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

    /// <summary>Bahdanau et al. 2014, figures 2 and 3: attention holds where a vector of fixed size forgets, and it looks at what it says.</summary>
    [Test]
    public void Attention_reverses_what_a_fixed_vector_cannot_hold()
    {
        JsonElement attention = TrainAny("reverse", "--model", "bahdanau").Json, vector = TrainAny("reverse", "--model", "seq2seq").Json;
        Dictionary<int, double> looking = Numbers(attention.GetProperty("accuracies")), remembering = Numbers(vector.GetProperty("accuracies"));
        Assert.That((looking[10], looking[15]), Is.EqualTo((1.0, 1.0)).Within(.01));
        Assert.That(Numbers(attention.GetProperty("diagonal"))[10], Is.GreaterThanOrEqualTo(.95));
        Assert.That(remembering[15], Is.LessThan(.5).And.LessThan(remembering[5]));
    }

    /// <summary>Vaswani et al. 2017, and the ablation: without positions the source is a set, and cannot be reversed.</summary>
    [Test]
    public void A_Transformer_reverses_and_fails_without_positions()
    {
        Assert.That(TrainAny("reverse", "--model", "transformer").Json.GetProperty("accuracy").GetDouble(), Is.GreaterThanOrEqualTo(.995));
        Assert.That(TrainAny("reverse", "--model", "transformer", "--positions", "none").Json.GetProperty("accuracy").GetDouble(), Is.LessThan(.05));
    }

    /// <summary>The text is not ours to ship: NEURALMEMORY_TEXT names a copy of tinyshakespeare.</summary>
    [TestCase("lstm", 1.75)]
    [TestCase("gpt", 1.95)]
    public void Characters_of_Shakespeare_are_learned(string model, double nats)
    {
        string? text = Environment.GetEnvironmentVariable("NEURALMEMORY_TEXT");
        if (text is null || !File.Exists(text)) Assert.Ignore("NEURALMEMORY_TEXT names no file; tinyshakespeare was expected.");
        Assert.That(TrainAny("lm", "--model", model, "--text", text!).Json.GetProperty("validation_loss").GetDouble(), Is.LessThan(nats));
    }
}
