namespace NeuralMemory.Tests.Kernels;

/// <summary>One body for every operation: each case passes through every check.</summary>
[NonParallelizable]
public class OperationTests
{
    public static IEnumerable<TestCaseData> Cases =>
        from type in typeof(OperationTests).Assembly.GetTypes()
        where type.IsClass && !type.IsAbstract && typeof(ICaseSource).IsAssignableFrom(type)
        from operation in ((ICaseSource)Activator.CreateInstance(type)!).Cases
        select new TestCaseData(operation).SetArgDisplayNames(operation.Name);

    [TestCaseSource(nameof(Cases))]
    public void Gradient_equals_central_differences(OperationCase operation)
    {
        Tensor[] inputs = operation.Inputs(new Philox(1));
        using (Tape.Step())
        {
            Tensor y = operation.Function(Leaves(inputs, DType.Float64));
            if (!y.RequiresGradient)
            {
                Assert.That(!y.DType.IsFloat() || inputs.All(input => !input.DType.IsFloat()), "real results of real inputs have a gradient");
                return;
            }
        }
        GradientCheckResult result = GradientCheck.Function(operation.Function, inputs);
        Assert.That(result.Error, Is.LessThanOrEqualTo(1), result.ToString());
    }

    [TestCaseSource(nameof(Cases))]
    public void Float32_agrees_with_float64(OperationCase operation)
    {
        Tensor[] inputs = operation.Inputs(new Philox(2));
        (float[][] Values, _) = Run(operation, inputs, DType.Float32);
        (float[][] reference, _) = Run(operation, inputs, DType.Float64);
        for (int i = 0; i < Values.Length; i++)
            AssertClose(Values[i], reference[i], i == 0 ? operation.Tolerance : operation.GradientTolerance, i == 0 ? "value" : $"gradient of input {i - 1}");
    }

    [TestCaseSource(nameof(Cases))]
    public void Same_bits_on_any_number_of_threads_and_from_poisoned_memory(OperationCase operation)
    {
        Tensor[] inputs = operation.Inputs(new Philox(3));
        int threads = ThreadTeam.Threads;
        try
        {
            ThreadTeam.Threads = 1;
            (float[][] expected, _) = Run(operation, inputs, DType.Float32);
            foreach (int n in (int[])[2, 3])
            {
                ThreadTeam.Threads = n;
                Arena.Poison = n == 3;
                (float[][] actual, _) = Run(operation, inputs, DType.Float32);
                for (int i = 0; i < expected.Length; i++) Assert.That(actual[i], Is.EqualTo(expected[i]), $"{n} threads, result {i}");
            }
        }
        finally
        {
            ThreadTeam.Threads = threads;
            Arena.Poison = false;
        }
    }

