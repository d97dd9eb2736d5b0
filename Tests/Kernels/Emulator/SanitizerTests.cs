using NeuralMemory.Emulation;
using NeuralMemory.Tests.Kernels.Gpu;

namespace NeuralMemory.Tests.Kernels.Emulation;

/// <summary>Every operation's kernels under the emulator's checks: several orders of threads, and every access to shared memory.</summary>
[NonParallelizable]
public sealed class SanitizerTests
{
    [TestCaseSource(typeof(OperationTests), nameof(OperationTests.Cases))]
    public void Kernels_do_the_same_in_every_order(OperationCase operation)
    {
        GpuBackend gpu = GpuTesting.Device;
        Tensor[] inputs = operation.Inputs(new Philox(2));
        try
        {
            Emulator.Check = Arena.Poison = true;
            GpuTesting.Run(gpu, operation.Function, inputs);
        }
        finally
        {
            Emulator.Check = Arena.Poison = false;
        }
    }
}
