using System.CommandLine;
using System.Runtime.InteropServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory devices</c>: what can compute here, and what is chosen.</summary>
static class DevicesCommand
{
    public static Command Create(Session session)
    {
        Command command = new("devices", "Shows what can compute on this machine, what is chosen, and why.");
        command.SetAction(_ => Run(session));
        return command;
    }

    static int Run(Session session)
    {
        session.Output.WriteLine($"* cpu   {Processor()}");
        session.Output.WriteLine($"        {RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}, {Environment.ProcessorCount} logical cores, "
            + $"{ThreadTeam.Threads} threads, {Vectors}");
        foreach (DeviceInfo device in Devices.List().Skip(1)) session.Output.WriteLine($"  {device.Name,-5} {device.Description}");
        Backend chosen = Devices.Open("auto", out string why);
        session.Output.WriteLine($"Chosen by default: cpu. --device auto would choose {chosen.Name}: {why}.");
        (chosen as IDisposable)?.Dispose();
        return ExitCode.Done;
    }

    static string Vectors => SimdWidth.Bits == 32 ? "no vectors" : $"{SimdWidth.Bits}-bit vectors of {SimdWidth.Bits / 32} floats";

    /// <summary>The processor's name where the system tells it without a call of its own.</summary>
    static string Processor()
    {
        try
        {
            foreach (string line in File.ReadLines("/proc/cpuinfo"))
                if (line.StartsWith("model name", StringComparison.Ordinal) && line.IndexOf(':') is > 0 and int colon) return line[(colon + 1)..].Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "this machine's processor";
    }
}
