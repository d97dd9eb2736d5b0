using System.Runtime.InteropServices;

namespace NeuralMemory.Perf;

/// <summary>NVIDIA's own matrix product, where its library is installed, as a measure for ours. Nothing else uses it.</summary>
static unsafe class CuBlas
{
    const int NoTranspose = 0, Float32 = 0, PedanticFloat32 = 69, FastTf32 = 77, FastBf16 = 75, DefaultAlgorithm = -1;

    static readonly nint library = new[] { "libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "cublas64_13.dll", "cublas64_12.dll", "cublas64_11.dll" }
        .Select(name => NativeLibrary.TryLoad(name, out nint handle) ? handle : 0).FirstOrDefault(handle => handle != 0);

    /// <summary>The median seconds of a product of float32 matrices, or null where there is no library or device for it.</summary>
    public static double? Time(GpuBackend gpu, int m, int k, int n, MatMulPrecision precision)
    {
        if (library == 0 || !gpu.Name.StartsWith("cuda", StringComparison.Ordinal)) return null;
        var create = (delegate* unmanaged<nint*, int>)NativeLibrary.GetExport(library, "cublasCreate_v2");
        var destroy = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "cublasDestroy_v2");
        var setStream = (delegate* unmanaged<nint, nint, int>)NativeLibrary.GetExport(library, "cublasSetStream_v2");
        var multiply = (delegate* unmanaged<nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int>)NativeLibrary.GetExport(library, "cublasGemmEx");
        using Tape.Scope device = Backend.Use(gpu);
        Tensor a = Tensor.Persistent([m, k]), b = Tensor.Persistent([k, n]), c = Tensor.Persistent([m, n]);
        gpu.Synchronize();
        nint created;
        Succeed(create(&created), "cublasCreate");
        nint handle = created;
        try
        {
            Succeed(setStream(handle, gpu.NativeStream), "cublasSetStream");
            int compute = precision switch { MatMulPrecision.TensorFloat32 => FastTf32, MatMulPrecision.BFloat16 => FastBf16, _ => PedanticFloat32 };
            // Its matrices are column by column: C^T = B^T A^T.
            return GpuSpeed.Time(gpu, () =>
            {
                float one = 1, zero = 0;
                Succeed(multiply(handle, NoTranspose, NoTranspose, n, m, k, &one, b.Address, Float32, n, a.Address, Float32, k, &zero, c.Address, Float32, n, compute, DefaultAlgorithm), "cublasGemmEx");
            });
        }
        finally
        {
            destroy(handle);
        }
    }

    static void Succeed(int status, string call)
    {
        if (status != 0) throw new InvalidOperationException($"{call} failed with status {status}.");
    }
}
