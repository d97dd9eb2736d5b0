using System.Text.Json;
using NeuralMemory.Tests.Checkpoints;

namespace NeuralMemory.Tests.Cli;

/// <summary>The tasks on graphs and the Differentiable Neural Computer on the command line: what they print, and what bad input gets.</summary>
[NonParallelizable]
public class GraphAndDncTests
{
    static readonly Scratch scratch = new();
    static readonly string map = scratch["map"], trained = scratch["trained"];
    static readonly string[] small = ["--sequences", "32", "--hidden", "4", "--slots", "6", "--width", "3", "--read-heads", "1"];

    [OneTimeSetUp]
    public void Train()
    {
        Directory.CreateDirectory(map);
        File.WriteAllLines(Path.Combine(map, "line.stations.csv"), ["id,name", .. Enumerable.Range(1, 12).Select(i => $"{i},Stop {i}")]);
        File.WriteAllLines(Path.Combine(map, "line.connections.csv"), ["station1,station2", .. Enumerable.Range(1, 11).Select(i => $"{i},{i + 1}")]);
        Assert.That(Run.Here(["train", "paths", "--out", trained, .. small]).Code, Is.Zero);
    }

    [OneTimeTearDown]
    public void Delete() => scratch.Dispose();

    static JsonElement LastLine(string output) => JsonDocument.Parse(output.TrimEnd('\n').Split('\n')[^1]).RootElement;

