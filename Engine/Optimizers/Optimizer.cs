namespace NeuralMemory.Optimizers;

/// <summary>
/// Changes parameters by their gradients. Each optimiser is its <see cref="IUpdateRule">update rule</see>, under the equations of its paper, with the semantics and the
/// defaults of PyTorch 1.13.
/// </summary>
/// <remarks>
/// <para>Gradients accumulate until <see cref="ZeroGradient"/>: a batch too large for memory is several <see cref="Tensor.Backward()"/> and one step.</para>
/// <para>A step allocates nothing and gives the same bits on any number of threads. All state is made by the constructor; copying
/// <see cref="NamedState"/> and <see cref="StepCount"/> into a new optimiser continues a run bit for bit.</para>
/// </remarks>
/// <example><code>
/// AdamW optimizer = new(model.Parameters, learningRate: 1e-3, weightDecay: 0.1);
/// optimizer.Group(biases).WeightDecay = 0;
/// </code></example>
public abstract unsafe class Optimizer
{
    readonly Tensor[] parameters;
    readonly DType[] types;
    readonly ParameterGroup[] groups;                       // of each parameter
    readonly Backend backend;
    readonly List<(string Name, Tensor Tensor)> namedState = [];
    readonly Tensor[]?[] states = new Tensor[]?[3];
    readonly Tensor updates;

    /// <summary>Checks the parameters and makes the state that every optimiser has.</summary>
    /// <param name="parameters">Leaves outside any step, each once: a module's <see cref="Module.Parameters"/>.</param>
    /// <param name="learningRate">The step size; not negative.</param>
    /// <param name="weightDecay">The weight decay lambda; not negative.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or one is no leaf that owns its elements.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="learningRate"/> or <paramref name="weightDecay"/> is negative or not finite.</exception>
    protected Optimizer(IReadOnlyList<Tensor> parameters, double learningRate, double weightDecay)
    {
        this.parameters = Leaves.Check(parameters);
        LearningRate = Hyperparameter.NotNegative(learningRate);
        ParameterGroup group = new(1, Hyperparameter.NotNegative(weightDecay));
        backend = this.parameters[0].Backend;
        types = [.. this.parameters.Select(p => p.DType)];
        groups = [.. this.parameters.Select(_ => group)];
        updates = Tensor.Allocate([this.parameters.Length], DType.Int32, null, CpuBackend.Instance);
        updates.Fill(0);
    }

    /// <summary>What is optimised, in the order given. State is named by the position in this list.</summary>
    public IReadOnlyList<Tensor> Parameters => parameters;

    /// <summary>The step size. A schedule sets it before each step.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative or not finite.</exception>
    public double LearningRate { get; set => field = Hyperparameter.NotNegative(value, nameof(LearningRate)); }

