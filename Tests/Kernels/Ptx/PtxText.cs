using System.Text.RegularExpressions;

namespace NeuralMemory.Tests.Kernels.Ptx;

/// <summary>A kernel as the compiler wrote it: PTX, line by line, without what surrounds the code.</summary>
sealed class PtxText
{
    readonly string text;

    public PtxText(string text)
    {
        this.text = text;
        Lines = [.. text.Split('\n').Select(line => line.Trim().Replace('\t', ' ')).Where(line => line.Length > 0 && !line.StartsWith("//"))];
    }

    public IReadOnlyList<string> Lines { get; }

    /// <summary>How many instructions begin so: <c>ld.global.v4</c>, <c>mma.sync</c>.</summary>
    public int Count(string instruction) => Lines.Count(line => Is(line, instruction));

    /// <summary>The lines between two labels or the ends, in which control does not branch.</summary>
    public IEnumerable<string[]> Blocks()
    {
        List<string> block = [];
        foreach (string line in Lines)
        {
            if (line.EndsWith(':'))
            {
                yield return [.. block];
                block.Clear();
            }
            else block.Add(line);
        }
        yield return [.. block];
    }

    /// <summary>Lines that use memory of a thread's own, which lies in device memory: accumulators belong in registers.</summary>
    public string[] Local => [.. Lines.Where(line => line.Contains(".local"))];

    /// <summary>Functions that are called but not there: the driver could not link the kernel.</summary>
    public string[] External => [.. Lines.Where(line => line.StartsWith(".extern .func"))];

    /// <summary>Loads and stores that find out at run time which memory they go to.</summary>
    public string[] Generic => [.. Lines.Where(line => Regex.IsMatch(line, @"^(@%?\S+ )?(ld|st)\.(v[24]\.)?[bfsu]\d"))];

    /// <summary>Bytes of shared memory with a fixed size.</summary>
    public int SharedBytes => Regex.Matches(text, @"^\s*\.shared .*\[(\d+)\];", RegexOptions.Multiline).Sum(match => int.Parse(match.Groups[1].Value));

    /// <summary>Bytes of the kernel's arguments.</summary>
    public int ArgumentBytes => Regex.Match(text, @"\.entry [^{]*?\.param [^\[{]*\[(\d+)\]") is { Success: true } match ? int.Parse(match.Groups[1].Value) : 1;

    /// <summary>Demands that in one block the instructions come in this order, others between them.</summary>
    public void AssertOrder(params string[] instructions) =>
        Assert.That(Blocks().Any(block =>
        {
            int next = 0;
            foreach (string line in block)
                if (next < instructions.Length && Is(line, instructions[next])) next++;
            return next == instructions.Length;
        }), $"no block has {string.Join(", then ", instructions)}:\n{text}");

    static bool Is(string line, string instruction) => line.StartsWith(instruction) || (line.StartsWith('@') && line.Contains($" {instruction}"));

    /// <inheritdoc/>
    public override string ToString() => text;
}
