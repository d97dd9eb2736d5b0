using System.Diagnostics;
using System.Text.Json;

namespace NeuralMemory.Perf;

/// <summary>Checks cases and times them, each in turns with its peers: what disturbs one of a moment's figures disturbs the others.</summary>
static class Speed
{
    const double SampleSeconds = .02, CaseSeconds = .5;
    const int LeastSamples = 5, PauseMilliseconds = 10;

    static readonly JsonSerializerOptions json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>What one case gave: seconds are medians, the spread is the part of the median that half of the samples lie within.</summary>
    sealed record Figure(Case Case, double Seconds, double Spread, string? Peer, double? PeerSeconds, double Error)
    {
        public double? Ratio => PeerSeconds / Seconds;
        public double Gflops => Case.Flops / Seconds / 1e9;
        public double Gbytes => Case.Bytes / Seconds / 1e9;
    }

    /// <summary>Runs the cases whose names are among <paramref name="only"/>, or begin so, or all.</summary>
    /// <returns>False where a case was wrong: it is not timed.</returns>
    public static bool Run(string suite, IEnumerable<Case> cases, string? only, bool withPeer, bool asJson, string? roofline)
    {
        int threads = ThreadTeam.Threads;
        string[]? names = only?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        List<Case> chosen = [.. cases.Where(c => names is null || names.Any(name => c.Name == name || c.Name.StartsWith(name + "-", StringComparison.Ordinal)))];
        if (chosen.Count == 0) throw new ArgumentException($"--only {only}: no case is called so. There are: {string.Join(", ", cases.Select(c => c.Name).Distinct())}.");

        List<TorchPeer> peers = withPeer ? [.. StartPeers(threads)] : [];
        List<Figure> figures = [];
        bool right = true;
        if (!asJson) Head(peers);
        foreach (Case c in chosen)
        {
            Prepared prepared = c.Prepare();
            double error = prepared.Error();
            if (!(error <= prepared.Limit))
            {
                Console.Error.WriteLine($"{c.Name} {c.Shape}: it differs from float64 by {error:g3} of the largest value, {prepared.Limit:g1} at most was expected; it is not timed.");
                right = false;
                continue;
            }
            figures.Add(Time(c, prepared.Run, peers, error));
            Report(suite, threads, figures[^1], asJson);
        }
        foreach (TorchPeer peer in peers) peer.Dispose();
        if (!asJson) Summary(figures);
        if (roofline is not null && figures.Count > 0)
        {
            Machine machine = Machine.Measure();
            File.WriteAllText(roofline, Roofline.Draw(machine, [.. figures.Select(f => new Spot(f.Case.Name, f.Case.Flops / f.Case.Bytes, f.Gflops))]));
            if (!asJson) Console.WriteLine($"\nMeasured on {threads} threads: {machine.Gflops:f0} GFLOP/s of multiply-adds, {machine.Gbytes:f1} GB/s of copies, read and written. {roofline} shows the cases beside them.");
        }
        return right;
    }

    static IEnumerable<TorchPeer> StartPeers(int threads)
    {
        foreach (int count in threads == 1 ? (int[])[1] : [1, threads])
        {
            if (TorchPeer.Start(count, out string why) is { } peer) yield return peer;
            else
            {
                Console.Error.WriteLine($"PyTorch is not here ({why}): our own figures stand alone. Debian has it: apt-get install python3-torch libopenblas0-pthread");
                yield break;
            }
        }
    }

    static Figure Time(Case c, Action run, List<TorchPeer> peers, double error)
    {
        List<TorchPeer> knowing = [.. peers.Where(peer => peer.Prepare(c))];
        Stopwatch warm = Stopwatch.StartNew();
        int calls = 0;
        for (; warm.Elapsed.TotalSeconds < .25 || calls < 3; calls++) run();
        int repeats = Math.Max(1, (int)(SampleSeconds / (warm.Elapsed.TotalSeconds / calls)));

        List<double> ours = [];
        List<double>[] theirs = [.. knowing.Select(_ => new List<double>())];
        while (ours.Count < LeastSamples || ours.Sum() * repeats < CaseSeconds)
        {
            if (knowing.Count > 0) run();                                   // wakes this process' own threads
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeats; i++) run();
            ours.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / repeats);
            for (int i = 0; i < knowing.Count; i++)
            {
                theirs[i].Add(knowing[i].Seconds(SampleSeconds));
                Thread.Sleep(PauseMilliseconds);
            }
        }
        ours.Sort();
        double median = Median(ours), spread = (ours[ours.Count * 3 / 4] - ours[ours.Count / 4]) / median;
        int best = knowing.Count == 0 ? -1 : Enumerable.Range(0, knowing.Count).MinBy(i => Median(theirs[i]));
        return best < 0 ? new(c, median, spread, null, null, error) : new(c, median, spread, $"torch {knowing[best].Version}, {knowing[best].Threads} thr.", Median(theirs[best]), error);
    }

    static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    static void Head(List<TorchPeer> peers)
    {
        if (peers.Count > 0) Console.WriteLine($"Beside PyTorch {peers[0].Version}, the faster of {string.Join(" and ", peers.Select(peer => peer.Threads))} threads. A ratio above 1: it takes longer.\n");
        Console.WriteLine("| case | shape | ms | spread | PyTorch ms (threads) | ratio | GFLOP/s | GB/s | error |");
        Console.WriteLine("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    }

    static void Report(string suite, int threads, Figure f, bool asJson)
    {
        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                suite,
                Case = f.Case.Name,
                f.Case.Shape,
                threads,
                OursS = f.Seconds,
                f.Peer,
                PeerS = f.PeerSeconds,
                f.Ratio,
                f.Gflops,
                f.Gbytes,
                f.Error,
                f.Spread,
            }, json));
            return;
        }
        string peer = f.PeerSeconds is { } seconds ? $"{seconds * 1e3:g4} ({f.Peer!.Split(' ')[^2]})" : "";
        Console.WriteLine($"| {f.Case.Name} | {f.Case.Shape} | {f.Seconds * 1e3:g4} | {f.Spread:p0} | {peer} | {f.Ratio:f2} | {f.Gflops:f1} | {f.Gbytes:f1} | {f.Error:e1} |");
    }

    /// <summary>The geometric mean of the ratios of each kind of case, and the least.</summary>
    static void Summary(List<Figure> figures)
    {
        var kinds = figures.Where(f => f.Ratio is not null).GroupBy(f => f.Case.Name.Split('-')[0]).Where(kind => kind.Count() > 1).ToList();
        if (kinds.Count == 0) return;
        Console.WriteLine("\n| kind | cases | geometric mean of the ratios | least | |\n|---|---:|---:|---:|---|");
        foreach (var kind in kinds)
        {
            Figure least = kind.MinBy(f => f.Ratio)!;
            Console.WriteLine($"| {kind.Key} | {kind.Count()} | {Math.Exp(kind.Average(f => Math.Log(f.Ratio!.Value))):f2} | {least.Ratio:f2} | {least.Case.Name} {least.Case.Shape} |");
        }
    }
}
