using System.CommandLine;

namespace NeuralMemory.Cli;

/// <summary>The device that a command computes on: <c>--device</c>. Until it is disposed, this thread computes there.</summary>
readonly struct ChosenDevice : IDisposable
{
    readonly Backend backend;
    readonly Tape.Scope scope;

    ChosenDevice(Backend backend) => (this.backend, scope) = (backend, Backend.Use(backend));

    public static Option<string?> Option() => new("--device")
    {
        Description = "What computes: cpu, cuda:N, opencl:N, emulator (GPU kernels, checked, and slow; only in a build with -p:Ilgpu=false), or auto, a GPU if there is one and else the CPU; cpu by default.",
        HelpName = "DEVICE",
    };

    /// <summary>Opens the device that was asked for, and says which it is where that was left open.</summary>
    /// <exception cref="DeviceException">It is not there, or cannot be opened.</exception>
    public static ChosenDevice Enter(string? name, Session session)
    {
        Backend backend = Devices.Open(name ?? CpuBackend.Instance.Name, out string why);
        if (name == "auto") session.Output.WriteLine($"Device: {backend.Name}, {why}.");
        return new(backend);
    }

    public void Dispose()
    {
        scope.Dispose();
        (backend as IDisposable)?.Dispose();
    }
}
