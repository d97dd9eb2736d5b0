using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>What an element-wise kernel does with one element, and with four neighbours at once.</summary>
interface IGpuElements
{
    /// <summary>Element <paramref name="i"/>, which lies at the given offsets of the loop's tensors.</summary>
    void One(int i, int o0, int o1, int o2, int o3);

    /// <summary>Elements <paramref name="i"/> to i + 3. They are neighbours in each of the loop's tensors, or, where its step is 0, one element.</summary>
    void Four(in GpuLoop loop, int i, int o0, int o1, int o2, int o3);
}

/// <summary>Passes through all elements, four a thread where the loop's tensors allow it.</summary>
readonly struct GpuEach<TBody>(TBody body, GpuLoop loop) : IGpuKernel where TBody : struct, IGpuElements
{
    public void Run()
    {
        int first = (Grid.IdxX * Group.DimX + Group.IdxX) * loop.Width, end = Math.Min(first + loop.Width, loop.Count);
        if (end - first == 4)
        {
            loop.Locate(first, out int o0, out int o1, out int o2, out int o3);
            body.Four(loop, first, o0, o1, o2, o3);
            return;
        }
        for (int i = first; i < end; i++)
        {
            loop.Locate(i, out int o0, out int o1, out int o2, out int o3);
            body.One(i, o0, o1, o2, o3);
        }
    }
}
