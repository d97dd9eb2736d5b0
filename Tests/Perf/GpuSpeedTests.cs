using System.Text.Json;
using NeuralMemory.Perf;

namespace NeuralMemory.Tests.Perf;

/// <summary>The benchmark of a GPU's kernels, on the emulator: every case is checked, and nothing is timed.</summary>
[NonParallelizable]
public class GpuSpeedTests
{
    static string Output(Action action)
    {
        TextWriter console = Console.Out;
        using StringWriter text = new();
        try
        {
            Console.SetOut(text);
            action();
        }
        finally
        {
            Console.SetOut(console);
        }
        return text.ToString();
    }

    [SetUp]
    public void Emulator()
    {
        if (Devices.List().All(d => d.Name != "emulator")) Assert.Ignore("no emulator in a build with ILGPU");
    }

    [Test]
    public void Every_case_is_checked_and_is_a_line_of_JSON_without_a_time()
    {
        string[] lines = Output(() => GpuSpeed.Run("emulator", json: true, only: null)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        HashSet<string> cases = [];
        foreach (string line in lines)
        {
            using JsonDocument json = JsonDocument.Parse(line);
            Assert.That(json.RootElement.GetProperty("error").GetDouble(), Is.InRange(0, 0.02));
            Assert.That(json.RootElement.TryGetProperty("seconds", out _), Is.False);
            cases.Add(json.RootElement.GetProperty("case").GetString()!);
        }
        Assert.That(cases, Is.SupersetOf((string[])["MatMul", "MatMul, TensorFloat32", "Softmax", "Attention and gradients", "LstmScan and gradients", "NTM copy, training step", "AdamW"]));
    }

    [Test]
    public void The_table_has_only_what_was_asked_for()
    {
        string table = Output(() => GpuSpeed.Run("emulator", json: false, only: "sum,tanh"));
        Assert.That(table, Does.Contain("| Sum |").And.Contain("| Tanh |").And.Not.Contain("| Add |"));
    }

    [Test]
    public void A_device_that_is_none_is_refused() =>
        Assert.That(() => GpuSpeed.Run("cpu", json: false, only: null), Throws.TypeOf<DeviceException>().With.Message.Contains("cpu is no GPU"));
}
