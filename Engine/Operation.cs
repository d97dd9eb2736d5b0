namespace NeuralMemory;

/// <summary>
/// What the tape holds: an operation that has computed its outputs and can pass their gradients on to its inputs. To add one, derive from
/// <see cref="Operation{TSelf}"/>; its file holds the formula, the shape rule, both directions, and the method that it adds to <see cref="Tensor"/>.
/// </summary>
public abstract class Operation
{
    Tensor[] inputs = new Tensor[4], outputs = new Tensor[1];
    int inputCount, outputCount;
    List<(Tensor Expanded, Tensor Gradient)>? expanded;

    internal long Sequence, Mark;
    internal ReadOnlySpan<Tensor> Inputs => inputs.AsSpan(0, inputCount);

    /// <summary>The name that errors use: the class's, unless overridden.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>Adds to <see cref="InputGradient(int)"/>, for every input that <see cref="NeedsGradient"/>, what follows from <see cref="OutputGradient"/>.</summary>
    protected abstract void Backward();

    /// <summary>The i-th tensor that was given to <c>Record</c>.</summary>
    protected Tensor Input(int i) => inputs[i];

    /// <summary>How many inputs were recorded.</summary>
    protected int InputCount => inputCount;

    /// <summary>The i-th result.</summary>
    protected Tensor Output(int i = 0) => outputs[i];

    /// <summary>Whether input i leads to a tensor whose gradient is wanted.</summary>
    protected bool NeedsGradient(int i) => inputs[i].RequiresGradient;

    /// <summary>
    /// The gradient of input i, to be added to; zero where nothing has been added yet. For a view it has the view's strides. Its elements never overlap:
    /// the gradient of an expanded view is summed into its base's once <see cref="Backward"/> has run.
    /// </summary>
    protected Tensor InputGradient(int i)
    {
        Tensor gradient = inputs[i].GradientToAccumulate();
        if (!gradient.Body.RepeatsElements) return gradient;
        Tensor apart = Tensor.Zeros(gradient.Shape, gradient.DType);
        (expanded ??= []).Add((apart, gradient));
        return apart;
    }

    /// <summary>
    /// As <see cref="InputGradient(int)"/>, for a kernel that spares itself the reading of zeros: where the gradient <paramref name="isZero"/>, what its memory
    /// holds is undefined, and every element must be written.
    /// </summary>
    protected Tensor InputGradient(int i, out bool isZero)
    {
        Tensor gradient = inputs[i].GradientToAccumulate(out isZero);
        if (!gradient.Body.RepeatsElements) return gradient;
        if (gradient.Backend is not CpuBackend) return InputGradient(i);
        Tensor apart = Tensor.Empty(gradient.Shape, gradient.DType);
        (expanded ??= []).Add((apart, gradient));
        isZero = true;
        return apart;
    }

    /// <summary>Adds <paramref name="gradient"/>, of any strides, to that of input i: all that an operation which only moves elements has to do.</summary>
    protected void AddToInputGradient(int i, Tensor gradient) => inputs[i].AddToGradient(gradient);

    /// <summary>
    /// Adds <paramref name="gradient"/>, which this operation has made and nothing will write to again, to that of input i. Where there is none yet it becomes the gradient itself, and nothing is
    /// copied.
    /// </summary>
    protected void GiveInputGradient(int i, Tensor gradient)
    {
        TensorBody input = inputs[i].Body, given = gradient.Body;
        bool takes = !input.Base.IsAlive && !given.Base.IsAlive && input.Arena is not null && given.Arena == input.Arena && !input.Gradient.IsAlive && !input.GradientPlace.IsAlive;
        if (takes && given.Shape == input.Shape && given.DType == input.DType) (input.Gradient, input.GradientIsZero, given.IsGradient) = (gradient, false, true);
        else AddToInputGradient(i, gradient);
    }

    /// <summary>Whether anything depended on result i. At least one result has a gradient whenever <see cref="Backward"/> runs.</summary>
    protected bool HasOutputGradient(int i) => outputs[i].Body.Gradient.IsAlive;

    /// <summary>The gradient of result i, contiguous; zeros where nothing depended on it.</summary>
    protected Tensor OutputGradient(int i = 0) => outputs[i].GradientToAccumulate();

    internal void Attach(ReadOnlySpan<Tensor> results, ReadOnlySpan<Tensor> arguments)
    {
        if (inputs.Length < arguments.Length) inputs = new Tensor[arguments.Length];
        if (outputs.Length < results.Length) outputs = new Tensor[results.Length];
        arguments.CopyTo(inputs);
        results.CopyTo(outputs);
        (inputCount, outputCount) = (arguments.Length, results.Length);
        Sequence = Tape.NextSequence();
        foreach (Tensor result in results)
        {
            TensorBody body = result.Body;
            body.Producer = this;
            body.RequiresGradient = true;
        }
    }