    /// <summary>How many times <see cref="Step()"/> has run. Set it when a run is resumed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public long StepCount
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value, nameof(StepCount));
            field = value;
        }
    }

    /// <summary>
    /// Puts some of the parameters into a group of their own, whose learning rate and weight decay can then be set. Before, all are in one.
    /// </summary>
    /// <exception cref="ArgumentException">None are given, or one is not among this optimiser's parameters.</exception>
    public ParameterGroup Group(params IReadOnlyList<Tensor> members)
    {
        ArgumentNullException.ThrowIfNull(members);
        int[] indices = [.. members.Select(member => Array.FindIndex(parameters, p => p.Body == member.Body))];
        if (indices.Length == 0) throw new ArgumentException("A group needs at least one parameter.", nameof(members));
        if (Array.IndexOf(indices, -1) is >= 0 and int missing)
            throw new ArgumentException($"Tensor {missing}, {members[missing].Shape}, is not a parameter of this optimiser.", nameof(members));
        ParameterGroup from = groups[indices[0]], group = new(from.LearningRateScale, from.WeightDecay);
        foreach (int i in indices) groups[i] = group;
        return group;
    }

    /// <summary>Updates every parameter that has a gradient.</summary>
    /// <exception cref="InvalidOperationException">A parameter has changed its type or device since the optimiser was made.</exception>
    public void Step() => Step(null);

    /// <summary>As <see cref="Step()"/>, if <paramref name="guard"/> is finite. Otherwise nothing changes; on a GPU, which is not waited for, the counts of steps do.</summary>
    /// <param name="guard">One number where the parameters are, such as the gradients' norm (<see cref="Gradients.Clip"/>).</param>
    public abstract void Step(Tensor? guard);

    /// <summary>Sets all gradients to zero.</summary>
    public void ZeroGradient() => parameters[0].Backend.ZeroGradients(parameters);

    /// <summary>
    /// The tensors that a checkpoint keeps, by names that do not change: a quantity and the parameter's position, such as <c>square_average.0</c>, and
    /// <c>updates</c>, which holds how often each parameter has been updated. Overwrite them (<see cref="Tensor.CopyFrom(Tensor)"/>) to resume.
    /// </summary>
    public IEnumerable<(string Name, Tensor Tensor)> NamedState() => namedState.Append(("updates", updates));

    /// <summary>Makes a part of the state: for each parameter, a tensor of its shape and type. To be called by a constructor.</summary>
    /// <param name="slot">Which argument of <see cref="IUpdateRule.Apply"/> it is: 0, 1 or 2.</param>
    /// <param name="name">What it holds, in lower case with underscores.</param>
    /// <param name="value">The value of every element at first.</param>
    protected void State(int slot, string name, double value = 0)
    {
        Tensor[] tensors = [.. parameters.Select(p => Tensor.Like(p))];
        for (int i = 0; i < tensors.Length; i++)
        {
            if (value != 0) tensors[i].Fill(value);
            namedState.Add(($"{name}.{i}", tensors[i]));
        }
        states[slot] = tensors;
    }

    /// <summary>The parameters' tensors of state <paramref name="slot"/>; null where there is no such state.</summary>
    internal Tensor[]? States(int slot) => states[slot];

    /// <summary>What a device keeps for this optimiser.</summary>
    internal object? DeviceMemory;

    private protected (double LearningRate, double WeightDecay, int Step) Next(int i)
    {
        if (parameters[i].DType != types[i] || parameters[i].Backend != backend)
            throw new InvalidOperationException(
                $"Parameter {i} was {types[i]} on {backend.Name} when the optimiser was made and is {parameters[i].DType} on {parameters[i].Backend.Name} now. Convert a module first.");
        return (LearningRate * groups[i].LearningRateScale, groups[i].WeightDecay, ++updates.Pointer<int>()[i]);
    }
}

/// <summary>An optimiser whose update rule is <typeparamref name="R"/>.</summary>
public abstract class Optimizer<R> : Optimizer where R : unmanaged, IUpdateRule
{
    readonly R[] rules;

    /// <inheritdoc/>
    protected Optimizer(IReadOnlyList<Tensor> parameters, double learningRate, double weightDecay) : base(parameters, learningRate, weightDecay) => rules = new R[Parameters.Count];

    /// <summary>The rule for a parameter's weights.</summary>
    /// <param name="learningRate">The learning rate of its group.</param>
    /// <param name="weightDecay">The weight decay of its group.</param>
    /// <param name="step">How often this parameter has been updated, this time included: 1 at first.</param>
    protected abstract R RuleOf(double learningRate, double weightDecay, int step);

    /// <inheritdoc/>
    public sealed override void Step(Tensor? guard)
    {
        if (guard is { } g && g.Backend is CpuBackend && !double.IsFinite(g.Item())) return;
        for (int i = 0; i < rules.Length; i++)
        {
            if (!Parameters[i].HasGradient) continue;
            (double learningRate, double weightDecay, int step) = Next(i);
            rules[i] = RuleOf(learningRate, weightDecay, step);
        }
        Parameters[0].Backend.Update<R>(this, rules, guard);
        StepCount++;
        GC.KeepAlive(this);
    }
}
