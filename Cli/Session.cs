using System.Runtime.InteropServices;
using Spectre.Console;

namespace NeuralMemory.Cli;

/// <summary>Where a command reads its surroundings: standard output and error, whether somebody watches, and whether it was interrupted.</summary>
/// <param name="Output">Standard output, plain.</param>
/// <param name="Error">Standard error.</param>
/// <param name="Console">Standard output for tables and colours.</param>
/// <param name="IsTerminal">Whether a live view can be shown.</param>
/// <param name="Interrupted">Cancelled by Ctrl-C.</param>
sealed record Session(TextWriter Output, TextWriter Error, IAnsiConsole Console, bool IsTerminal, CancellationToken Interrupted)
{
    const int PlainWidth = 120;

    public static Session OfConsole(CancellationToken interrupted)
    {
        bool terminal = !System.Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
        if (!terminal) return Plain(System.Console.Out, System.Console.Error, interrupted);
        IAnsiConsole console = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(System.Console.Out) });
        // https://no-color.org: set and not empty.
        if (Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 }) console.Profile.Capabilities.ColorSystem = ColorSystem.NoColors;
        return new(System.Console.Out, System.Console.Error, console, console.Profile.Capabilities.Ansi, interrupted);
    }

    /// <summary>One whose output goes to a file or a pipe: no colours, no control codes.</summary>
    public static Session Plain(TextWriter output, TextWriter error, CancellationToken interrupted)
    {
        IAnsiConsole console = AnsiConsole.Create(new()
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(output),
        });
        console.Profile.Width = PlainWidth;
        return new(output, error, console, IsTerminal: false, interrupted);
    }

    /// <summary>The live view hides the cursor.</summary>
    public void ShowCursor()
    {
        if (IsTerminal) Output.Write("\e[?25h\n");
    }

    /// <summary>What computes, for headings.</summary>
    public static string Device => Backend.Current is not CpuBackend and { } gpu ? $"{gpu.Name} ({gpu.Description})" : $"{Backend.Current.Name} ({RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}, "
        + $"{Simd.SimdWidth.Bits}-bit vectors, {ThreadTeam.Threads} {(ThreadTeam.Threads == 1 ? "thread" : "threads")})";
}
