using ILGPU;
using ILGPU.Algorithms;
using ILGPU.IR;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace NeuralMemory.Gpu;

/// <summary>ILGPU with the settings that kernels are written for: optimisation level O1 (O2 moves loads past barriers), IEEE mathematics, and the instructions of this project.</summary>
static class IlgpuContext
{
    /// <summary>With all CUDA and OpenCL devices of this machine.</summary>
    public static Context Create()
    {
        DriverLibraries.Resolve();
        return Configure(Context.Create().Cuda().OpenCL()).ToContext();
    }

    /// <summary>The settings alone: kernels can be compiled but not run.</summary>
    public static Context.Builder Configure(Context.Builder builder)
    {
        builder.EnableAlgorithms();
        Instructions.Register(builder.GetIntrinsicManager());
        return builder;
    }
}
