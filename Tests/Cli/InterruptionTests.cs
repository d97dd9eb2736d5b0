using System.Diagnostics;
using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Cli;

/// <summary>Runs that do not end by themselves: by a signal they can mind, and by one they cannot.</summary>
[NonParallelizable]
[Platform(Exclude = "Win")]
public class InterruptionTests
{
    const int Interrupt = 2, Kill = 9, Terminate = 15;

    [TestCase(Interrupt)]
    [TestCase(Terminate)]
    public void A_signal_ends_training_with_a_checkpoint(int signal)
    {
        using Scratch scratch = new();
        string folder = scratch["run"];
        using Process process = Run.Start(["train", "copy", "--sequences", "100000000", "--log-every", "10", "--out", folder, .. Run.Tiny]);
        process.StandardOutput.ReadLine();                                  // the heading
        process.StandardOutput.ReadLine();                                  // the first interval
        Run.Signal(process, signal);
        string rest = process.StandardOutput.ReadToEnd(), errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, errors), Is.EqualTo((130, "")));
        Assert.That(rest, Does.Contain("Interrupted after").And.Contain($"train --resume {folder}"));

        long done = Checkpoint.Read(new RunFolder(folder).CheckpointPath).State.Sequences;
        Assert.That(done, Is.GreaterThanOrEqualTo(10));
        (int code, string output, string error) = Run.Here("train", "--resume", folder, "--sequences", $"{done + 10}");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Contain($"going on after {done:n0} sequences"));
    }

    [Test]
    public void A_folder_in_which_a_run_trains_is_refused_and_when_that_was_killed_resumed()
    {
        using Scratch scratch = new();
        string folder = scratch["run"];
        string[] train = ["train", "copy", "--sequences", "100000000", "--log-every", "10", "--checkpoint-every", "10", "--out", folder, .. Run.Tiny];
        using Process process = Run.Start(train);
        process.StandardOutput.ReadLine();                                  // the heading
        process.StandardOutput.ReadLine();                                  // the first interval
        try
        {
            foreach (string[] second in (string[][])[train, ["train", "--resume", folder]])
                Run.Refuses(second, folder, "only one run at a time");
            Assert.That(Run.Here("eval", folder, "--batches", "1").Code, Is.Zero, "it can be read");
            Assert.That(process.HasExited, Is.False);
        }
        finally
        {
            Run.Signal(process, Kill);
            process.WaitForExit();
        }
        long done = Checkpoint.Read(new RunFolder(folder).CheckpointPath).State.Sequences;
        Assert.That(Run.Here("train", "--resume", folder, "--sequences", $"{done + 10}").Error, Is.Empty);
        Assert.That(Directory.GetFiles(folder).Select(Path.GetFileName), Is.EquivalentTo(new[] { "best.safetensors", "checkpoint.safetensors", "config.json", "metrics.jsonl" }));
    }

    [Test]
    public void Interrupted_at_once_is_130_too()
    {
        using Scratch scratch = new();
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.That(Run.Here(source.Token, ["train", "copy", "--out", scratch["run"], .. Run.Tiny]).Code, Is.EqualTo(130));
        Assert.That(Run.Here(source.Token, ["eval", scratch["run"]]).Code, Is.EqualTo(130));
    }

    /// <summary>20 times the process is killed at a random moment and begun again, until it ends: it leaves the very bits that an undisturbed run leaves.</summary>
    [Test]
    public void Killed_at_any_moment_it_ends_with_the_same_bits()
    {
        const int kills = 20;
        using Scratch scratch = new();
        string[] options = ["train", "copy", "--seed", "3", "--sequences", "2500", "--checkpoint-every", "7", "--log-every", "50", .. Run.Tiny];
        Assert.That(Run.Here([.. options, "--threads", "1", "--out", scratch["undisturbed"]]).Code, Is.Zero);
        string undisturbed = Run.Fingerprint(scratch["undisturbed"]);
        Assert.That(Run.Here([.. options, "--threads", "2", "--out", scratch["two threads"]]).Code, Is.Zero);
        Assert.That(Run.Fingerprint(scratch["two threads"]), Is.EqualTo(undisturbed));

        Philox random = new((ulong)Environment.TickCount64);
        TestContext.Out.WriteLine($"Seed {random.Seed}");
        int killed = 0, ended = 0;
        HashSet<long> moments = [];
        for (; killed < kills || ended == 0; ended++)
        {
            string folder = scratch[$"run {ended}"];
            while (!Life(folder, killed < kills)) killed++;
            Assert.That(Run.Fingerprint(folder), Is.EqualTo(undisturbed), $"run {ended}");
        }
        TestContext.Out.WriteLine($"{ended} runs, killed {killed} times, after {string.Join(", ", moments.Order())} sequences");
        Assert.That(moments, Has.Count.GreaterThan(5), "kills that came between the first checkpoint and the last");

        // Whether the run ended before it was killed.
        bool Life(string folder, bool mortal)
        {
            string checkpoint = new RunFolder(folder).CheckpointPath;
            bool resume = File.Exists(checkpoint);
            using Process process = Run.Start(resume ? ["train", "--resume", folder, "--checkpoint-every", "7"] : [.. options, "--out", folder]);
            Task<string> errors = process.StandardError.ReadToEndAsync();
            if (mortal)
            {
                // Most kills come at some moment of training, however fast this machine trains; some while the process is still starting.
                if (random.Next(0, 5) > 0)
                    for (long aim = Seen(checkpoint) + random.Next(0, 250); Seen(checkpoint) < aim && !process.HasExited;) Thread.Sleep(2);
                if (process.WaitForExit(random.Next(0, 30))) mortal = false;
                else Run.Signal(process, Kill);
            }
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (mortal)
            {
                moments.Add(Seen(checkpoint));
                return false;
            }
            Assert.That((process.ExitCode, errors.Result), Is.EqualTo((0, "")), output);
            return true;
        }

        // Sequences seen; -1 before the first checkpoint.
        static long Seen(string checkpoint) => File.Exists(checkpoint) ? Checkpoint.Read(checkpoint).State.Sequences : -1;
    }
}
