using System.Diagnostics;
using System.Text.Json;
using NeuralMemory.Perf;

namespace NeuralMemory.Tests.Perf;

/// <summary>The benchmark of the CPU: what is wrong is not timed, and what is timed says so in a line that a program can read.</summary>
[NonParallelizable]
public class SpeedTests
{
    static (bool Right, string Output, string Errors) Run(IEnumerable<Case> cases, string? only = null, bool json = true, string? roofline = null)
    {
        (TextWriter console, TextWriter errors) = (Console.Out, Console.Error);
        using StringWriter text = new(), faults = new();
        try
        {
            Console.SetOut(text);
            Console.SetError(faults);
            return (Speed.Run("cpu", cases, only, withPeer: false, json, roofline), text.ToString(), faults.ToString());
        }
        finally
        {
            Console.SetOut(console);
            Console.SetError(errors);
        }
    }

    [Test]
    public void Threads_that_cannot_be_are_refused_by_every_suite([Values("cpu", "operations", "train", "scaling")] string suite, [Values("0", "-1", "many")] string threads)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "NeuralMemory.Perf.dll"), suite, "--threads", threads]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(1), output.Result);
        Assert.That(error, Does.Contain(threads).And.Contain("--threads").And.Not.Contain("   at "));
    }

    [Test]
    public void A_case_is_a_line_of_JSON()
    {
        (bool right, string output, _) = Run(KernelCases.All.Where(c => c.Shape == "32x100x92"), only: "matmul-nt");
        using JsonDocument line = JsonDocument.Parse(output);
        Assert.That(right);
        Assert.That(line.RootElement.EnumerateObject().Select(p => p.Name), Is.SupersetOf((string[])
            ["suite", "case", "shape", "threads", "ours_s", "peer", "peer_s", "ratio", "gflops", "gbytes", "error"]));
        Assert.That(line.RootElement.GetProperty("case").GetString(), Is.EqualTo("matmul-nt"));
        Assert.That(line.RootElement.GetProperty("gflops").GetDouble(), Is.EqualTo(2.0 * 32 * 100 * 92 / line.RootElement.GetProperty("ours_s").GetDouble() / 1e9).Within(1e-6).Percent);
        Assert.That(line.RootElement.GetProperty("peer_s").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void What_is_wrong_is_not_timed([Values(2e-5, double.NaN, double.PositiveInfinity)] double error)
    {
        int runs = 0;
        (bool right, string output, string errors) = Run([new("broken", "1", 1, 1, () => new(() => runs++, () => error))]);
        Assert.That(right, Is.False);
        Assert.That(runs, Is.Zero);
        Assert.That(output, Is.Empty);
        Assert.That(errors, Does.Contain("broken 1: it differs from float64"));
    }

    [Test]
    public void A_difference_is_a_part_of_the_largest_value_and_NaN_is_infinitely_wrong()
    {
        Assert.That(Prepared.Difference([1, 2.5f], [1, 2]), Is.EqualTo(.25));
        Assert.That(Prepared.Difference([1, float.NaN], [1, 2]), Is.EqualTo(double.PositiveInfinity));
        Assert.That(Prepared.Difference([1], [0]), Is.EqualTo(double.PositiveInfinity));
        Assert.That(Prepared.Difference([0], [0]), Is.Zero);
    }

    /// <summary>Small cases of every kind; the large ones take the same way, and minutes.</summary>
    [Test]
    public void Cases_are_what_float64_says([Values("12x4x64x32", "32x100x92", "1x22x29x100", "16x15x16x16x2x64", "32x100", "1000x128x8192", "8x256x512x4")] string shape)
    {
        Case[] cases = [.. KernelCases.All.Concat(OperationCases.All).Concat(TrainingCases.All).Where(c => c.Shape == shape)];
        Assert.That(cases, Is.Not.Empty);
        foreach (Case c in cases)
        {
            Prepared prepared = c.Prepare();
            Assert.That(prepared.Error(), Is.LessThanOrEqualTo(prepared.Limit), c.Name);
            Assert.That(prepared.Run, Throws.Nothing, c.Name);
        }
    }

    [Test]
    public void The_peer_knows_every_case_by_its_name()
    {
        string peer = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "peers", "torch_peer.py"));
        foreach (string name in KernelCases.All.Concat(OperationCases.All).Concat(TrainingCases.All).Select(c => c.Name.Replace("-training", "", StringComparison.Ordinal)).Distinct())
            Assert.That(peer, Does.Contain($"\"{name}\":").Or.Contain($"f\"{name.Replace("-causal", "", StringComparison.Ordinal)}{{"));
    }

    [Test]
    public void A_case_that_is_none_is_refused() =>
        Assert.That(() => Run(KernelCases.All, only: "matrix"), Throws.ArgumentException.With.Message.Contains("matrix").And.Message.Contains("matmul"));

    [Test]
    public void The_roofline_is_a_picture_of_every_case()
    {
        string svg = Roofline.Draw(new(224, 25.5), [new("exp", .125, 3.5), new("matmul", 40, 170), new("matmul-nt", 20, 150)]);
        System.Xml.Linq.XElement picture = System.Xml.Linq.XElement.Parse(svg);
        Assert.That(picture.Descendants().Count(e => e.Name.LocalName == "circle"), Is.EqualTo(3 + 2), "cases, and kinds in the legend");
        Assert.That(svg, Does.Contain("224 GFLOP/s").And.Contain("25.5 GB/s"));
    }
}
