namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>Every operation's kernels, on the cases that its CPU loops pass: value and gradients as in float64, the same bits again, from memory full of NaN.</summary>
[NonParallelizable]
public class GpuOperationTests
{
    [TestCaseSource(typeof(OperationTests), nameof(OperationTests.Cases))]
    public void Device_agrees_with_float64(OperationCase operation)
    {
        GpuBackend gpu = GpuTesting.Device;
        Tensor[] inputs = operation.Inputs(new Philox(2));
        float[][] expected = GpuTesting.Run(CpuBackend.Instance, operation.Function, inputs, DType.Float64);
        try
        {
            Arena.Poison = true;
            float[][] actual = GpuTesting.Run(gpu, operation.Function, inputs), again = GpuTesting.Run(gpu, operation.Function, inputs);
            Assert.That(actual, Has.Length.EqualTo(expected.Length), "value and gradients");
            for (int i = 0; i < expected.Length; i++)
            {
                string what = i == 0 ? "value" : $"gradient of real input {i - 1}";
                OperationTests.AssertClose(actual[i], expected[i], i == 0 ? operation.Tolerance : operation.GradientTolerance, what);
                Assert.That(actual[i].AsSpan().SequenceEqual(again[i]) || actual[i].Any(float.IsNaN), $"{what}: the same bits again");
            }
        }
        finally
        {
            Arena.Poison = false;
        }
    }
}
