using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests.Engine.Optimizers;

public class LearningRateScheduleTests
{
    static void Gives(LearningRateSchedule schedule, params (long Step, double Rate)[] expected)
    {
        foreach ((long step, double rate) in expected)
            Assert.That(schedule.LearningRate(step), Is.EqualTo(rate).Within(1e-12 * rate + 1e-18), $"{schedule} at {step}");
    }

    [Test]
    public void Constant() => Gives(new ConstantSchedule(0.3), (0, 0.3), (1_000_000, 0.3));

    [Test]
    public void Warm_up_rises_to_where_the_next_begins() => Gives(
        new ExponentialSchedule(0.8, 0.5).WithWarmUp(4), (0, 0.2), (1, 0.4), (2, 0.6), (3, 0.8), (4, 0.8), (5, 0.4), (6, 0.2));

    [Test]
    public void Warm_up_of_no_steps_is_nothing() => Gives(new ConstantSchedule(0.3).WithWarmUp(0), (0, 0.3), (1, 0.3));

    [Test]
    public void Linear_decay() => Gives(
        new LinearDecaySchedule(1.0, 4, 8, 0.2), (0, 1.0), (4, 1.0), (5, 0.8), (6, 0.6), (7, 0.4), (8, 0.2), (100, 0.2));

    [Test]
    public void Linear_decay_of_no_steps_is_a_drop() => Gives(new LinearDecaySchedule(1.0, 3, 3), (2, 1), (3, 0), (4, 0));

    [Test]
    public void Cosine() => Gives(
        new CosineSchedule(1.0, 6, 0.2), (0, 1.0), (2, 0.8), (3, 0.6), (4, 0.4), (6, 0.2), (100, 0.2));

    [Test]
    public void Step() => Gives(new StepSchedule(2, 10, 0.5), (0, 2), (9, 2), (10, 1), (19, 1), (20, 0.5), (40, 0.125));

    [Test]
    public void Exponential() => Gives(new ExponentialSchedule(1, 0.9), (0, 1), (1, 0.9), (2, 0.81), (3, 0.729));

    [Test]
    public void Inverse_square_root() => Gives(
        new InverseSquareRootSchedule(64, 16, 2), (0, 2 / 8.0 / 64), (3, 4 * 2 / 8.0 / 64), (15, 2 / 8.0 / 4), (63, 2 / 8.0 / 8), (9999, 2 / 8.0 / 100));

    [Test]
    public void One_cycle() => Gives(                                  // peak at 0.3 * 10 - 1 = 2, end at 9
        new OneCycleSchedule(1, 10), (0, 0.04), (1, 0.52), (2, 1), (9, 4e-6), (50, 4e-6),
        (5, 4e-6 + (1 - 4e-6) * (1 + Math.Cos(Math.PI * 3 / 7)) / 2));

    [Test]
    public void One_cycle_that_begins_at_its_peak() => Gives(new OneCycleSchedule(1, 10, 0.1, 25, 1), (0, 1), (9, 0.04));

    [Test]
    public void Is_a_function_of_the_step_alone()
    {
        LearningRateSchedule schedule = new OneCycleSchedule(1, 10).WithWarmUp(3);
        double[] forth = [.. Enumerable.Range(0, 20).Select(t => schedule.LearningRate(t))];
        double[] back = [.. Enumerable.Range(0, 20).Reverse().Select(t => schedule.LearningRate(t)).Reverse()];
        Assert.That(back, Is.EqualTo(forth));
    }

    [Test]
    public void Arguments_out_of_range_are_refused_by_name()
    {
        void Refuses(string name, Action make) => Assert.That(Assert.Throws<ArgumentOutOfRangeException>(make)!.ParamName, Is.EqualTo(name));
        Refuses("Value", () => new ConstantSchedule(-1));
        Refuses("Steps", () => new ConstantSchedule(1).WithWarmUp(-1));
        Refuses("Steps", () => new CosineSchedule(1, 0));
        Refuses("Final", () => new CosineSchedule(1, 1, double.NaN));
        Refuses("Steps", () => new LinearDecaySchedule(1, 3, 2));
        Refuses("ConstantSteps", () => new LinearDecaySchedule(1, -1, 2));
        Refuses("Interval", () => new StepSchedule(1, 0));
        Refuses("Factor", () => new ExponentialSchedule(1, -0.1));
        Refuses("Width", () => new InverseSquareRootSchedule(0));
        Refuses("WarmUpSteps", () => new InverseSquareRootSchedule(1, 0));
        Refuses("RisingShare", () => new OneCycleSchedule(1, 10, 1));
        Refuses("FinalDivisor", () => new OneCycleSchedule(1, 10, FinalDivisor: 0));
        Refuses("step", () => new ConstantSchedule(1).LearningRate(-1));
        Assert.Throws<ArgumentNullException>(() => new WarmUpSchedule(1, null!));
    }
}
