using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests;

/// <summary>
/// Every file of the folder Golden, or of the folder that NEURALMEMORY_GOLDEN names, against what is computed here. A file whose case
/// <see cref="GoldenFunctions"/> does not know fails.
/// </summary>
public class GoldenTests
{
    const double ValueTolerance = 1e-5, GradientTolerance = 1e-4, WeightTolerance = 1e-6;

    static readonly string Folder =
        Environment.GetEnvironmentVariable("NEURALMEMORY_GOLDEN") is { Length: > 0 } named ? named : Path.Combine(AppContext.BaseDirectory, "Golden");

    static IEnumerable<TestCaseData> Files(Func<string, bool> wanted) =>
        from path in Directory.EnumerateFiles(Folder, "*.safetensors").Order(StringComparer.Ordinal)
        let name = Path.GetFileNameWithoutExtension(path)
        where wanted(name)
        select new TestCaseData(path).SetArgDisplayNames(name);

    static bool IsOptimizer(string name) => name.StartsWith("optimizer_");

    static bool IsClipping(string name) => name.StartsWith("clip_grad_norm");

    public static IEnumerable<TestCaseData> Operations => Files(name => !IsOptimizer(name) && !IsClipping(name));

    public static IEnumerable<TestCaseData> Optimizers => Files(IsOptimizer);

    public static IEnumerable<TestCaseData> Clippings => Files(IsClipping);

    /// <summary>L = sum over i of sum(output.i * projection.i): all outputs, and dL/dx of all inputs and parameters.</summary>
    [TestCaseSource(nameof(Operations))]
    public void Operation_agrees_with_PyTorch(string path)
    {
        GoldenCase golden = new(path);
        if (!GoldenFunctions.Operations.TryGetValue(golden.Name, out Func<GoldenCase, GoldenOutput>? function))
            Assert.Fail($"No function is registered for the golden case '{golden.Name}' ({Path.GetFileName(path)}): add a line to GoldenFunctions.Operations.");
        using (Tape.Step())
        {
            Tensor[] outputs = function!(golden).Tensors;
            Assert.That(outputs, Has.Length.EqualTo(golden.Keys("output.").Count()), "outputs");
            Tensor[] projections = new Tensor[outputs.Length];
            for (int i = 0; i < outputs.Length; i++)
            {
                AssertClose(outputs[i], golden.Read($"output.{i}"), ValueTolerance, $"output.{i}");
                projections[i] = golden.Read($"projection.{i}").Reshape(outputs[i].Shape);
            }
            Tape.Backward(outputs, projections);
            foreach (string key in golden.Keys("grad."))
            {
                Assert.That(golden.Leaves, Does.ContainKey(key["grad.".Length..]), "the function never asked for it, so its gradient cannot be compared");
                Tensor leaf = golden.Leaves[key["grad.".Length..]];
                AssertClose(leaf.HasGradient ? leaf.Gradient : Tensor.Zeros(leaf.Shape), golden.Read(key), GradientTolerance, key);
            }
        }
    }

    /// <summary>From the same weights and by the same gradients, the same weights after every step.</summary>
    [TestCaseSource(nameof(Optimizers))]
    public void Optimizer_agrees_with_PyTorch(string path)
    {
        GoldenCase golden = new(path);
        if (!GoldenFunctions.Optimizers.TryGetValue(golden.Name, out var make))
            Assert.Fail($"No optimizer is registered for the golden case '{golden.Name}' ({Path.GetFileName(path)}): add a line to GoldenFunctions.Optimizers.");
        Tensor weight = golden.Read("initial").RequireGradient();
        Optimizer optimizer = make!(golden, [weight]);
        int step = 0;
        for (; golden.Contains($"gradient.{step}"); step++)
        {
            weight.GradientToAccumulate().CopyFrom(golden.Read($"gradient.{step}"));
            optimizer.Step();
            AssertClose(weight, golden.Read($"weight.{step}"), WeightTolerance, $"weight.{step}");
        }
        Assert.That(step, Is.GreaterThan(0), "steps in the file");
        Assert.That(optimizer.StepCount, Is.EqualTo(step));
    }

    [TestCaseSource(nameof(Clippings))]
    public void Clipping_agrees_with_PyTorch(string path)
    {
        GoldenCase golden = new(path);
        Tensor[] gradients = [.. golden.Keys("gradient.").Select(golden.Read)];
        Tensor[] parameters = [.. gradients.Select(gradient => Tensor.Persistent(gradient.Shape).RequireGradient())];
        for (int i = 0; i < gradients.Length; i++) parameters[i].GradientToAccumulate().CopyFrom(gradients[i]);
        Tensor without = Tensor.Persistent([7]).RequireGradient();
        double norm = Gradients.ClipNorm([.. parameters, without], golden.Number("max_norm", double.NaN));
        Assert.That(without.HasGradient, Is.False, "a parameter without a gradient is passed over");
        AssertClose(Tensor.Scalar(norm), golden.Read("norm"), WeightTolerance, "norm");
        for (int i = 0; i < gradients.Length; i++) AssertClose(parameters[i].Gradient, golden.Read($"clipped.{i}"), WeightTolerance, $"clipped.{i}");
    }

    /// <summary>|actual - expected| &lt;= tolerance (1 + |expected|); a single number's shape may be [] here and [1] there.</summary>
    static void AssertClose(Tensor actual, Tensor expected, double tolerance, string what)
    {
        if (actual.Rank > 0 || expected.Count != 1) Assert.That(actual.Shape, Is.EqualTo(expected.Shape), $"the shape of {what}");
        double[] ours = actual.ToArray<double>(), theirs = expected.ToArray<double>();
        for (int i = 0; i < ours.Length; i++)
            if (!ours[i].Equals(theirs[i]) && !(Math.Abs(ours[i] - theirs[i]) <= tolerance * (1 + Math.Abs(theirs[i]))))
                Assert.Fail($"{what}, element {i}: {ours[i]:g9}, but PyTorch has {theirs[i]:g9}.");
    }
}
