using System.Runtime.InteropServices;
using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>
/// Lets ILGPU find the drivers on Linux. It asks for <c>libcuda.so</c> and <c>libOpenCL.so</c>, but the drivers' packages install <c>libcuda.so.1</c> and <c>libOpenCL.so.1</c>;
/// the names without a number come with development packages only.
/// </summary>
static class DriverLibraries
{
    static readonly Lock gate = new();
    static bool done;

    /// <summary>Must run before ILGPU is first used.</summary>
    public static void Resolve()
    {
        lock (gate)
        {
            if (done || !OperatingSystem.IsLinux()) return;
            done = true;
            try
            {
                NativeLibrary.SetDllImportResolver(typeof(Context).Assembly, (name, assembly, path) =>
                    name is "cuda" or "OpenCL" && NativeLibrary.TryLoad($"lib{name}.so.1", assembly, path, out nint library) ? library : 0);
            }
            catch (InvalidOperationException)
            {
                // The program around us has set its own resolver, of which there is one an assembly.
            }
        }
    }
}