    /// <summary>A gradient that was set to zero is written, whatever its memory holds; one that was not is added to.</summary>
    [TestCaseSource(nameof(Cases))]
    public void Gradients_are_written_over_nothing_and_added_to_something(OperationCase operation)
    {
        Tensor[] leaves = Leaves(operation.Inputs(new Philox(4)), DType.Float32);
        float[][] first = Backward();
        foreach (Tensor leaf in leaves)
            if (leaf.DType.IsFloat() && leaf.HasGradient)
            {
                leaf.Gradient.Fill(double.NaN);
                leaf.ZeroGradient();
            }
        float[][] written = Backward(), added = Backward();
        for (int i = 0; i < first.Length; i++)
        {
            Assert.That(written[i], Is.EqualTo(first[i]), $"gradient {i}");
            AssertClose(added[i], [.. first[i].Select(g => 2 * g)], operation.GradientTolerance, $"gradient {i} twice");
        }

        float[][] Backward()
        {
            using (Tape.Step())
            {
                Tensor y = operation.Function(leaves);
                if (y.RequiresGradient) y.Backward(KernelTesting.Random([.. y.Shape.Sizes], 9));
            }
            return [.. leaves.Where(leaf => leaf.DType.IsFloat() && leaf.HasGradient).Select(leaf => leaf.Gradient.ToArray())];
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void A_step_allocates_nothing_once_warm(OperationCase operation)
    {
        Tensor[] leaves = Leaves(operation.Inputs(new Philox(4)), DType.Float32);
        Tensor seed = default;
        void Step()
        {
            using (Tape.Step())
            {
                Tensor y = operation.Function(leaves);
                if (!y.RequiresGradient) return;
                if (!seed.IsAlive) seed = Tensor.Persistent(y.Shape);
                y.Backward(seed);
            }
        }
        long Measure(Action action)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Action step = Step;
        for (int i = 0; i < 5; i++) step();
        long closures = Measure(() => { using (Tape.Step()) { } });
        Assert.That(Enumerable.Range(0, 3).Min(_ => Measure(step)), Is.EqualTo(closures));
    }

    [Test]
    public void Every_operation_has_a_case()
    {
        HashSet<Type> seen = [];
        foreach (TestCaseData data in Cases)
        {
            OperationCase operation = (OperationCase)data.Arguments[0]!;
            using (Tape.Step()) Walk(operation.Function(Leaves(operation.Inputs(new Philox(5)), DType.Float32)));
        }
        void Walk(Tensor tensor)
        {
            if (tensor.Root.Producer is not { } producer) return;
            Type type = producer.GetType();
            seen.Add(type.IsGenericType ? type.GetGenericArguments()[0] : type);
            foreach (Tensor input in producer.Inputs) Walk(input);
        }

        Type[] operations = [.. new[] { typeof(Tanh).Assembly, typeof(Tensor).Assembly }.SelectMany(a => a.GetTypes()).Where(IsOperation)];
        Assert.That(operations, Is.Not.Empty);
        Assert.That(operations.Where(type => !seen.Contains(type)).Select(type => type.Name), Is.Empty, "operations without a case");
    }

    static bool IsOperation(Type type) => !type.IsAbstract &&
        (typeof(Operation).IsAssignableFrom(type) ? !type.IsGenericType : type.IsValueType && type.GetInterfaces().Intersect(functions).Any());

    /// <summary>The interfaces of formulas that a generic operation is made from: each formula counts as an operation.</summary>
    static readonly Type[] functions = [typeof(IUnary), typeof(IBinary), typeof(ITernary), typeof(IRecurrentCell), typeof(IPairLoss)];

    static Tensor[] Leaves(Tensor[] inputs, DType type) => [.. inputs.Select(input =>
    {
        if (!input.DType.IsFloat()) return input;
        Tensor leaf = Tensor.Persistent(input.Shape, type);
        leaf.CopyFrom(input);
        return leaf.RequireGradient();
    })];

    /// <summary>The value and then the gradient of every real input, for a fixed projection.</summary>
    static (float[][] Results, Shape Shape) Run(OperationCase operation, Tensor[] inputs, DType type)
    {
        Tensor[] leaves = Leaves(inputs, type);
        using (Tape.Step())
        {
            Tensor y = operation.Function(leaves);
            if (!y.RequiresGradient) return ([y.ToArray()], y.Shape);
            Philox random = new(6);
            double[] projection = [.. Enumerable.Range(0, y.Count).Select(_ => 2 * random.NextDouble() - 1)];
            Tensor seed = Tensor.Empty(y.Shape, y.DType);
            seed.CopyFrom<double>(projection);
            y.Backward(seed);
            return ([y.ToArray(), .. leaves.Where(leaf => leaf.DType.IsFloat() && leaf.HasGradient).Select(leaf => leaf.Gradient.ToArray())], y.Shape);
        }
    }

    internal static void AssertClose(float[] actual, float[] expected, double tolerance, string what)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), what);
        for (int i = 0; i < actual.Length; i++)
            if (!actual[i].Equals(expected[i]) && !(Math.Abs((double)actual[i] - expected[i]) <= tolerance * (1 + Math.Abs(expected[i]))))
                Assert.Fail($"{what}, element {i} of {actual.Length}: {actual[i]:g9}, but {expected[i]:g9} was expected");
    }
}
