namespace NeuralMemory;

/// <summary>
/// Something with parameters. A module is its fields: the constructor makes parameters with <see cref="Parameter(string, Shape, Initializer, Philox)"/> and children with <see cref="Child"/>,
/// and one method reads like the paper.
/// </summary>
public abstract class Module
{
    readonly List<(string Name, Tensor Tensor)> own = [];
    readonly List<(string Name, Module Module)> children = [];
    Tensor[]? all;

    /// <summary>A parameter of this module: a leaf that requires a gradient and outlives every step.</summary>
    /// <param name="name">Its name within this module, as checkpoints show it.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="initializer">Gives its first values.</param>
    /// <param name="random">Where the initializer draws from.</param>
    protected Tensor Parameter(string name, Shape shape, Initializer initializer, Philox random)
    {
        Tensor parameter = Tensor.Persistent(shape);
        float[] values = new float[shape.Count];
        initializer(values, shape, random);
        parameter.CopyFrom<float>(values);
        own.Add((name, parameter.RequireGradient()));
        return parameter;
    }

    /// <summary>A parameter that is <paramref name="value"/> everywhere at first.</summary>
    protected Tensor Parameter(string name, Shape shape, double value)
    {
        Tensor parameter = Tensor.Persistent(shape);
        parameter.Fill(value);
        own.Add((name, parameter.RequireGradient()));
        return parameter;
    }

    /// <summary>A module within this one.</summary>
    protected TModule Child<TModule>(string name, TModule module) where TModule : Module
    {
        children.Add((name, module));
        return module;
    }

    /// <summary>Whether the module is being trained: dropout and the like act only then. Set on all children too.</summary>
    public bool IsTraining
    {
        get;
        set
        {
            field = value;
            foreach ((_, Module child) in children) child.IsTraining = value;
        }
    } = true;

    /// <summary>The modules directly within this one, by name.</summary>
    public IReadOnlyList<(string Name, Module Module)> Children => children;

    /// <summary>This module's own parameters and all its children's, names joined by dots, in the order in which they were made.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> NamedParameters()
    {
        foreach ((string, Tensor) parameter in own) yield return parameter;
        foreach ((string name, Module child) in children)
            foreach ((string inner, Tensor tensor) in child.NamedParameters())
                yield return ($"{name}.{inner}", tensor);
    }

    /// <summary>All parameters, each once even where modules share it. The list is made at the first call.</summary>
    public IReadOnlyList<Tensor> Parameters => all ??= [.. NamedParameters().Select(p => p.Tensor).DistinctBy(t => t.Body)];

    /// <summary>The number of all parameters' elements.</summary>
    public int ParameterCount => Parameters.Sum(p => p.Count);

    /// <summary>Converts all parameters: to <see cref="DType.Float64"/> to check gradients, and back. Gradients are dropped.</summary>
    /// <returns>The same module.</returns>
    public Module To(DType type)
    {
        foreach (Tensor parameter in Parameters) parameter.ConvertInPlace(type, parameter.Backend);
        return this;
    }

    /// <summary>Where the parameters are; the CPU where there are none.</summary>
    public Backend Backend => Parameters.Count > 0 ? Parameters[0].Backend : CpuBackend.Instance;

    /// <summary>Moves all parameters to a device. Gradients are dropped; an optimiser is made afterwards.</summary>
    /// <returns>The same module.</returns>
    /// <exception cref="NotSupportedException">The device does not compute with the parameters' type.</exception>
    public Module To(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        foreach (Tensor parameter in Parameters) backend.Require(parameter.DType);
        foreach (Tensor parameter in Parameters) parameter.ConvertInPlace(parameter.DType, backend);
        return this;
    }
}
