using NeuralMemory.Optimizers;
using NeuralMemory.Tests.Engine.Optimizers;

namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>Optimisers and gradient clipping on a GPU, beside the CPU's.</summary>
[NonParallelizable]
public class GpuOptimizerTests
{
    static readonly int[] sizes = [5, 1024, 1, 2049];

    static IEnumerable<OptimizerCase> Cases => OptimizerCase.All;

    /// <summary>Parameters of awkward sizes, the third of which has no gradient at first, after some steps on a device.</summary>
    static float[][] Train(Backend backend, Func<IReadOnlyList<Tensor>, Optimizer> make, Action<Optimizer>? afterFirst = null, double? limit = null, double? norm = null)
    {
        using (Backend.Use(backend))
        {
            Philox random = new(3);
            Tensor[] parameters = [.. sizes.Select(n => Tensor.Persistent([n]).RequireGradient())];
            foreach (Tensor p in parameters) p.CopyFrom(random.Uniform([p.Count]));
            Optimizer optimizer = make(parameters);
            optimizer.Group(parameters[1]).LearningRateScale = 0.5;
            for (int step = 0; step < 4; step++)
            {
                optimizer.ZeroGradient();
                using (Tape.Step())
                {
                    for (int i = 0; i < parameters.Length; i++)
                        if (i != 2 || step > 1) parameters[i].Backward(random.Uniform([sizes[i]]));
                    if (limit is not null || norm is not null) Gradients.Clip(parameters, limit, norm);
                    optimizer.Step();
                }
                if (step == 0) afterFirst?.Invoke(optimizer);
            }
            return [.. parameters.Select(p => p.ToArray()), .. optimizer.NamedState().Select(s => s.Tensor.ToArray())];
        }
    }

    static void AssertClose(float[][] actual, float[][] expected)
    {
        for (int i = 0; i < expected.Length; i++)
            for (int j = 0; j < expected[i].Length; j++)
                if (!(Math.Abs(actual[i][j] - expected[i][j]) <= 2e-6 * (1 + Math.Abs(expected[i][j])))) Assert.Fail($"tensor {i}, element {j}: {actual[i][j]}, but the CPU gives {expected[i][j]}");
    }

    [TestCaseSource(nameof(Cases))]
    public void Equals_the_CPU(OptimizerCase optimizerCase) =>
        AssertClose(Train(GpuTesting.Device, optimizerCase.Make), Train(CpuBackend.Instance, optimizerCase.Make));

    [Test]
    public void Clips_as_the_CPU_does([Values(null, 0.5)] double? limit, [Values(null, 1.5, 1e6)] double? norm)
    {
        static Optimizer Make(IReadOnlyList<Tensor> p) => new Sgd(p, 0.1);
        AssertClose(Train(GpuTesting.Device, Make, null, limit, norm), Train(CpuBackend.Instance, Make, null, limit, norm));
    }

    [Test]
    public void Clipping_works_before_any_optimiser_has_put_the_parameters_side_by_side([Values] bool device)
    {
        Backend backend = device ? GpuTesting.Device : CpuBackend.Instance;
        using (Backend.Use(backend))
        using (Tape.Step())
        {
            Tensor[] parameters = [Tensor.Persistent([3]).RequireGradient(), Tensor.Persistent([20_000]).RequireGradient(), Tensor.Persistent([2]).RequireGradient()];
            parameters[0].Backward(Tensor.Full([3], 2));
            parameters[1].Backward(Tensor.Full([20_000], 0.01));
            double norm = Math.Sqrt(3 * 4 + 20_000 * 1e-4);
            Assert.That(Gradients.Norm(parameters), Is.EqualTo(norm).Within(1e-5));
            Assert.That(Gradients.ClipNorm(parameters, 1), Is.EqualTo(norm).Within(1e-5));
            Assert.That(parameters[0].Gradient[0], Is.EqualTo(2 / norm).Within(1e-6));
            Gradients.ClipValue(parameters, 0.1);
            Assert.That(parameters[0].Gradient.ToArray(), Is.All.EqualTo(0.1f));
        }
    }

    [Test]
    public void All_parameters_are_updated_in_one_launch_and_nothing_comes_back()
    {
        GpuBackend gpu = GpuTesting.Device;
        (long Launches, long Copies, long Allocations) before = default;
        using (Backend.Use(gpu))
        {
            Tensor[] parameters = [.. sizes.Select(n => Tensor.Persistent([n]).RequireGradient())];
            Adam adam = new(parameters);
            for (int step = 0; step < 3; step++)
                using (Tape.Step())
                {
                    foreach (Tensor p in parameters) p.Backward(Tensor.Ones(p.Shape));
                    before = (gpu.Launches, gpu.CopiesToHost, gpu.Allocations);
                    adam.Step();
                }
        }
        Assert.That((gpu.Launches - before.Launches, gpu.CopiesToHost - before.Copies, gpu.Allocations - before.Allocations), Is.EqualTo((1L, 0L, 0L)));
    }

    [Test]
    public void A_guard_that_is_not_finite_leaves_everything_as_it_was([Values(double.NaN, double.PositiveInfinity, 1.0)] double guard, [Values] bool device)
    {
        Backend backend = device ? GpuTesting.Device : CpuBackend.Instance;
        using (Backend.Use(backend))
        {
            Tensor parameter = Tensor.Persistent([7]).RequireGradient();
            Adam adam = new([parameter]);
            using (Tape.Step())
            {
                parameter.Backward(Tensor.Ones([7]));
                adam.Step(Tensor.Scalar(guard));
            }
            bool changed = parameter.ToArray().Concat(adam.NamedState().First().Tensor.ToArray()).Any(v => v != 0);
            Assert.That(changed, Is.EqualTo(double.IsFinite(guard)));
        }
    }

    [Test]
    public void A_gradient_that_is_not_finite_shows_in_the_norm([Values(float.NaN, float.PositiveInfinity)] float bad)
    {
        using (Backend.Use(GpuTesting.Device))
        using (Tape.Step())
        {
            Tensor parameter = Tensor.Persistent([3]).RequireGradient();
            parameter.Backward(Tensor.From([1f, bad, 2f], [3]));
            Assert.That(double.IsFinite(Gradients.Clip([parameter], null, 1).Item()), Is.False);
        }
    }

    [Test]
    public void Averages_are_kept_and_swapped_in()
    {
        using (Backend.Use(GpuTesting.Device))
        {
            Tensor parameter = Tensor.Persistent([3]);
            ExponentialMovingAverage average = new([parameter], 0.5);
            parameter.Fill(4);
            average.Update();
            using (average.SwapIn()) Assert.That(parameter.ToArray(), Is.All.EqualTo(2f));
            Assert.That(parameter.ToArray(), Is.All.EqualTo(4f));
        }
    }

    [Test]
    public void Parameters_moved_to_another_device_after_the_optimiser_was_made_are_refused()
    {
        Tiny module = new();
        Sgd sgd = new(module.Parameters);
        module.To(GpuTesting.Device);
        using (Backend.Use(GpuTesting.Device))
        using (Tape.Step())
        {
            module.Parameters[0].Backward(Tensor.Ones([2]));
            Assert.That(() => sgd.Step(), Throws.InvalidOperationException.With.Message.Contains("on cpu when the optimiser was made"));
        }
    }

    sealed class Tiny : Module
    {
        public Tiny() => Parameter("w", [2], 1);
    }
}
