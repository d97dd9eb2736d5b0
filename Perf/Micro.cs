using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace NeuralMemory.Perf;

/// <summary>What a step pays beside its arithmetic: the tape, the arena, handing work to other threads, random numbers. Nothing here should allocate.</summary>
public class Micro
{
    readonly Tensor x = Tensor.Persistent([16]).RequireGradient(), large = Tensor.Persistent([64 * 1024]);
    readonly Philox random = new(1);
    readonly float[] numbers = new float[1024];

    /// <summary>Runs the benchmarks whose names a pattern matches.</summary>
    public static void Run(string filter) => BenchmarkSwitcher.FromTypes([typeof(Micro)]).Run(["--filter", filter], DefaultConfig.Instance
        .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)).AddDiagnoser(MemoryDiagnoser.Default)
        .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "neuralmemory-micro")));

    /// <summary>A step with nothing in it.</summary>
    [Benchmark]
    public void EmptyStep()
    {
        using (Tape.Step()) { }
    }

    /// <summary>Sixteen elements negated 100 times, recorded, within a step: the cost of an operation that computes almost nothing.</summary>
    [Benchmark(OperationsPerInvoke = 100)]
    public void RecordedOperation()
    {
        using Tape.Scope step = Tape.Step();
        Tensor y = x;
        for (int i = 0; i < 100; i++) y = -y;
    }

    /// <summary>The same, forward and backward.</summary>
    [Benchmark(OperationsPerInvoke = 100)]
    public void OperationAndGradient()
    {
        using Tape.Scope step = Tape.Step();
        Tensor y = x;
        for (int i = 0; i < 100; i++) y = -y;
        y.Sum().Backward();
    }

    /// <summary>A loop of four chunks that do nothing, handed to the threads of the team.</summary>
    [Benchmark]
    public void HandOver() => ThreadTeam.For(4, 1, new Nothing());

    /// <summary>64 Ki elements added: a loop that is just worth two threads.</summary>
    [Benchmark]
    public void SmallSum()
    {
        using Tape.Scope step = Tape.Step();
        _ = large + large;
    }

    /// <summary>1024 uniform numbers.</summary>
    [Benchmark(OperationsPerInvoke = 1024)]
    public void RandomNumber()
    {
        for (int i = 0; i < numbers.Length; i++) numbers[i] = random.NextSingle();
    }

    readonly struct Nothing : IParallelBody
    {
        public void Run(int start, int end) { }
    }
}
