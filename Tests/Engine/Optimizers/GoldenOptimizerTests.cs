using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests.Engine.Optimizers;

/// <summary>Against PyTorch 1.13, weight by weight and step by step.</summary>
public class GoldenOptimizerTests
{
    static Optimizer Make(string file, Golden g, IReadOnlyList<Tensor> p) => file.Split('_')[0] switch
    {
        "sgd" => new Sgd(p, g.Number("lr", 1e-3), g.Number("momentum", 0), g.Number("dampening", 0), g.Number("weight_decay", 0), g.Flag("nesterov")),
        "rmsprop" => new RmsProp(
            p, g.Number("lr", 1e-2), g.Number("alpha", 0.99), g.Number("eps", 1e-8), g.Number("weight_decay", 0), g.Number("momentum", 0), g.Flag("centered")),
        "adam" => new Adam(
            p, g.Number("lr", 1e-3), g.Number("betas", 0, 0.9), g.Number("betas", 1, 0.999), g.Number("eps", 1e-8), g.Number("weight_decay", 0), g.Flag("amsgrad")),
        "adamw" => new AdamW(
            p, g.Number("lr", 1e-3), g.Number("betas", 0, 0.9), g.Number("betas", 1, 0.999), g.Number("eps", 1e-8), g.Number("weight_decay", 1e-2), g.Flag("amsgrad")),
        "adagrad" => new Adagrad(p, g.Number("lr", 1e-2), g.Number("lr_decay", 0), g.Number("weight_decay", 0), epsilon: g.Number("eps", 1e-10)),
        _ => throw new ArgumentException(file),
    };

    [TestCase("sgd"), TestCase("sgd_momentum_nesterov"), TestCase("rmsprop_ntm"), TestCase("rmsprop_centered"), TestCase("adagrad")]
    [TestCase("adam"), TestCase("adam_weight_decay_amsgrad"), TestCase("adamw")]
    public void Takes_the_steps_of_PyTorch(string file)
    {
        Golden golden = new("optimizer_" + file);
        Tensor parameter = Tensor.Persistent([4, 5]).RequireGradient();
        parameter.CopyFrom<float>(golden["initial"]);
        Optimizer optimizer = Make(file, golden, [parameter]);
        for (int step = 0; golden.Has($"gradient.{step}"); step++)
        {
            parameter.GradientToAccumulate().CopyFrom<float>(golden[$"gradient.{step}"]);
            optimizer.Step();
            Close.Assert(parameter.ToArray<double>(), [.. golden[$"weight.{step}"].Select(w => (double)w)], 1e-6, $"after step {step}");
        }
        Assert.That(optimizer.StepCount, Is.EqualTo(10));
    }

    [Test]
    public void ClipNorm_clips_as_PyTorch()
    {
        Golden golden = new("clip_grad_norm");
        Tensor[] parameters = [Tensor.Persistent([3, 4]).RequireGradient(), Tensor.Persistent([7]).RequireGradient(), Tensor.Persistent([5]).RequireGradient()];
        parameters[0].GradientToAccumulate().CopyFrom<float>(golden["gradient.0"]);
        parameters[2].GradientToAccumulate().CopyFrom<float>(golden["gradient.1"]);
        Assert.That(Gradients.ClipNorm(parameters, golden.Number("max_norm", 1)), Is.EqualTo(golden["norm"][0]).Within(1e-5));
        Close.Assert(parameters[0].Gradient.ToArray<double>(), [.. golden["clipped.0"].Select(g => (double)g)], 1e-6, "gradient 0");
        Close.Assert(parameters[2].Gradient.ToArray<double>(), [.. golden["clipped.1"].Select(g => (double)g)], 1e-6, "gradient 1");
        Assert.That(parameters[1].HasGradient, Is.False);
    }
}
