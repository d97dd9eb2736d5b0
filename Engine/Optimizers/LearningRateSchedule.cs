namespace NeuralMemory.Optimizers;

/// <summary>
/// The learning rate as a function of the number of steps done, and of nothing else: a resumed run needs no more than its step count.
/// </summary>
/// <example><code>
/// LearningRateSchedule schedule = new CosineSchedule(1e-3, 10_000).WithWarmUp(500);
/// optimizer.LearningRate = schedule.LearningRate(optimizer.StepCount);
/// optimizer.Step();
/// </code></example>
public abstract record LearningRateSchedule
{
    /// <summary>The learning rate of the step after <paramref name="step"/> steps: of the first at 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="step"/> is negative.</exception>
    public double LearningRate(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        return Rate(step);
    }

    /// <summary>This schedule, its beginning put off by a linear warm-up of <paramref name="steps"/> steps.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is negative.</exception>
    public LearningRateSchedule WithWarmUp(long steps) => new WarmUpSchedule(steps, this);

    /// <summary>The formula; <paramref name="t"/> is not negative.</summary>
    protected abstract double Rate(long t);

    private protected static long AtLeast(long least, long steps, string name) => steps >= least ? steps
        : throw new ArgumentOutOfRangeException(name, steps, $"At least {least} was expected.");
}

/// <summary>Always the same.</summary>
/// <param name="Value">The learning rate.</param>
public sealed record ConstantSchedule(double Value) : LearningRateSchedule
{
    /// <summary>The learning rate.</summary>
    public double Value { get; } = Hyperparameter.NotNegative(Value);

    /// <inheritdoc/>
    protected override double Rate(long t) => Value;
}

/// <summary>
/// Rises in a straight line to where another schedule begins, and goes on with that: <c>eta(t) = next(0) (t + 1) / n</c> for t &lt; n, then
/// <c>next(t - n)</c>.
/// </summary>
/// <param name="Steps">n.</param>
/// <param name="Next">What follows.</param>
public sealed record WarmUpSchedule(long Steps, LearningRateSchedule Next) : LearningRateSchedule
{
    /// <summary>n: how many steps the warm-up lasts.</summary>
    public long Steps { get; } = AtLeast(0, Steps, nameof(Steps));

    /// <summary>What follows the warm-up.</summary>
    public LearningRateSchedule Next { get; } = Next ?? throw new ArgumentNullException(nameof(Next));

    /// <inheritdoc/>
    protected override double Rate(long t) => t < Steps ? Next.LearningRate(0) * (t + 1) / Steps : Next.LearningRate(t - Steps);
}

/// <summary>
/// Constant at first, then falling in a straight line, then staying: initial up to step c, <c>eta(t) = final + (initial - final) (n - t) / (n - c)</c> from
/// there to n, and then final.
/// </summary>
/// <param name="Initial">The rate at first.</param>
/// <param name="ConstantSteps">c.</param>
/// <param name="Steps">n.</param>
/// <param name="Final">The rate from step n on.</param>
public sealed record LinearDecaySchedule(double Initial, long ConstantSteps, long Steps, double Final = 0) : LearningRateSchedule
{
    /// <summary>The rate at first.</summary>
    public double Initial { get; } = Hyperparameter.NotNegative(Initial);

    /// <summary>c: the step from which it falls.</summary>
    public long ConstantSteps { get; } = AtLeast(0, ConstantSteps, nameof(ConstantSteps));

    /// <summary>n: the step from which it stays.</summary>
    public long Steps { get; } = AtLeast(ConstantSteps, Steps, nameof(Steps));

    /// <summary>The rate from step n on.</summary>
    public double Final { get; } = Hyperparameter.NotNegative(Final);

    /// <inheritdoc/>
    protected override double Rate(long t) =>
        t >= Steps ? Final : t <= ConstantSteps ? Initial : Final + (Initial - Final) * (Steps - t) / (Steps - ConstantSteps);
}

/// <summary>Falls along half a cosine and stays: <c>eta(t) = final + (initial - final) (1 + cos(pi min(t, n) / n)) / 2</c>.</summary>
/// <remarks>Loshchilov and Hutter 2017 (arXiv 1608.03983), equation 5, without restarts.</remarks>
/// <param name="Initial">The rate at first.</param>
/// <param name="Steps">n.</param>
/// <param name="Final">The rate from step n on.</param>
public sealed record CosineSchedule(double Initial, long Steps, double Final = 0) : LearningRateSchedule
{
    /// <summary>The rate at first.</summary>
    public double Initial { get; } = Hyperparameter.NotNegative(Initial);

    /// <summary>n: how many steps the fall lasts.</summary>
    public long Steps { get; } = AtLeast(1, Steps, nameof(Steps));

    /// <summary>The rate from step n on.</summary>
    public double Final { get; } = Hyperparameter.NotNegative(Final);

    /// <inheritdoc/>
    protected override double Rate(long t) => Cosine.From(Initial, Final, Math.Min(t, Steps) / (double)Steps);
}

