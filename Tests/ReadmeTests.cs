using System.Runtime.CompilerServices;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Tests;

[NonParallelizable]
public class ReadmeTests
{
    /// <summary>What the README shows, to the letter.</summary>
    static void Example()
    {
        CopyTask task = new(minLength: 1, maxLength: 5);
        Philox weights = new(seed: 1, stream: 0), episodes = new(seed: 1, stream: 1);
        Ntm ntm = new(task.InputWidth, task.OutputWidth, Ntm.PaperSizes, weights);
        RmsProp optimizer = new(ntm.Parameters, learningRate: 1e-4, alpha: 0.95, momentum: 0.9);

        for (int i = 1; i <= 4000; i++)
        {
            using var step = Tape.Step();                       // its tensors live until here ends, and need no disposing
            Episode episode = task.Next(episodes, batch: 1);
            Tensor logits = episode.Output(ntm.Forward(episode.Inputs));
            Tensor loss = logits.BinaryCrossEntropyWithLogits(episode.Output(episode.Targets));
            optimizer.ZeroGradient();
            loss.Backward();
            Gradients.ClipValue(ntm.Parameters, 10);
            optimizer.Step();
            if (i % 1000 == 0) Console.WriteLine($"{i} sequences: {loss.Item():f4} nats a bit");
        }

        ntm.Save("copy.safetensors");
        using (Tape.NoGradient())
        {
            Episode test = task.Next(episodes, batch: 1, length: 3);
            Console.WriteLine(test.Output(ntm.Forward(test.Inputs)).Sigmoid());
        }
    }

    [Test]
    public void The_readme_s_example_is_this_one_and_trains()
    {
        string[] source = File.ReadAllLines(ThisFile()), readme = File.ReadAllLines(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "README.md"));
        int begin = Array.FindIndex(source, line => line.Contains("static void Example()")) + 2, end = Array.IndexOf(source, "    }", begin);
        int usings = Array.IndexOf(readme, "```csharp"), shown = Array.IndexOf(readme, "", usings), close = Array.IndexOf(readme, "```", shown);
        Assert.That(string.Join('\n', readme[(shown + 1)..close]), Is.EqualTo(string.Join('\n', source[begin..end].Select(line => line.Length > 8 ? line[8..] : line))));
        string[] missing = [.. readme[(usings + 1)..shown].Except(source).Except(["using NeuralMemory;"])];          // the tests are within that namespace
        Assert.That(missing, Is.Empty);

        using StringWriter output = new();
        TextWriter console = Console.Out;
        string folder = Directory.CreateTempSubdirectory().FullName, before = Environment.CurrentDirectory;
        try
        {
            Console.SetOut(output);
            Environment.CurrentDirectory = folder;
            Example();
            Assert.That(File.Exists("copy.safetensors"));
        }
        finally
        {
            Console.SetOut(console);
            Environment.CurrentDirectory = before;
            Directory.Delete(folder, recursive: true);
        }
        string[] lines = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        TestContext.Out.WriteLine(output);
        Assert.That(lines, Has.Length.EqualTo(5));
        double[] losses = [.. lines[..4].Select(line => double.Parse(line.Split(' ')[2]))];
        Assert.That(losses[^1], Is.LessThan(.5), "below the ln 2 = .693 of a guess");
    }

    static string ThisFile([CallerFilePath] string path = "") => path;
}
