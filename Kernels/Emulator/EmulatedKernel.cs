using ILGPU;
using ILGPU.Runtime;

namespace NeuralMemory.Emulation;

/// <summary>The thread that runs. One kernel runs at a time in a process, so these are plain fields, which kernels read fast.</summary>
static class Lane
{
    public static int IdxX, IdxY, IdxZ;
    public static Index3D GroupDim, GridIdx, GridDim;
}

/// <summary>A kernel that can be launched.</summary>
sealed class EmulatedKernel<T>(Action<T> action) where T : struct
{
    static readonly Lock one = new();

    /// <summary>Runs all threads of all groups.</summary>
    public void Launch(AcceleratorStream stream, KernelConfig config, T kernel)
    {
        stream.Enter();
        lock (one)
        {
            (Lane.GridDim, Lane.GroupDim) = (config.GridDim, config.GroupDim);
            for (var g = 0; g < config.GridDim.Size; g++)
            {
                Lane.GridIdx = new(g % config.GridDim.X, g / config.GridDim.X % config.GridDim.Y, g / config.GridDim.X / config.GridDim.Y);
                for (Lane.IdxZ = 0; Lane.IdxZ < config.GroupDim.Z; Lane.IdxZ++)
                    for (Lane.IdxY = 0; Lane.IdxY < config.GroupDim.Y; Lane.IdxY++)
                        for (Lane.IdxX = 0; Lane.IdxX < config.GroupDim.X; Lane.IdxX++)
                            action(kernel);
            }
        }
    }
}
