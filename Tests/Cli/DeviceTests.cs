using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Cli;

/// <summary>
/// Each task trains on a device as on the CPU: from the same batches, a loss that differs by rounding alone. Both compute in float32 and add in different orders, which makes errors of some 1e-7;
/// the loss changes by far more than the tolerance where a kernel, or what is read back, is wrong.
/// </summary>
[NonParallelizable]
public class DeviceTests
{
    const double Tolerance = 1e-5;

    [TestCase("babi", "--linear-start", "0", "--hops", "1", "--capacity", "3", "--embedding-width", "4")]
    [TestCase("oneshot", "--model", "mann", "--hidden", "4", "--slots", "4", "--width", "3", "--read-heads", "2", "--length", "5", "--bits", "3")]
    [TestCase("reverse", "--hidden", "3", "--embedding", "2", "--max-length", "1", "--alphabet", "3")]
    [TestCase("lm", "--model", "lstm", "--hidden", "4", "--embedding", "3", "--window", "8")]
    [TestCase("paths", "--hidden", "3", "--slots", "4", "--width", "2", "--read-heads", "1", "--nodes", "3", "--labels", "3", "--min-steps", "1", "--max-steps", "1", "--thinking", "0")]
    public void A_task_trains_on_the_emulator_as_on_the_CPU(string task, params string[] sizes)
    {
        if (!Devices.List().Any(d => d.Name == "emulator")) Assert.Ignore("no emulator in a build with ILGPU");
        using Scratch scratch = new();
        if (task == "lm") File.WriteAllText(scratch["text"], string.Concat(Enumerable.Repeat("Grüße an alle, die lesen.\n", 8)));
        string[] text = task == "lm" ? ["--text", scratch["text"]] : [];
        double[] Losses(string device)
        {
            (int code, string _, string error) = Run.Here(["train", task, .. sizes, .. text, "--sequences", "4", "--batch", "2", "--log-every", "2", "--device", device, "--out", scratch[device]]);
            Assert.That((code, error), Is.EqualTo((0, "")));
            return [.. new RunFolder(scratch[device]).ReadMetrics().Select(m => m.Loss)];
        }
        double[] expected = Losses("cpu");
        Assert.That(expected, Has.Length.EqualTo(2).And.All.GreaterThan(.1));
        Assert.That(Losses("emulator"), Is.EqualTo(expected).Within(Tolerance * expected.Max()));
    }

    [Test]
    public void Who_asks_for_the_emulator_hears_which_build_has_it()
    {
        Assert.That(string.Join(' ', Run.Here("train", "--help").Output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)), Does.Contain("only in a build with -p:Ilgpu=false"));
        if (Devices.List().Any(d => d.Name == "emulator")) Assert.Ignore("it is there");
        Run.Refuses(["train", "copy", "--device", "emulator"], "emulator is not there", "-p:Ilgpu=false");
    }

    [Test]
    public void A_device_that_is_not_there_is_named()
    {
        (int code, string output, string error) = Run.Here("train", "copy", "--device", "abacus");
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.StartWith("neuralmemory: ").And.Contain("abacus"));
        Assert.That(error.TrimEnd('\n'), Does.Not.Contain('\n'));
    }
}
