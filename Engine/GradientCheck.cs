namespace NeuralMemory;

/// <summary>
/// Checks gradients against central differences: for a random projection p and the loss L = sum(y * p), dL/dx_i must equal
/// (L(x_i + h) - L(x_i - h)) / 2h. All in float64, where the difference is good to about nine digits.
/// </summary>
/// <example><code>
/// GradientCheck.Function(x => x[0].MatMul(x[1]), a, b).ThrowIfFailed();
/// GradientCheck.Module(lstm, x => lstm.Forward(x[0]), input).ThrowIfFailed();
/// </code></example>
public static class GradientCheck
{
    /// <summary>Checks the gradient of a function with respect to all of its real-valued inputs.</summary>
    /// <param name="function">Computes one tensor from the inputs, which it is given as float64 copies; it may make views of them first.</param>
    /// <param name="inputs">Where to check, index tensors included, which are passed as they are.</param>
    public static GradientCheckResult Function(Func<Tensor[], Tensor> function, params Tensor[] inputs) => Function(x => [function(x)], new(), inputs);

    /// <summary>As <see cref="Function(Func{Tensor[], Tensor}, Tensor[])"/>, for a function with several results and with options.</summary>
    public static GradientCheckResult Function(Func<Tensor[], Tensor[]> function, GradientCheckOptions options, params Tensor[] inputs)
    {
        Tensor[] copies = [.. inputs.Select(Copy)];
        return Check(() => function(copies), [.. copies.Select((t, i) => ($"input {i}", t)).Where(v => v.t.DType.IsFloat())], options);
    }

    /// <summary>Checks the gradients of a module's parameters and of its inputs. The module computes in float64 meanwhile.</summary>
    /// <param name="module">Whose parameters are checked.</param>
    /// <param name="function">Calls the module with float64 copies of the inputs.</param>
    /// <param name="inputs">Where to check.</param>
    public static GradientCheckResult Module(Module module, Func<Tensor[], Tensor> function, params Tensor[] inputs) =>
        Module(module, x => [function(x)], new(), inputs);

    /// <summary>As <see cref="Module(NeuralMemory.Module, Func{Tensor[], Tensor}, Tensor[])"/>, for several results and with options.</summary>
    public static GradientCheckResult Module(Module module, Func<Tensor[], Tensor[]> function, GradientCheckOptions options, params Tensor[] inputs)
    {
        DType before = module.Parameters.Count > 0 ? module.Parameters[0].DType : DType.Float32;
        module.To(DType.Float64);
        try
        {
            Tensor[] copies = [.. inputs.Select(Copy)];
            (string, Tensor)[] variables =
            [
                .. module.NamedParameters(),
                .. copies.Select((t, i) => ($"input {i}", t)).Where(v => v.t.DType.IsFloat()),
            ];
            return Check(() => function(copies), variables, options);
        }
        finally
        {
            module.To(before);
        }
    }

    static Tensor Copy(Tensor input)
    {
        if (!input.DType.IsFloat()) return input;
        using (Tape.OutsideStep())
        {
            Tensor copy = Tensor.Empty(input.Shape, DType.Float64);
            copy.CopyFrom(input);
            return copy.RequireGradient();
        }
    }

