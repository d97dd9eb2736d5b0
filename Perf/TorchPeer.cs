using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace NeuralMemory.Perf;

/// <summary>
/// PyTorch in a process of its own, which computes the same cases: <c>peers/torch_peer.py</c>, spoken to by lines of JSON over a pipe, so that neither its start nor the pipe is timed.
/// A PyTorch is as many threads as it began with: for each number there is one process.
/// </summary>
sealed class TorchPeer : IDisposable
{
    readonly Process process;
    readonly StringBuilder errors;

    TorchPeer(Process process, StringBuilder errors, int threads, string version) => (this.process, this.errors, Threads, Version) = (process, errors, threads, version);

    public int Threads { get; }

    public string Version { get; }

    /// <summary>Starts it under the first of some Pythons that has PyTorch; null, and why, where none has.</summary>
    public static TorchPeer? Start(int threads, out string why)
    {
        why = "";
        foreach (string python in (string[])["python3", "/usr/bin/python3"])
        {
            ProcessStartInfo start = new(python, [Path.Combine(AppContext.BaseDirectory, "peers", "torch_peer.py")])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.Environment["OMP_NUM_THREADS"] = start.Environment["OPENBLAS_NUM_THREADS"] = $"{threads}";
            // Its idle threads sleep: spinning, those of OpenMP and of OpenBLAS take the cores from each other, and from what is timed here. An LSTM's step takes a third of the time so.
            (start.Environment["OMP_WAIT_POLICY"], start.Environment["OPENBLAS_THREAD_TIMEOUT"]) = ("passive", "24");
            // It keeps what memory it had once, as the arena here does, instead of asking the system anew.
            start.Environment["MALLOC_MMAP_THRESHOLD_"] = start.Environment["MALLOC_TRIM_THRESHOLD_"] = "4294967296";
            try
            {
                Process process = Process.Start(start)!;
                StringBuilder errors = Errors(process);
                if (process.StandardOutput.ReadLine() is { } line) return new(process, errors, threads, JsonDocument.Parse(line).RootElement.GetProperty("version").GetString()!);
                process.WaitForExit();
                why = errors.ToString().Trim().Split('\n')[^1];
            }
            catch (System.ComponentModel.Win32Exception e)
            {
                why = e.Message;
            }
        }
        return null;
    }

    /// <summary>What it writes to its standard error, read as it comes: were the pipe full, it would wait for a reader.</summary>
    static StringBuilder Errors(Process process)
    {
        StringBuilder errors = new();
        process.ErrorDataReceived += (_, e) => errors.AppendLine(e.Data);
        process.BeginErrorReadLine();
        return errors;
    }

    /// <summary>Makes a case's inputs; false where this peer does not know it.</summary>
    public bool Prepare(Case c) => Ask(new { name = c.Name, shape = c.Shape }).GetProperty("known").GetBoolean();

    /// <summary>The mean seconds of a run of the prepared case, over as many runs as take <paramref name="seconds"/>.</summary>
    public double Seconds(double seconds) => Ask(new { seconds }).GetProperty("seconds").GetDouble();

    JsonElement Ask(object question)
    {
        process.StandardInput.WriteLine(JsonSerializer.Serialize(question));
        process.StandardInput.Flush();
        if (process.StandardOutput.ReadLine() is { } line) return JsonDocument.Parse(line).RootElement;
        process.WaitForExit();
        throw new InvalidOperationException($"PyTorch ended: {errors}");
    }

    public void Dispose()
    {
        process.StandardInput.Close();
        if (!process.WaitForExit(2000)) process.Kill();
        process.Dispose();
    }
}
