using ILGPU.Runtime;
#if ILGPU
using ILGPU.Runtime.Cuda;
#endif

namespace NeuralMemory.Gpu;

/// <summary>What a driver says of its device beyond what every device has.</summary>
static class DevicePeak
{
#if ILGPU
    /// <summary>Two operations for each float32 lane and cycle of the clock, which is in kHz.</summary>
    public static double Flops(Accelerator accelerator) => accelerator is CudaAccelerator cuda ? 2.0 * Lanes(cuda) * cuda.NumMultiprocessors * cuda.ClockRate * 1e3 : double.NaN;

    /// <summary>Float32 lanes of a multiprocessor: 64 up to compute capability 8.0 (6.1 aside), 128 since 8.6 (NVIDIA, CUDA C++ programming guide, "Arithmetic instructions").</summary>
    static int Lanes(CudaAccelerator cuda) => (cuda.Architecture.Major, cuda.Architecture.Minor) is (7, _) or (8, 0) or (6, 0) ? 64 : 128;

    /// <summary>Two transfers for each cycle of the memory's clock, in kHz, of a bus that many bits wide.</summary>
    public static double Bandwidth(Accelerator accelerator) =>
        accelerator is CudaAccelerator cuda && cuda.MemoryClockRate > 0 ? 2.0 * cuda.MemoryClockRate * 1e3 * cuda.MemoryBusWidth / 8 : double.NaN;

    public static nint Stream(AcceleratorStream stream) => stream is CudaStream cuda ? cuda.StreamPtr : 0;
#else
    public static double Flops(Accelerator accelerator) => double.NaN;

    public static double Bandwidth(Accelerator accelerator) => double.NaN;

    public static nint Stream(AcceleratorStream stream) => 0;
#endif
}