    internal void RunBackward(Tape.State state)
    {
        bool any = false, empty = true;
        for (int i = 0; i < outputCount; i++)
        {
            TensorBody output = outputs[i].Body;
            any |= output.Gradient.IsAlive;
            empty &= output.Count == 0;
        }
        if (!any) return;
        Backward();
        if (expanded is not null)
        {
            foreach ((Tensor from, Tensor to) in expanded) to.Backend.Add(from, to);
            expanded.Clear();
        }
        if (empty)                                          // then there may have been nothing to compute: what has been given no gradient has one of zeros
            for (int i = 0; i < inputCount; i++)
                if (NeedsGradient(i)) inputs[i].GradientToAccumulate();
        if (state.DetectsNonFinite)
            for (int i = 0; i < inputCount; i++)
                if (NeedsGradient(i) && inputs[i].Root.Gradient.IsAlive) NonFinite.Check(inputs[i].GradientToAccumulate(), this.Name, $"the gradient of input {i}", Inputs);
        for (int i = 0; i < outputCount; i++) ReturnGradient(outputs[i].Body);
    }

    /// <summary>The gradient of an intermediate value has been passed on and, unless it is to be retained, is not needed again.</summary>
    static void ReturnGradient(TensorBody output)
    {
        if (!output.Gradient.IsAlive) return;
        TensorBody gradient = output.Gradient.Body;
        output.Gradient = default;
        if (output.GradientIsGiven)
        {
            output.GradientIsGiven = false;
            return;
        }
        if (output.RetainsGradient && output.Retain(gradient.Handle)) return;
        gradient.Arena?.Return(gradient.Address, (long)gradient.Count * gradient.DType.Size());
        if (gradient.Arena is not null) gradient.Kill();
    }

    /// <summary>Forgets what a pass that threw has left behind, so that the next one begins anew.</summary>
    internal void Abandon()
    {
        expanded?.Clear();
        for (int i = 0; i < outputCount; i++)
            if (outputs[i].IsAlive)
            {
                TensorBody output = outputs[i].Body;
                (output.Gradient, output.GradientIsZero, output.GradientIsGiven) = (default, false, false);
            }
    }

    /// <summary>Forgets its tensors and goes back to where operations of its kind are kept.</summary>
    internal void Release()
    {
        Array.Clear(inputs, 0, inputCount);
        Array.Clear(outputs, 0, outputCount);
        Recycle();
    }

    private protected abstract void Recycle();
}

/// <summary>The base of an operation named <typeparamref name="TSelf"/>. Instances of a step are kept and used again.</summary>
public abstract class Operation<TSelf> : Operation where TSelf : Operation<TSelf>, new()
{
    [ThreadStatic] static Stack<TSelf>? spare;

    /// <summary>
    /// Called once an operation has computed <paramref name="output"/>: puts it on the tape if a gradient can flow through it.
    /// </summary>
    /// <returns>The recorded operation, to be given its arguments; null where there is nothing to record.</returns>
    /// <example><c>Record(y, x)?.dimension = dimension;</c></example>
    protected static TSelf? Record(Tensor output, params ReadOnlySpan<Tensor> inputs) => Record([output], inputs);

    /// <summary>As <see cref="Record(Tensor, ReadOnlySpan{Tensor})"/>, for an operation with several results.</summary>
    protected static TSelf? Record(ReadOnlySpan<Tensor> outputs, ReadOnlySpan<Tensor> inputs)
    {
        Tape.State state = Tape.Current;
        if (state.DetectsNonFinite)
            for (int i = 0; i < outputs.Length; i++) NonFinite.Check(outputs[i], new TSelf().Name, $"output {i}", inputs);

        bool needed = false;
        foreach (Tensor input in inputs) needed |= input.RequiresGradient;     // also keeps the inputs alive until here
        if (!needed || !state.Recording) return null;

        TSelf operation = state.Arena is not null && spare is { Count: > 0 } ? spare.Pop() : new TSelf();
        operation.Attach(outputs, inputs);
        state.Arena?.Add(operation);
        return operation;
    }

    private protected override void Recycle() => (spare ??= []).Push((TSelf)this);
}

static class NonFinite
{
    /// <exception cref="NonFiniteException">Some element is NaN or infinite.</exception>
    public static void Check(Tensor tensor, string operation, string what, ReadOnlySpan<Tensor> inputs)
    {
        if (!tensor.DType.IsFloat()) return;
        double[] values = tensor.ToArray<double>();
        int at = Array.FindIndex(values, v => !double.IsFinite(v));
        if (at < 0) return;
        Span<int> index = stackalloc int[tensor.Rank];
        for (int d = tensor.Rank - 1, rest = at; d >= 0; rest /= tensor.Shape[d], d--) index[d] = rest % tensor.Shape[d];
        throw new NonFiniteException(operation,
            $"{operation}: {what}, {tensor.Shape}, is {values[at]} at [{string.Join(", ", index.ToArray())}]; the inputs are {Describe(inputs)}.");
    }

    static string Describe(ReadOnlySpan<Tensor> inputs)
    {
        List<string> shapes = [];
        foreach (Tensor input in inputs)
        {
            double[] values = input.ToArray<double>();
            shapes.Add(values.Length == 0 ? $"{input.Shape}" : $"{input.Shape} from {values.Min():g4} to {values.Max():g4}");
        }
        return string.Join(" and ", shapes);
    }
}