    static GradientCheckResult Check(Func<Tensor[]> function, (string Name, Tensor Tensor)[] variables, GradientCheckOptions options)
    {
        Philox random = new(options.Seed);
        foreach ((_, Tensor variable) in variables) variable.ZeroGradient();

        double[][] projections;
        using (Tape.Step())
        {
            Tensor[] outputs = function();
            projections = [.. outputs.Select(y => Draw(y.Count, random))];
            Tensor[] seeds = [.. outputs.Select((y, i) => Tensor.From(projections[i], y.Shape))];
            Tape.Backward(outputs, seeds);
        }

        // The projected change of the outputs: differences first, so that what does not depend on x cancels exactly and not in the sum.
        double[][] Outputs()
        {
            using (Tape.Step())
            using (Tape.NoGradient())
                return [.. function().Select(y => y.ToArray<double>())];
        }
        double Change(double[][] above, double[][] below)
        {
            double change = 0;
            for (int k = 0; k < above.Length; k++)
                for (int j = 0; j < above[k].Length; j++) change += (above[k][j] - below[k][j]) * projections[k][j];
            return change;
        }

        GradientCheckResult worst = new(0, "nothing to check", 0, 0, 0);
        foreach ((string name, Tensor variable) in variables)
        {
            double[] values = variable.ToArray<double>();
            double[] analytic = variable.HasGradient ? variable.Gradient.ToArray<double>() : new double[values.Length];
            foreach (int i in Positions(values.Length, options.MaximumElements, random))
            {
                double x = values[i], numeric = 0, error = double.PositiveInfinity;
                // Where the function curves sharply the step is too long: a tenth of it leaves a hundredth of the error, and a wrong gradient wrong.
                for (double h = options.Step * Math.Max(1, Math.Abs(x)), least = h / 10; h >= least && !(error <= 1); h /= 10)
                {
                    Set(x + h);
                    double[][] above = Outputs();
                    Set(x - h);
                    double[][] below = Outputs();
                    Set(x);
                    numeric = Change(above, below) / (2 * h);
                    error = Math.Abs(analytic[i] - numeric) / (options.Absolute + options.Relative * Math.Abs(numeric));
                }
                if (!(error <= worst.Error)) worst = new(double.IsNaN(error) ? double.PositiveInfinity : error, name, i, analytic[i], numeric);

                void Set(double value)
                {
                    values[i] = value;
                    variable.CopyFrom<double>(values);
                }
            }
        }
        return worst;
    }

    static double[] Draw(int count, Philox random)
    {
        double[] values = new double[count];
        foreach (ref double value in values.AsSpan()) value = 2 * random.NextDouble() - 1;
        return values;
    }

    /// <summary>All positions, or a random choice where there are too many.</summary>
    static IEnumerable<int> Positions(int count, int maximum, Philox random)
    {
        int[] positions = [.. Enumerable.Range(0, count)];
        if (count > maximum) random.Shuffle<int>(positions);
        return positions.Take(maximum);
    }
}

/// <summary>How a gradient check is made. An element passes where |analytic - numeric| &lt;= Absolute + Relative |numeric|.</summary>
public sealed record GradientCheckOptions
{
    /// <summary>The step h, times |x| where that is more than 1.</summary>
    public double Step { get; init; } = 1e-5;

    /// <summary>Allowed error relative to the numeric gradient.</summary>
    public double Relative { get; init; } = 1e-6;

    /// <summary>Allowed error beside that.</summary>
    public double Absolute { get; init; } = 1e-7;

    /// <summary>The most elements checked of each tensor; of larger ones a random choice is.</summary>
    public int MaximumElements { get; init; } = 100;

    /// <summary>The seed of the projection and of that choice.</summary>
    public ulong Seed { get; init; } = 1;
}

/// <summary>The element whose analytic and numeric gradients differ most.</summary>
/// <param name="Error">Their difference as a multiple of what is allowed: the check passes up to 1.</param>
/// <param name="Name">The parameter's name, or <c>input 0</c> and so on.</param>
/// <param name="Index">The element, counted with the last dimension fastest.</param>
/// <param name="Analytic">What the backward pass gave.</param>
/// <param name="Numeric">What the central difference gave.</param>
public sealed record GradientCheckResult(double Error, string Name, int Index, double Analytic, double Numeric)
{
    /// <summary>Whether every checked element was within what is allowed.</summary>
    public bool Passed => Error <= 1;

    /// <exception cref="ArithmeticException">Some element was not.</exception>
    public void ThrowIfFailed()
    {
        if (!Passed) throw new ArithmeticException($"The gradient of {Name} at element {Index} is {Analytic:g9} by the backward pass, {Numeric:g9} by central differences ({Error:g3} times the allowed error).");
    }
}
