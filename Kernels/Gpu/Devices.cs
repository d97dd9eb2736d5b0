using System.Diagnostics.CodeAnalysis;
using ILGPU;
using ILGPU.Runtime;
#if ILGPU
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
#endif

namespace NeuralMemory;

/// <summary>A device that <see cref="Devices.Open(string)"/> can open.</summary>
/// <param name="Name">As a user writes it: <c>cpu</c>, <c>cuda:0</c>, <c>opencl:0</c>, <c>emulator</c>.</param>
/// <param name="Description">What it is, for people.</param>
public sealed record DeviceInfo(string Name, string Description);

/// <summary>The devices of this machine, by the names that users give them.</summary>
/// <remarks>OpenCL devices that are no GPUs are left out. GPUs need a build with ILGPU (<c>-p:Ilgpu=true</c>); one without it has the emulator in their place, which is chosen only by name.</remarks>
public static class Devices
{
    /// <summary>What is there, the CPU first.</summary>
    [RequiresDynamicCode(Reason), RequiresUnreferencedCode(Reason)]
    public static IReadOnlyList<DeviceInfo> List()
    {
        List<DeviceInfo> list = [new(CpuBackend.Instance.Name, CpuBackend.Instance.Description)];
        using Context? context = TryCreate(out _);
        if (context is not null)
            foreach ((string name, Device device) in Named(context)) list.Add(new(name, $"{device.Name}, {device.MemorySize / (1L << 20):n0} MiB"));
        return list;
    }

    /// <summary>Opens a device: <c>cpu</c>, <c>cuda:N</c>, <c>opencl:N</c>, <c>emulator</c>, or <c>auto</c>, a GPU if there is one and else the CPU.</summary>
    /// <exception cref="DeviceException">There is none of that name. No other is opened in its place.</exception>
    [RequiresDynamicCode(Reason), RequiresUnreferencedCode(Reason)]
    public static Backend Open(string name) => Open(name, out _);

    /// <summary>As <see cref="Open(string)"/>.</summary>
    /// <param name="name">The device's name, or <c>auto</c>.</param>
    /// <param name="why">Why it was chosen, for people.</param>
    [RequiresDynamicCode(Reason), RequiresUnreferencedCode(Reason)]
    public static Backend Open(string name, out string why)
    {
        ArgumentNullException.ThrowIfNull(name);
        why = "as asked for";
        if (name == CpuBackend.Instance.Name) return CpuBackend.Instance;
        if (name != "auto" && !IsName(name))
            throw new DeviceException($"\"{name}\" is no device: cpu, cuda:N, opencl:N, emulator or auto was expected.");

        Context? context = TryCreate(out string? missing);
        List<(string Name, Device Device)> there = context is null ? [] : Named(context);
        int index = name == "auto" ? there.FindIndex(d => d.Name != Emulator) : there.FindIndex(d => d.Name == name);
        if (index >= 0)
        {
            if (name == "auto") why = "the first GPU found";
            return Open(there[index].Name, context!, there[index].Device);
        }
        context?.Dispose();
        if (name == "auto")
        {
            why = missing ?? "no GPU was found";
            return CpuBackend.Instance;
        }
        if (name == Emulator) missing = "this build has ILGPU in its place (build it with -p:Ilgpu=false)";
        throw new DeviceException($"{name} is not there: {missing ?? $"found were {string.Join(", ", there.Select(d => d.Name).Prepend(CpuBackend.Instance.Name))}"}. `neuralmemory devices` lists what is.");
    }

    const string Emulator = "emulator";
    const string Reason = "GPU kernels are compiled from their intermediate code at run time.";

    static bool IsName(string name)
    {
        string[] parts = name.Split(':');
        return name == Emulator || (parts is ["cuda" or "opencl", var number] && int.TryParse(number, out int n) && n >= 0);
    }

    static GpuBackend Open(string name, Context context, Device device)
    {
        try
        {
            Accelerator accelerator = device.CreateAccelerator(context);
#if ILGPU
            if (accelerator is CudaAccelerator cuda) Gpu.AddressSpaces.Infer(cuda.Backend);
#endif
            return new(name, context, accelerator);
        }
        catch (Exception e) when (e is not DeviceException)
        {
            context.Dispose();
            throw new DeviceException($"{name} ({device.Name}) cannot be opened: {e.Message}", e);
        }
    }

#if ILGPU
    static Context? TryCreate(out string? missing)
    {
        missing = null;
        try
        {
            return Gpu.IlgpuContext.Create();
        }
        catch (Exception e)
        {
            missing = $"no driver could be loaded ({e.Message})";
            return null;
        }
    }

    static List<(string Name, Device Device)> Named(Context context)
    {
        List<(string, Device)> named = [];
        foreach (CudaDevice device in context.GetCudaDevices()) named.Add(($"cuda:{named.Count}", device));
        int cuda = named.Count;
        foreach (CLDevice device in context.GetCLDevices())
            if ((device.DeviceType & CLDeviceType.CL_DEVICE_TYPE_GPU) != 0) named.Add(($"opencl:{named.Count - cuda}", device));
        return named;
    }
#else
    static Context? TryCreate(out string? missing)
    {
        missing = "this build is without ILGPU (build it with -p:Ilgpu=true)";
        return Context.CreateDefault();
    }

    static List<(string Name, Device Device)> Named(Context context) => [(Emulator, context.Devices[0])];
#endif
}
