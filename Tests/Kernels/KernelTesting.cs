using System.Diagnostics;

namespace NeuralMemory.Tests.Kernels;

/// <summary>What the tests of several kernels share.</summary>
static class KernelTesting
{
    /// <summary>Random numbers from -1 to 1 in a tensor outside any step. Layout 0 is contiguous, 1 transposed, 2 every other element of a larger tensor.</summary>
    public static Tensor Random(int[] shape, ulong seed, DType type = DType.Float32, int layout = 0)
    {
        Tensor tensor = Base(shape, seed, layout, type);
        return layout == 0 ? tensor : Views(tensor, layout);
    }

    /// <summary>A contiguous tensor of which <see cref="Views"/> makes one of the given shape.</summary>
    public static Tensor Base(int[] shape, ulong seed, int layout, DType type = DType.Float64)
    {
        int[] sizes = [.. shape];
        if (layout == 1 && shape.Length > 1) (sizes[^1], sizes[^2]) = (sizes[^2], sizes[^1]);
        if (layout == 2) for (int d = 0; d < sizes.Length; d++) sizes[d] = 2 * sizes[d] + 1;
        Philox random = new(seed);
        double[] values = new double[sizes.Aggregate(1, (p, s) => p * s)];
        foreach (ref double value in values.AsSpan()) value = 2 * random.NextDouble() - 1;
        using (Tape.OutsideStep())
        {
            Tensor tensor = Tensor.Empty(new(sizes), type);
            tensor.CopyFrom<double>(values);
            return tensor;
        }
    }

    public static Tensor Views(Tensor tensor, int layout)
    {
        if (layout == 1 && tensor.Rank > 1) return tensor.T;
        if (layout == 2) for (int d = 0; d < tensor.Rank; d++) tensor = tensor.Slice(d, 1, tensor.Shape[d], 2);
        return tensor;
    }

    /// <summary>Until disposed, memory of a step is full of NaN before it is written.</summary>
    public static Restore Poisoned()
    {
        Arena.Poison = true;
        return default;
    }

    public readonly struct Restore : IDisposable
    {
        public void Dispose() => Arena.Poison = false;
    }

    /// <summary>Within 1e-5 (float) or 1e-13 (double) of the magnitude of what was summed.</summary>
    public static void AssertClose(Tensor actual, double[] expected, double[] magnitude)
    {
        double tolerance = actual.DType == DType.Float32 ? 1e-5 : 1e-13;
        double[] values = actual.ToArray<double>();
        for (int i = 0; i < expected.Length; i++)
            if (!(Math.Abs(values[i] - expected[i]) <= tolerance * magnitude[i])) Assert.Fail($"{actual.DType} {actual.Shape}: element {i} is {values[i]}, but {expected[i]} was expected.");
    }

    /// <summary>The function's value and all gradients are the same bits on 1, 2 and 5 threads.</summary>
    public static void AssertSameBits(Func<Tensor[], Tensor> function, params Tensor[] inputs)
    {
        int before = ThreadTeam.Threads;
        float[][]? expected = null;
        try
        {
            foreach (int threads in new[] { 1, 2, 5, 5, 5 })
            {
                ThreadTeam.Threads = threads;
                float[][] actual = Evaluate(function, inputs);
                expected ??= actual;
                for (int i = 0; i < actual.Length; i++)
                    Assert.That(actual[i].AsSpan().SequenceEqual(expected[i]), $"{(i == 0 ? "the value" : $"the gradient of input {i - 1}")} on {threads} threads");
            }
        }
        finally
        {
            ThreadTeam.Threads = before;
        }
    }

    static float[][] Evaluate(Func<Tensor[], Tensor> function, Tensor[] inputs)
    {
        foreach (Tensor input in inputs) input.RequireGradient().ZeroGradient();
        using (Tape.Step())
        {
            Tensor y = function(inputs);
            y.Backward(Tensor.From(Random([y.Count], 99).ToArray(), y.Shape));
            return [y.ToArray(), .. inputs.Select(x => x.Gradient.ToArray())];
        }
    }

    /// <summary>After a warm-up, a step of the function and its gradients takes nothing from the garbage collector on any thread, nor from the system.</summary>
    public static void AssertAllocatesNothing(Func<Tensor[], Tensor> function, params Tensor[] inputs)
    {
        foreach (Tensor input in inputs) input.RequireGradient();
        for (int i = 0; i < 50; i++) Step();

        // The test host itself allocates about ten times a second: of many short rounds the quietest counts. Where rounds are too long for a quiet one, as without vectors,
        // this thread's own allocations count, and a team of one does all its work on this thread.
        long managed = long.MaxValue, own = 0, native = Storage.TotalBytes, start = Stopwatch.GetTimestamp();
        for (int round = 0; round < 50 && managed > 0; round++)
        {
            long before = GC.GetTotalAllocatedBytes(true);
            for (int i = 0; i < 2; i++) own += OwnBytes();
            managed = Math.Min(managed, GC.GetTotalAllocatedBytes(true) - before);
        }
        if (managed > 0 && Stopwatch.GetElapsedTime(start) > 50 * TimeSpan.FromMilliseconds(50))
        {
            int threads = ThreadTeam.Threads;
            ThreadTeam.Threads = 1;
            Step();
            managed = own + OwnBytes();
            ThreadTeam.Threads = threads;
        }
        Assert.That(managed, Is.Zero, "managed bytes");
        Assert.That(Storage.TotalBytes, Is.LessThanOrEqualTo(native), "native bytes");

        long OwnBytes()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Step();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        void Step()
        {
            using (Tape.Step())
            {
                Tensor y = function(inputs);
                y.Backward(Tensor.Ones(y.Shape));
            }
        }
    }
}