/// <summary>Falls by a factor every n steps: <c>eta(t) = initial gamma^floor(t / n)</c>.</summary>
/// <param name="Initial">The rate at first.</param>
/// <param name="Interval">n.</param>
/// <param name="Factor">gamma.</param>
public sealed record StepSchedule(double Initial, long Interval, double Factor = 0.1) : LearningRateSchedule
{
    /// <summary>The rate at first.</summary>
    public double Initial { get; } = Hyperparameter.NotNegative(Initial);

    /// <summary>n: the number of steps between falls.</summary>
    public long Interval { get; } = AtLeast(1, Interval, nameof(Interval));

    /// <summary>gamma: what is left of the rate after a fall.</summary>
    public double Factor { get; } = Hyperparameter.NotNegative(Factor);

    /// <inheritdoc/>
    protected override double Rate(long t) => Initial * Math.Pow(Factor, t / Interval);
}

/// <summary>Falls by a factor every step: <c>eta(t) = initial gamma^t</c>.</summary>
/// <param name="Initial">The rate at first.</param>
/// <param name="Factor">gamma.</param>
public sealed record ExponentialSchedule(double Initial, double Factor) : LearningRateSchedule
{
    /// <summary>The rate at first.</summary>
    public double Initial { get; } = Hyperparameter.NotNegative(Initial);

    /// <summary>gamma: what is left of the rate after a step.</summary>
    public double Factor { get; } = Hyperparameter.NotNegative(Factor);

    /// <inheritdoc/>
    protected override double Rate(long t) => Initial * Math.Pow(Factor, t);
}

/// <summary>
/// The Transformer's: rises in a straight line, then falls with the root of the step. <c>eta = scale d^-0.5 min(s^-0.5, s n^-1.5)</c> with s = t + 1.
/// </summary>
/// <remarks>Vaswani et al. 2017 (arXiv 1706.03762), section 5.3, equation 3.</remarks>
/// <param name="Width">d: the width of the model.</param>
/// <param name="WarmUpSteps">n: how many steps it rises.</param>
/// <param name="Scale">A factor; 1 in the paper.</param>
public sealed record InverseSquareRootSchedule(int Width, long WarmUpSteps = 4000, double Scale = 1) : LearningRateSchedule
{
    /// <summary>d: the width of the model.</summary>
    public int Width { get; } = (int)AtLeast(1, Width, nameof(Width));

    /// <summary>n: how many steps it rises.</summary>
    public long WarmUpSteps { get; } = AtLeast(1, WarmUpSteps, nameof(WarmUpSteps));

    /// <summary>A factor; 1 in the paper.</summary>
    public double Scale { get; } = Hyperparameter.NotNegative(Scale);

    /// <inheritdoc/>
    protected override double Rate(long t) => Scale / Math.Sqrt(Width) * Math.Min(1 / Math.Sqrt(t + 1.0), (t + 1.0) / (WarmUpSteps * Math.Sqrt(WarmUpSteps)));
}

/// <summary>
/// One cycle, as PyTorch's OneCycleLR makes it: from max / a along half a cosine up to max, for a share p of the n steps, then along another down to
/// max / (a b), where it stays.
/// <code>
/// eta(t) = cosine(max / a, max, t / u)                             t &lt;= u = p n - 1
/// eta(t) = cosine(max, max / (a b), (t - u) / (n - 1 - u))         after; cosine(x, y, r) = y + (x - y) (1 + cos(pi r)) / 2
/// </code>
/// </summary>
/// <remarks>Smith and Topin 2018 (arXiv 1708.07120).</remarks>
/// <param name="Maximum">max.</param>
/// <param name="Steps">n.</param>
/// <param name="RisingShare">p.</param>
/// <param name="InitialDivisor">a.</param>
/// <param name="FinalDivisor">b.</param>
public sealed record OneCycleSchedule(double Maximum, long Steps, double RisingShare = 0.3, double InitialDivisor = 25, double FinalDivisor = 1e4)
    : LearningRateSchedule
{
    /// <summary>max: the highest rate.</summary>
    public double Maximum { get; } = Hyperparameter.NotNegative(Maximum);

    /// <summary>n: how many steps the cycle lasts.</summary>
    public long Steps { get; } = AtLeast(2, Steps, nameof(Steps));

    /// <summary>p: the share of the steps in which the rate rises; in [0, 1).</summary>
    public double RisingShare { get; } = Hyperparameter.BelowOne(RisingShare);

    /// <summary>a: the rate begins at max / a.</summary>
    public double InitialDivisor { get; } = Hyperparameter.Positive(InitialDivisor);

    /// <summary>b: the rate ends at max / (a b).</summary>
    public double FinalDivisor { get; } = Hyperparameter.Positive(FinalDivisor);

    /// <inheritdoc/>
    protected override double Rate(long t)
    {
        double initial = Maximum / InitialDivisor, peak = RisingShare * Steps - 1, last = Steps - 1;
        return t <= peak ? Cosine.From(initial, Maximum, peak == 0 ? 1 : t / peak)
            : Cosine.From(Maximum, initial / FinalDivisor, (Math.Min(t, last) - peak) / (last - peak));
    }
}

/// <summary>Half a period of a cosine between two values.</summary>
static class Cosine
{
    public static double From(double start, double end, double share) => end + (start - end) * (1 + Math.Cos(Math.PI * share)) / 2;
}
