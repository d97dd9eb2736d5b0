using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests.Engine.Optimizers;

[NonParallelizable]
public class GradientsTests
{
    static Tensor[] WithGradients(DType type, params int[] sizes) => [.. sizes.Select((size, seed) =>
    {
        Random random = new(seed);
        Tensor parameter = Tensor.Persistent([size], type).RequireGradient();
        parameter.GradientToAccumulate().CopyFrom<double>([.. Enumerable.Range(0, size).Select(_ => 4 * random.NextDouble() - 2)]);
        return parameter;
    })];

    static double[] All(Tensor[] parameters) => [.. parameters.SelectMany(p => p.Gradient.ToArray<double>())];

    static double NormOf(double[] values) => Math.Sqrt(values.Sum(v => v * v));

    [TestCase(DType.Float32, 1e-6), TestCase(DType.Float64, 1e-12)]
    public void ClipNorm_scales_to_the_norm_and_returns_the_one_before(DType type, double tolerance)
    {
        Tensor[] parameters = WithGradients(type, 1, 63, 100, 2 * Cpu.Grain + 3);
        double[] before = All(parameters);
        double norm = NormOf(before);
        Assert.That(Gradients.Norm(parameters), Is.EqualTo(norm).Within(norm * 1e-12));
        Assert.That(Gradients.ClipNorm(parameters, 2), Is.EqualTo(norm).Within(norm * 1e-12));
        Close.Assert(All(parameters), [.. before.Select(g => g * 2 / (norm + 1e-6))], tolerance, "clipped");
    }

    [Test]
    public void ClipNorm_changes_nothing_below_the_norm()
    {
        Tensor[] parameters = WithGradients(DType.Float32, 63, 100);
        double[] before = All(parameters);
        Gradients.ClipNorm(parameters, NormOf(before) + 1e-3);
        Gradients.ClipNorm(parameters, double.PositiveInfinity);
        Assert.That(All(parameters), Is.EqualTo(before));
    }

    [Test]
    public void A_NaN_is_not_hidden()
    {
        Tensor[] parameters = WithGradients(DType.Float32, 63);
        parameters[0].Gradient.Fill(double.NaN);
        Assert.That(Gradients.ClipNorm(parameters, 1), Is.NaN);
        Gradients.ClipValue(parameters, 1);
        Assert.That(All(parameters), Has.All.NaN);
    }

    [TestCase(DType.Float32), TestCase(DType.Float64)]
    public void ClipValue_clamps(DType type)
    {
        Tensor[] parameters = [.. WithGradients(type, 1, 63, 2 * Cpu.Grain + 3)];
        double[] before = All(parameters);
        Gradients.ClipValue([.. parameters, Tensor.Persistent([3]).RequireGradient()], 0.5);
        Assert.That(All(parameters).SequenceEqual(before.Select(g => Math.Clamp(g, -0.5, 0.5))));
    }

    [Test]
    public void Norm_has_the_same_bits_on_any_number_of_threads()
    {
        Tensor[] parameters = WithGradients(DType.Float32, 20 * Cpu.Grain + 11, 63);
        int threads = ThreadTeam.Threads;
        try
        {
            ThreadTeam.Threads = 1;
            double alone = Gradients.Norm(parameters);
            ThreadTeam.Threads = 2;
            for (int i = 0; i < 20; i++) Assert.That(Gradients.Norm(parameters), Is.EqualTo(alone));
        }
        finally
        {
            ThreadTeam.Threads = threads;
        }
    }

    [Test]
    public void Clipping_allocates_nothing()
    {
        Tensor[] parameters = WithGradients(DType.Float32, 1, 63, 3 * Cpu.Grain);
        void Clip()
        {
            Gradients.ClipNorm(parameters, 1);
            Gradients.ClipValue(parameters, 1e-3);
        }
        Clip();
        Assert.That(Allocated.Least(Clip, times: 10), Is.Zero);
    }

    [Test]
    public void Limits_out_of_range_are_refused()
    {
        Tensor[] parameters = WithGradients(DType.Float32, 1);
        Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => Gradients.ClipNorm(parameters, -1))!.ParamName, Is.EqualTo("maxNorm"));
        Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => Gradients.ClipValue(parameters, double.NaN))!.ParamName, Is.EqualTo("limit"));
    }
}
