using NeuralMemory.Optimizers;
using NUnit.Framework;

namespace NeuralMemory.Tests.Engine.Optimizers;

/// <summary>Every optimiser against PyTorch 1.13, weight by weight and step by step.</summary>
public class GoldenOptimizerTests
{
    static Optimizer Make(string file, Golden g, IReadOnlyList<Tensor> p) => file[..(file + "_").IndexOf('_')] switch
    {
        "sgd" => new Sgd(p, g.Number("lr", 1e-3), g.Number("momentum", 0), g.Number("dampening", 0), g.Number("weight_decay", 0), g.Flag("nesterov")),
        "rmsprop" => new RmsProp(
            p, g.Number("lr", 1e-2), g.Number("alpha", 0.99), g.Number("eps", 1e-8), g.Number("weight_decay", 0), g.Number("momentum", 0), g.Flag("centered")),
        "adam" => new Adam(
            p, g.Number("lr", 1e-3), g.Number("betas", 0, 0.9), g.Number("betas", 1, 0.999), g.Number("eps", 1e-8), g.Number("weight_decay", 0), g.Flag("amsgrad")),
        "adamw" => new AdamW(
            p, g.Number("lr", 1e-3), g.Number("betas", 0, 0.9), g.Number("betas", 1, 0.999), g.Number("eps", 1e-8), g.Number("weight_decay", 1e-2), g.Flag("amsgrad")),
        _ => throw new ArgumentException(file),
    };

    [TestCase("sgd"), TestCase("sgd_momentum_nesterov"), TestCase("rmsprop_ntm"), TestCase("rmsprop_centered"), TestCase("adam")]
    [TestCase("adam_weight_decay_amsgrad"), TestCase("adamw")]
    public void TakesTheStepsOfPyTorch(string file)
    {
        Golden golden = new("optimizer_" + file);
        Tensor parameter = Tensor.Persistent([4, 5]).RequireGradient();
        parameter.CopyFrom<float>(golden["initial"]);
        Optimizer optimizer = Make(file, golden, [parameter]);
        for (int step = 0; golden.Has($"gradient.{step}"); step++)
        {
            parameter.GradientToAccumulate().CopyFrom<float>(golden[$"gradient.{step}"]);
            optimizer.Step();
            float[] expected = golden[$"weight.{step}"], actual = parameter.ToArray();
            for (int i = 0; i < expected.Length; i++)
                Assert.That(actual[i], Is.EqualTo(expected[i]).Within(1e-6 + 1e-6 * Math.Abs(expected[i])), $"weight {i} after step {step}");
        }
        Assert.That(optimizer.StepCount, Is.EqualTo(10));
    }
}
