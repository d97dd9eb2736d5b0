using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
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
