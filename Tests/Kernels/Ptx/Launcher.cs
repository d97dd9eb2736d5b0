using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace NeuralMemory.Tests.Kernels.Ptx;

/// <summary>
/// The code that ILGPU emits to launch a kernel: it copies the arguments into a struct that it defines in an assembly of its own, where types that are private to ours cannot be loaded.
/// ILGPU emits it when a kernel is loaded onto a device; here an accelerator that never was constructed emits it.
/// </summary>
static class Launcher
{
    const BindingFlags Any = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>Emits and compiles the launcher.</summary>
    /// <exception cref="TypeLoadException">An argument's type is private.</exception>
    public static void Emit(Type kernel, PTXCompiledKernel compiled, PTXBackend backend, Context context)
    {
        CudaDevice device = Bare<CudaDevice>();
        Set(device, typeof(Device), nameof(Device.MaxGridSize), new Index3D(int.MaxValue, ushort.MaxValue, ushort.MaxValue));
        Set(device, typeof(Device), nameof(Device.MaxGroupSize), new Index3D(1024, 1024, 64));
        CudaAccelerator accelerator = Bare<CudaAccelerator>();
        Set(accelerator, typeof(Accelerator), nameof(Accelerator.Context), context);
        Set(accelerator, typeof(Accelerator), nameof(Accelerator.Device), device);
        Set(accelerator, typeof(Accelerator), "Backend", backend);
        try
        {
            var launcher = (DynamicMethod)typeof(CudaAccelerator).GetMethod("GenerateKernelLauncherMethod", Any)!.Invoke(accelerator, [compiled, 0])!;
            launcher.CreateDelegate(typeof(Action<,,>).MakeGenericType(typeof(AcceleratorStream), typeof(KernelConfig), kernel), Bare<CudaKernel>());
        }
        catch (TargetInvocationException e) when (e.InnerException is not null)
        {
            throw e.InnerException;
        }
    }

    static T Bare<T>() where T : class
    {
        object bare = RuntimeHelpers.GetUninitializedObject(typeof(T));
        GC.SuppressFinalize(bare);
        return (T)bare;
    }

    static void Set(object instance, Type type, string property, object value) => type.GetField($"<{property}>k__BackingField", Any)!.SetValue(instance, value);
}
