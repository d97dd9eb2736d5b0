using ILGPU;
using ILGPU.Runtime;
using NeuralMemory.Emulation;

namespace NeuralMemory.Tests.Kernels.Emulation;

interface IKernel
{
    void Run();
}

/// <summary>Four floats, read and written by one instruction on a GPU.</summary>
readonly record struct Float4(float X, float Y, float Z, float W);

/// <summary>A device, buffers of it, and launches of kernels in it.</summary>
sealed class EmulatorTesting : IDisposable
{
    readonly Accelerator accelerator;
    readonly AcceleratorStream stream;
    readonly List<MemoryBuffer> buffers = [];

    /// <param name="check">Run launches in several orders, and follow shared memory?</param>
    public EmulatorTesting(bool check = true)
    {
        Emulator.Check = check;
        var context = Context.CreateDefault();
        accelerator = context.Devices[0].CreateAccelerator(context);
        stream = accelerator.CreateStream();
    }

    public AcceleratorStream Stream => stream;

    public ArrayView<T> Buffer<T>(params ReadOnlySpan<T> values) where T : unmanaged
    {
        var buffer = accelerator.Allocate1D<T>(values.Length);
        buffers.Add(buffer);
        buffer.View.CopyFromCPU(stream, values);
        return buffer.View;
    }

    public ArrayView<float> Floats(int count) => Buffer(Numbers(count));

    public static float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(i => i % 13 - 5f + i % 7 * 0.25f)];

    public T[] Read<T>(ArrayView<T> view) where T : unmanaged
    {
        var values = new T[view.Length];
        view.CopyToCPU(stream, values.AsSpan());
        return values;
    }

    public static void Entry<K>(K kernel) where K : struct, IKernel => kernel.Run();

    public Action<AcceleratorStream, KernelConfig, K> Load<K>() where K : struct, IKernel => accelerator.LoadKernel<K>(Entry);

    public void Launch<K>(int groups, int threads, K kernel, int dynamicFloats = 0) where K : struct, IKernel =>
        Load<K>()(stream, new(groups, threads, dynamicFloats > 0 ? SharedMemoryConfig.RequestDynamic<float>(dynamicFloats) : default), kernel);

    /// <summary>Launches a kernel that is at fault; returns the report.</summary>
    public string Fault<K>(int groups, int threads, K kernel, int dynamicFloats = 0) where K : struct, IKernel
    {
        var report = Assert.Throws<EmulatorException>(() => Launch(groups, threads, kernel, dynamicFloats))!.Message;
        TestContext.Out.WriteLine(report);
        return report;
    }

    public void Dispose()
    {
        Emulator.Check = false;
        buffers.ForEach(b => b.Dispose());
        stream.Dispose();
        accelerator.Dispose();
    }
}
