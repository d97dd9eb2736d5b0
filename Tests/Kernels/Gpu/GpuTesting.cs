namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>The GPU that tests run on: the one that NEURALMEMORY_DEVICE names, a real one where there is one, or else the emulator.</summary>
static class GpuTesting
{
    static readonly Lazy<Backend?> device = new(() =>
    {
        string name = Environment.GetEnvironmentVariable("NEURALMEMORY_DEVICE") is { Length: > 0 } named ? named : "auto";
        Backend found = Devices.Open(name);
        if (found is GpuBackend || name != "auto") return found;
        return Devices.List().Any(d => d.Name == "emulator") ? Devices.Open("emulator") : null;
    });

    /// <summary>The device; the test that asks is skipped where there is none.</summary>
    public static GpuBackend Device
    {
        get
        {
            if (device.Value is GpuBackend gpu) return gpu;
            Assert.Ignore("no GPU, and no emulator in a build with ILGPU");
            throw new InvalidOperationException();
        }
    }

    /// <summary>The value of a function of some tensors and then, where it has any, the gradients of its real inputs for a fixed projection, computed on a device.</summary>
    public static float[][] Run(Backend backend, Func<Tensor[], Tensor> function, Tensor[] inputs, DType type = DType.Float32)
    {
        using (Backend.Use(backend))
        {
            Tensor[] leaves = [.. inputs.Select(input =>
            {
                if (!input.DType.IsFloat()) return input.On(backend);
                Tensor leaf = Tensor.Persistent(input.Shape, type);
                leaf.CopyFrom(input);
                return leaf.RequireGradient();
            })];
            using (Tape.Step())
            {
                Tensor y = function(leaves);
                if (!y.RequiresGradient) return [y.ToArray()];
                Philox random = new(6);
                double[] projection = [.. Enumerable.Range(0, y.Count).Select(_ => 2 * random.NextDouble() - 1)];
                Tensor seed = Tensor.Empty(y.Shape, y.DType);
                seed.CopyFrom<double>(projection);
                y.Backward(seed);
                return [y.ToArray(), .. leaves.Where(leaf => leaf.DType.IsFloat() && leaf.HasGradient).Select(leaf => leaf.Gradient.ToArray())];
            }
        }
    }
}
