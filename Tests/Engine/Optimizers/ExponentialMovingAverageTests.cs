using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests.Engine.Optimizers;

[NonParallelizable]
public class ExponentialMovingAverageTests
{
    static Tensor Parameter(int size, DType type, double value)
    {
        Tensor parameter = Tensor.Persistent([size], type).RequireGradient();
        parameter.Fill(value);
        return parameter;
    }

    [Test]
    public void Averages_and_swaps([Values(1, 63, 100, Cpu.Grain + 5)] int size, [Values(DType.Float32, DType.Float64)] DType type)
    {
        Tensor parameter = Parameter(size, type, 1);
        ExponentialMovingAverage average = new([parameter], 0.75);
        double expected = 1;
        for (int step = 2; step < 6; step++)
        {
            parameter.Fill(step);
            average.Update();
            expected = 0.75 * expected + 0.25 * step;
        }
        using (average.SwapIn())
        {
            Assert.That(average.IsSwappedIn);
            Assert.That(parameter.ToArray<double>(), Has.All.EqualTo(expected).Within(1e-6));
        }
        Assert.That(average.IsSwappedIn, Is.False);
        Assert.That(parameter.ToArray(), Has.All.EqualTo(5));
        (string name, Tensor state) = average.NamedState().Single();
        Assert.That(name, Is.EqualTo("average.0"));
        Assert.That(state.ToArray<double>(), Has.All.EqualTo(expected).Within(1e-6));
    }

    [Test]
    public void Misuse_while_swapped_in_throws()
    {
        ExponentialMovingAverage average = new([Parameter(4, DType.Float32, 1)]);
        ExponentialMovingAverage.Scope scope = average.SwapIn();
        Assert.Throws<InvalidOperationException>(average.Update);
        Assert.Throws<InvalidOperationException>(() => average.SwapIn());
        Assert.Throws<InvalidOperationException>(() => average.NamedState());
        scope.Dispose();
        Assert.Throws<InvalidOperationException>(scope.Dispose);
        average.Update();
    }

    [Test]
    public void Allocates_nothing()
    {
        ExponentialMovingAverage average = new([Parameter(63, DType.Float32, 1), Parameter(3 * Cpu.Grain, DType.Float32, 2)]);
        void Use()
        {
            average.Update();
            using (average.SwapIn()) { }
        }
        Use();
        Assert.That(Allocated.Least(Use, times: 10), Is.Zero);
    }

    [Test]
    public void Arguments_out_of_range_are_refused()
    {
        Tensor parameter = Parameter(4, DType.Float32, 1);
        Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => new ExponentialMovingAverage([parameter], 1))!.ParamName, Is.EqualTo("decay"));
        Assert.Throws<ArgumentException>(() => new ExponentialMovingAverage([parameter, parameter]));
    }
}
