using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using NeuralMemory.Cli;
using NeuralMemory.Models;
using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Cli;

/// <summary>What the commands do and say.</summary>
[NonParallelizable]
public partial class CommandTests
{
    [GeneratedRegex(@"\e\[[0-9;?]*[A-Za-z]")]
    private static partial Regex ControlCodes { get; }

    [Test]
    public void Train_ends_with_a_table_and_a_line_of_JSON()
    {
        using Scratch scratch = new();
        string folder = scratch["run"];
        using Process process = Run.Start("train", "copy", "--sequences", "50", "--hidden", "16", "--slots", "16", "--width", "8", "--seed", "3", "--out", folder, "--json");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, errors.Result), Is.EqualTo((0, "")));
        Assert.That(output, Does.Not.Contain('\e'));
        Assert.That(output, Does.Contain("length").And.Contain("120").And.Contain($"Saved in {folder}"));

        using JsonDocument document = JsonDocument.Parse(output.TrimEnd('\n').Split('\n')[^1]);
        JsonElement json = document.RootElement;
        int parameters = new Ntm(10, 8, new(16, 16, 8, 1, 1, 3, NtmController.Lstm), new Philox(1)).ParameterCount;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])
                ["task", "model", "device", "seed", "sequences", "seconds", "timesteps_per_second", "parameters", "bits", "out"]));
            Assert.That(json.GetProperty("task").GetString(), Is.EqualTo("copy"));
            Assert.That(json.GetProperty("model").GetString(), Is.EqualTo("ntm"));
            Assert.That(json.GetProperty("device").GetString(), Is.EqualTo("cpu"));
            Assert.That(json.GetProperty("seed").GetInt32(), Is.EqualTo(3));
            Assert.That(json.GetProperty("sequences").GetInt32(), Is.EqualTo(50));
            Assert.That(json.GetProperty("seconds").GetDouble(), Is.InRange(0.001, 60));
            Assert.That(json.GetProperty("timesteps_per_second").GetDouble(), Is.InRange(10, 1e7));
            Assert.That(json.GetProperty("parameters").GetInt32(), Is.EqualTo(parameters));
            Assert.That(json.GetProperty("out").GetString(), Is.EqualTo(folder));
            Assert.That(json.GetProperty("bits").EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])["10", "20", "40", "80", "120"]));
            // It knows nothing yet: a bit costs a bit.
            foreach (JsonProperty bits in json.GetProperty("bits").EnumerateObject())
                Assert.That(bits.Value.GetDouble() / (8 * int.Parse(bits.Name)), Is.InRange(.9, 1.3), bits.Name);
        }

        // eval sees the same sequences.
        (int code, string line, _) = Run.Here("eval", folder, "--length", "40", "--json");
        Assert.That(code, Is.Zero);
        using JsonDocument evaluated = JsonDocument.Parse(line);
        Assert.That(evaluated.RootElement.GetProperty("bits").GetDouble(), Is.EqualTo(json.GetProperty("bits").GetProperty("40").GetDouble()));
        Assert.That(evaluated.RootElement.GetProperty("sequences").GetInt32(), Is.EqualTo(100));
        Assert.That(Run.Here("eval", folder, "--length", "30", "--batches", "2").Output, Does.Contain("20 fresh sequences").And.Contain("240"));
    }

    [TestCase("copy", "ntm")]
    [TestCase("copy", "lstm")]
    [TestCase("repeat-copy", "ntm")]
    [TestCase("recall", "ntm", "--controller", "feed-forward")]
    [TestCase("ngrams", "ntm", "--memory-start", "random", "--write-heads", "0")]
    [TestCase("priority-sort", "ntm", "--read-heads", "2", "--write-heads", "3", "--memory-start", "constant", "--batch", "2")]
    public void Every_task_trains_is_tested_and_inspected(string task, string model, params string[] more)
    {
        using Scratch scratch = new();
        string[] sizes = model == "lstm" ? ["--hidden", "4", "--layers", "2"] : Run.Tiny;
        (int code, string output, string error) = Run.Here(
            ["train", task, "--model", model, "--sequences", "2", "--log-every", "1", "--out", scratch["run"], .. sizes, .. more]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Contain($"{task}, seed 1").And.Contain("2 / 2").And.Contain("Saved in"));
        Assert.That(Run.Here("eval", scratch["run"], "--batches", "1").Code, Is.Zero);
        (code, output, error) = Run.Here("inspect", scratch["run"]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Contain("model").And.Contain("output_weight").And.Contain("F32").And.Contain("optimizer.square_average").And.Contain(task));
    }

    static readonly string[] tinyTransformer = ["--model", "transformer", "--width", "8", "--heads", "2", "--feed-forward", "12", "--layers", "3"];

    [Test]
    public void A_transformer_trains_on_every_task_of_bits_is_tested_and_resumes_to_the_same_bits()
    {
        using Scratch scratch = new();
        foreach (string task in (string[])["copy", "repeat-copy", "recall", "ngrams", "priority-sort"])
        {
            string whole = scratch[$"{task}-whole"], halves = scratch[$"{task}-halves"];
            string[] arguments = ["train", task, "--batch", "2", "--warm-up", "4", "--log-every", "4", .. tinyTransformer];
            (int code, string output, string error) = Run.Here([.. arguments, "--sequences", "16", "--out", whole]);
            Assert.That((code, error), Is.EqualTo((0, "")));
            Assert.That(output, Does.Contain("transformer, 3 layers, width 8, 2 heads, feed-forward 12, positions sinusoidal"));
            Assert.That(Run.Here([.. arguments, "--sequences", "8", "--out", halves]).Code, Is.Zero);
            Assert.That(Run.Here("train", "--resume", halves, "--sequences", "16").Code, Is.Zero);
            Assert.That(Run.Fingerprint(halves), Is.EqualTo(Run.Fingerprint(whole)), task);
            Assert.That(Run.Here("eval", whole, "--batches", "1").Code, Is.Zero);
            Assert.That(Run.Here("inspect", whole).Output, Does.Contain("layer.2.self_attn").And.Contain("feed_forward"));
        }
    }

    [Test]
    public void Runs_are_compared_by_length_in_one_table_and_one_picture()
    {
        using Scratch scratch = new();
        string ntm = scratch["ntm"], transformer = scratch["transformer"], again = Path.Combine(scratch["second"], "ntm"), picture = scratch["length.svg"];
        Assert.That(Run.Here(["train", "copy", "--sequences", "2", "--out", ntm, .. Run.Tiny]).Code, Is.Zero);
        Assert.That(Run.Here(["train", "copy", "--sequences", "2", "--seed", "2", "--out", again, .. Run.Tiny]).Code, Is.Zero);
        Assert.That(Run.Here(["train", "copy", "--sequences", "16", "--out", transformer, .. tinyTransformer]).Code, Is.Zero);

        (int code, string output, string error) = Run.Here("eval", ntm, transformer, again, "--length", "3,5,30", "--batches", "1", "--out", picture, "--json");
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement[] lines = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.That(lines.Select(line => $"{line.GetProperty("model")} {line.GetProperty("seed")}"), Is.EqualTo(new[] { "ntm 1", "transformer 1", "ntm 2" }));
        foreach (JsonElement line in lines)
            Assert.That(line.GetProperty("results").EnumerateArray().Select(result => result.GetProperty("length").GetInt32()), Is.EqualTo(new[] { 3, 5, 30 }));
        double bits = JsonDocument.Parse(Run.Here("eval", again, "--length", "5", "--batches", "1", "--json").Output).RootElement.GetProperty("bits").GetDouble();
        Assert.That(lines[2].GetProperty("results")[1].GetProperty("bits").GetDouble(), Is.EqualTo(bits), "as when it is tested alone");

        System.Xml.Linq.XNamespace svg = "http://www.w3.org/2000/svg";
        System.Xml.Linq.XElement drawn = System.Xml.Linq.XElement.Load(picture);
        Assert.That(drawn.Elements(svg + "polyline").Select(line => line.Attribute("points")!.Value.Split(' ').Length), Is.EqualTo(new[] { 3, 3, 3 }));
        Assert.That(drawn.Elements(svg + "text").Count(text => text.Value == "ntm"), Is.EqualTo(1), "runs of one name share a colour");

        output = Run.Here("eval", ntm, again, "--length", "3,30", "--batches", "1").Output;
        Assert.That(output, Does.Contain("By length: cost of a sequence in bits, the median"));
        Assert.That(output.Split('\n').Count(line => line.Contains(scratch.Folder)), Is.EqualTo(2), "a row a run");

        Run.Refuses(["eval", ntm, "--length", "3,3"], "--length: 3 stands there twice");
        Run.Refuses(["eval", ntm, "--length", "3,,5"], "--length: ''");
        Run.Refuses(["eval", ntm, "--length", "3,0"], "--length: '0' is not a whole number from 1");
        Run.Refuses(["eval", ntm, scratch["none"], "--length", "3"], "none");
        Assert.That(Run.Here(["train", "oneshot", "--model", "lstm", "--sequences", "16", "--hidden", "4", "--out", scratch["oneshot"]]).Code, Is.Zero);
        (code, output, error) = Run.Here("eval", ntm, scratch["oneshot"], "--batches", "1", "--out", picture);
        Assert.That((code, error), Is.EqualTo((2, "neuralmemory: --out: only runs that are measured alike, and over lengths, fit in one picture.\n")));
        Assert.That(output, Does.Contain("cost, median").And.Contain("presentation of a class"), "what was measured is not lost");
        (code, output, error) = Run.Here("eval", ntm, "--length", "3", "--batches", "1", "--out", Path.Combine(scratch["no folder"], "picture.svg"));
        Assert.That((code, error), Is.EqualTo((2, error)));
        Assert.That(error, Does.Contain("no folder"));
        Assert.That(output, Does.Contain("cost, median"), "what was measured is not lost");
    }

    [TestCase("dnc", "write weighting, slots", "read weighting, slots", "usage, slots", "links")]
    [TestCase("transformer", "attention, layer 1", "attention, layer 2", "attention, layer 3")]
    [TestCase("lstm")]
    public void The_live_view_shows_every_memory(string model, params string[] captions)
    {
        using Scratch scratch = new();
        string[] sizes = model == "dnc" ? ["--model", "dnc", "--hidden", "8", "--slots", "8", "--width", "4"] : model == "lstm" ? ["--model", "lstm", "--hidden", "8", "--layers", "1"] : tinyTransformer;
        string[] arguments = ["train", "copy", "--sequences", "100", "--batch", "2", "--log-every", "10", .. sizes];
        (int code, string output) = Run.OnTerminal(true, [.. arguments, "--out", scratch["live"]]);
        Assert.That(code, Is.Zero, output);
        foreach (string caption in (string[])["target, length", "output, ", .. captions]) Assert.That(output, Does.Contain(caption));
        foreach (string line in ControlCodes.Replace(output, "").Split(['\n', '\r'])[..^8])
            Assert.That(line, Has.Length.LessThanOrEqualTo(Run.Width));
        Assert.That(Run.Here([.. arguments, "--out", scratch["plain"]]).Code, Is.Zero);
        Assert.That(Run.Fingerprint(scratch["live"]), Is.EqualTo(Run.Fingerprint(scratch["plain"])));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void The_live_view_fits_and_changes_nothing_that_is_trained(bool colors)
    {
        using Scratch scratch = new();
        foreach (string task in (string[])["copy", "repeat-copy", "ngrams"])
        {
            string[] arguments = ["train", task, "--sequences", "100", "--batch", "2", "--log-every", "10", .. Run.Tiny];
            string live = scratch[$"{task}-live"], plain = scratch[$"{task}-plain"];
            (int code, string output) = Run.OnTerminal(colors, [.. arguments, "--out", live]);
            Assert.That(code, Is.Zero, output);
            Assert.That(output, Does.Contain("target, length").And.Contain("write weighting, slots").And.Contain("100 / 100"));
            if (!colors) Assert.That(output, Does.Not.Contain("\e[38;").And.Not.Contain("\e[48;"));
            foreach (string line in ControlCodes.Replace(output, "").Split(['\n', '\r'])[..^8])
                Assert.That(line, Has.Length.LessThanOrEqualTo(Run.Width));

            Assert.That(Run.Here([.. arguments, "--out", plain]).Code, Is.Zero);
            Assert.That(Run.Fingerprint(live), Is.EqualTo(Run.Fingerprint(plain)));
        }
    }

    [Test]
    public void A_run_without_a_folder_finds_a_name_that_is_free()
    {
        using Scratch scratch = new();
        foreach (string expected in (string[])["runs/copy-lstm-5", "runs/copy-lstm-5-2", "runs/copy-lstm-5-3"])
        {
            string here = Directory.GetCurrentDirectory();
            Directory.SetCurrentDirectory(scratch.Folder);
            try
            {
                string output = Run.Here("train", "copy", "--model", "lstm", "--seed", "5", "--sequences", "1", "--hidden", "4", "--layers", "1").Output;
                Assert.That(output, Does.Contain($"Saved in {expected.Replace('/', Path.DirectorySeparatorChar)}."));
            }
            finally
            {
                Directory.SetCurrentDirectory(here);
            }
        }
    }

    /// <summary>All of what a usual validation needs; the longest, one at a time.</summary>
    [TestCase("120", 20)]
    [TestCase("2000", 2)]
    [TestCase("65536", 1)]
    public void Long_sequences_are_validated_fewer_side_by_side(string length, int sideBySide)
    {
        using StringWriter output = new();
        RunConfiguration run = RunConfiguration.Of(Recipe.Of("copy", "lstm")).Changed(TrainCommand.Create(Session.Plain(output, output, default)).Parse(["copy", "--validation-length", length]));
        Validation validation = run.TrainerOptions("folder").Validation!;
        Assert.That((validation.Length, validation.Sequences, validation.Batch), Is.EqualTo((int.Parse(length), 20, sideBySide)));
    }

    [Test]
    public void Inspect_reads_any_safetensors_file()
    {
        (int code, string output, _) = Run.Here("inspect", Scratch.Golden("matmul_2d"));
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("tensors").And.Contain(" x "));
    }

    [Test]
    public void Devices_says_what_is_chosen_and_why()
    {
        (int code, string output, _) = Run.Here("devices");
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("* cpu").And.Contain($"{ThreadTeam.Threads} threads").And.Contain("Chosen by default: cpu.").And.Contain("--device auto would choose"));
    }

    [TestCase("--help")]
    [TestCase("train --help")]
    [TestCase("--version")]
    public void Help(string arguments)
    {
        (int code, string output, string error) = Run.Here(arguments.Split(' '));
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Is.Not.Empty);
    }

    [Test]
    public void A_loss_that_is_no_number_ends_with_one_line_and_code_1()
    {
        using Scratch scratch = new();
        (int code, _, string error) = Run.Here(["train", "copy", "--sequences", "200", "--learning-rate", "1e38", "--out", scratch["run"], .. Run.Tiny]);
        Assert.That(code, Is.EqualTo(1));
        Assert.That(error, Does.Match("^neuralmemory: [^\n]*\n$").And.Contain(scratch["run"]));
        Assert.That(Run.Here("eval", scratch["run"], "--batches", "1").Code, Is.Zero);
    }

    [Test]
    public void Resume_trains_on()
    {
        using Scratch scratch = new();
        string folder = scratch["run"];
        Run.Here(["train", "copy", "--sequences", "20", "--out", folder, .. Run.Tiny]);
        (int code, string output, _) = Run.Here("train", "--resume", folder, "--sequences", "30");
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("going on after 20 sequences").And.Contain("30 / 30"));
        Assert.That(Checkpoint.Read(new RunFolder(folder).CheckpointPath).State.Sequences, Is.EqualTo(30));
    }
}
