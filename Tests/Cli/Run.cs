using System.Diagnostics;
using System.Runtime.InteropServices;
using NeuralMemory.Checkpoints;
using NeuralMemory.Cli;
using NeuralMemory.Training;
using Spectre.Console;

namespace NeuralMemory.Tests.Cli;

/// <summary>Runs the program, within the test or as a process of its own.</summary>
static partial class Run
{
    /// <summary>Sizes that train in no time.</summary>
    public static readonly string[] Tiny = ["--hidden", "8", "--slots", "8", "--width", "4"];

    /// <summary>A terminal's width.</summary>
    public const int Width = 80;

    /// <summary>Within this process, its output redirected.</summary>
    public static (int Code, string Output, string Error) Here(params string[] arguments) => Here(CancellationToken.None, arguments);

    /// <inheritdoc cref="Here(string[])"/>
    public static (int Code, string Output, string Error) Here(CancellationToken interrupted, params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int threads = ThreadTeam.Threads;
        int code = CommandLine.Run(arguments, Session.Plain(output, error, interrupted));
        ThreadTeam.Threads = threads;
        return (code, output.ToString(), error.ToString());
    }

    /// <summary>Bad input: exit code 2, nothing on standard output, and one line that says what is wrong and holds every text of <paramref name="named"/>.</summary>
    public static void Refuses(string[] arguments, params string[] named)
    {
        (int code, string output, string error) = Here(arguments);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code, Is.EqualTo(2), error);
            Assert.That(output, Is.Empty);
            Assert.That(error, Does.StartWith("neuralmemory: ").And.EndsWith("\n"));
            Assert.That(error.TrimEnd('\n'), Does.Not.Contain('\n').And.Not.Contain("Exception").And.Not.Contain("   at "));
            foreach (string name in named) Assert.That(error, Does.Contain(name));
        }
    }

    /// <summary>Within this process, on a terminal.</summary>
    public static (int Code, string Output) OnTerminal(bool colors, params string[] arguments)
    {
        using StringWriter output = new();
        IAnsiConsole console = AnsiConsole.Create(new()
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = colors ? ColorSystemSupport.TrueColor : ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(output),
        });
        (console.Profile.Width, console.Profile.Height) = (Width, 24);
        return (CommandLine.Run(arguments, new(output, output, console, IsTerminal: true, CancellationToken.None)), output.ToString());
    }

    /// <summary>As a process, its output redirected.</summary>
    public static Process Start(params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "neuralmemory.dll"));
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        MindInterrupts();
        return Process.Start(start)!;
    }

    /// <summary>In the background of a script SIGINT is ignored, and so it would be in every process that is started from there.</summary>
    static void MindInterrupts()
    {
        const string ignored = "SigIgn:";
        if (!OperatingSystem.IsLinux()) return;
        string mask = File.ReadLines("/proc/self/status").First(line => line.StartsWith(ignored, StringComparison.Ordinal))[ignored.Length..].Trim();
        if ((Convert.ToUInt64(mask, 16) & 1 << (2 - 1)) != 0) SetHandler(2, 0);
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    /// <summary>Sends a signal: 2 is SIGINT, 9 SIGKILL, 15 SIGTERM.</summary>
    public static void Signal(Process process, int signal) => Assert.That(Kill(process.Id, signal), Is.Zero);

    /// <summary>All that a finished run leaves but what depends on the clock.</summary>
    public static string Fingerprint(string folder)
    {
        SafetensorsFile file = SafetensorsFile.Read(new RunFolder(folder).CheckpointPath);
        IEnumerable<string> tensors = file.Entries.Select(e => $"{e} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(e.Bytes.Span))}");
        IEnumerable<string> texts = file.Metadata.Where(m => !m.Key.EndsWith("_ticks", StringComparison.Ordinal)).Select(m => $"{m.Key} = {m.Value}");
        IEnumerable<string> metrics = new RunFolder(folder).ReadMetrics().Select(
            m => $"{m with { SequencesPerSecond = 0, TimeStepsPerSecond = 0, Elapsed = default }}");
        string best = new RunFolder(folder).BestPath, kept = File.Exists(best) ? Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(best))) : "";
        string[] names = [.. Directory.GetFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        return string.Join('\n', [.. tensors.Order(StringComparer.Ordinal), .. texts.Order(StringComparer.Ordinal), .. metrics, kept, .. names]);
    }
}