    [TestCase("paths", "dnc", "--hidden", "4", "--slots", "6", "--width", "3", "--read-heads", "1", "--links", "false")]
    [TestCase("paths", "lstm", "--hidden", "4", "--thinking", "0")]
    [TestCase("traversal", "dnc", "--hidden", "4", "--slots", "6", "--width", "3", "--read-heads", "1", "--free-gates", "false")]
    public void A_task_on_graphs_trains_is_tested_and_resumes(string task, string model, params string[] sizes)
    {
        string folder = scratch[$"{task}-{model}"];
        (int code, string output, string error) = Run.Here(["train", task, "--model", model, "--sequences", "32", "--min-steps", "1", "--max-steps", "2", "--out", folder, "--json", .. sizes]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement json = LastLine(output);
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])
            ["task", "model", "device", "seed", "sequences", "seconds", "timesteps_per_second", "parameters", "accuracy", "accuracies", "out"]));
        Assert.That(json.GetProperty("accuracies").EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])["1", "2"]));
        Assert.That(json.GetProperty("accuracy").GetDouble(), Is.EqualTo(json.GetProperty("accuracies").GetProperty("2").GetDouble()));
        Assert.That(Run.Here("train", "--resume", folder, "--sequences", "48").Output, Does.Contain("going on after 32 sequences"));
    }

    [Test]
    public void A_map_can_be_trained_on_and_tested_on()
    {
        string folder = scratch["on-map"];
        Assert.That(Run.Here(["train", "paths", "--data", map, "--out", folder, .. small]).Code, Is.Zero);
        Assert.That(Run.Here("eval", folder, "--batches", "50").Code, Is.Zero);
        (int code, string output, string error) = Run.Here("eval", trained, "--data", map, "--length", "4", "--batches", "50", "--json");
        Assert.That((code, error), Is.EqualTo((0, "")), "a part of a line has a way of 4 steps");
        Assert.That(LastLine(output).GetProperty("accuracies").EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])["4"]));
    }

    [Test]
    public void Copy_is_learned_by_a_dnc_of_any_kind()
    {
        foreach (string[] kind in (string[][])[[], ["--links", "false"], ["--free-gates", "false"]])
        {
            string folder = scratch[$"copy{string.Concat(kind)}"];
            (int code, string output, string error) = Run.Here(["train", "copy", "--model", "dnc", "--out", folder, .. small, .. kind]);
            Assert.That((code, error), Is.EqualTo((0, "")));
            Assert.That(output, Does.Contain("dnc, controller 4, memory 6 x 3, 1 read heads"));
            Assert.That(Run.Here("eval", folder, "--length", "3").Code, Is.Zero);
        }
    }

    [Test]
    public void The_live_view_shows_the_memory_of_a_dnc_on_graphs()
    {
        (int code, string output) = Run.OnTerminal(true, ["train", "paths", "--log-every", "16", "--out", scratch["live"], .. small]);
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("write weighting").And.Contain("read weighting").And.Contain("usage").And.Contain("links, row after column"));
    }

    [Test]
    public void Bad_input_is_named()
    {
        Refused(["train", "paths", "--data", scratch["none"], .. small], $"{scratch["none"]}: there is no such folder.");
        Refused(["train", "paths", "--labels", "5", .. small], "--labels: 5 are fewer than the 6 nodes.");
        Refused(["train", "paths", "--min-steps", "4", .. small], "--max-steps: 3 are fewer than --min-steps 4.");
        Refused(["train", "paths", "--max-steps", "4", "--out", scratch["none"], .. small],
            "--max-steps: among 1000 graphs 0 had a path of 4 steps; at least 20 were expected. More --nodes have longer paths.");
        Refused(["train", "paths", "--nodes", "2", "--model", "lstm", "--out", scratch["none"]],
            "--max-steps: among 1000 graphs 0 had a path of 3 steps; at least 20 were expected. More --nodes have longer paths.");
        Assert.That(Directory.Exists(scratch["none"]), Is.False);
        Refused(["train", "traversal", "--thinking", "2", .. small], "--thinking is no option of the model dnc on the task traversal.");
        Refused(["train", "paths", "--model", "lstm", "--links", "false", "--sequences", "32"], "--links is no option of the model lstm on the task paths.");
        Refused(["train", "copy", "--model", "dnc", "--slots", "100000"], "--hidden, --slots, --width and --read-heads: 10000000000 parameters are too many; at most 1073741824 fit in a tensor.");
        Refused(["eval", trained, "--length", "40"], "--length: paths: among 1000 graphs none had a way of 40 connections to ask for.");
        Refused(["eval", trained, "--data", scratch["none"]], $"{scratch["none"]}: there is no such folder.");
        string broken = Path.Combine(scratch["broken"], "x.stations.csv");
        Directory.CreateDirectory(scratch["broken"]);
        File.WriteAllText(broken, "id,name\n1\n");
        File.WriteAllText(Path.Combine(scratch["broken"], "x.connections.csv"), "station1,station2\n");
        Refused(["eval", trained, "--data", scratch["broken"]], $"{broken}:2: 1 fields; 2 were expected, as in the header.");
    }

    [Test]
    public void A_way_too_long_for_a_tensor_is_refused()
    {
        string folder = scratch["many-labels"];
        Assert.That(Run.Here("train", "traversal", "--model", "lstm", "--hidden", "2", "--labels", "2000", "--sequences", "16", "--out", folder).Code, Is.Zero);
        Run.Refuses(["eval", folder, "--length", "6000"], "--length: 6000 is too long", "more than a tensor can hold");
    }

    [Test]
    public void A_run_keeps_where_its_data_are_and_resumes_from_anywhere()
    {
        string folder = scratch["relative"], here = Directory.GetCurrentDirectory();
        try
        {
            Directory.SetCurrentDirectory(scratch.Folder);
            Assert.That(Run.Here(["train", "traversal", "--data", "map", "--out", folder, .. small]).Code, Is.Zero);
            (int code, string output, string error) = Run.Here("train", "--resume", "relative", "--data", "map", "--sequences", "48");
            Assert.That((code, error), Is.EqualTo((0, "")), output);
        }
        finally
        {
            Directory.SetCurrentDirectory(here);
        }
        (int elsewhere, _, string said) = Run.Here("train", "--resume", folder, "--data", Path.GetRelativePath(here, map), "--sequences", "64");
        Assert.That((elsewhere, said), Is.EqualTo((0, "")));
        Assert.That(Run.Here("train", "--resume", folder, "--sequences", "80").Code, Is.Zero);
        Run.Refuses(["train", "--resume", folder, "--data", scratch["none"]], folder, "other options");
    }

    static void Refused(string[] arguments, string message)
    {
        (int code, string _, string error) = Run.Here(arguments);
        Assert.That((code, error.TrimEnd()), Is.EqualTo((2, $"neuralmemory: {message}")));
    }
}
