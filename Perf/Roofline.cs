using System.Globalization;
using System.Numerics;
using System.Text;
using NeuralMemory.Simd;

namespace NeuralMemory.Perf;

/// <summary>What a machine reached when measured: multiply-adds in registers, two operations each, and copies far larger than its caches, bytes read and written both counted.</summary>
sealed unsafe record Machine(double Gflops, double Gbytes)
{
    const int Rounds = 1 << 16, Lanes = 12, Floats = 64 * 1024 * 1024;

    /// <summary>Measures it on all threads of the team.</summary>
    public static Machine Measure()
    {
        int tasks = 4 * ThreadTeam.Threads;
        float* sums = stackalloc float[tasks];
        double seconds = Timing.Median(() => Cpu.For(DType.Float32, tasks, 1, new MultiplyAdds(sums)));
        double flops = 2.0 * tasks * Rounds * Lanes * (SimdWidth.Bits / 32);
        for (int i = 0; i < tasks; i++)
            if (!(Math.Abs(sums[i] - 1) < 1e-3)) throw new InvalidOperationException($"A sum of {sums[i]} where 1 was expected: the multiply-adds were not done.");

        Tensor from = Tensor.Persistent([Floats]), to = Tensor.Persistent([Floats]);
        from.Fill(1);
        double copy = Timing.Median(() => Cpu.For(DType.Float32, Floats, 1 << 18, new Copy(from.Pointer<float>(), to.Pointer<float>())));
        if (to[Floats - 1] != 1) throw new InvalidOperationException("A copy is not what was copied.");
        return new(flops / seconds / 1e9, 2.0 * sizeof(float) * Floats / copy / 1e9);
    }

    /// <summary>Twelve chains of x = x / 2 + 1 / 2, which begin and end near 1: enough to hide the latency of a multiply-add.</summary>
    readonly struct MultiplyAdds(float* sums) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int task = start; task < end; task++)
            {
                V half = V.Constant(.5), a = V.One, b = V.One, c = V.One, d = V.One, e = V.One, f = V.One, g = V.One, h = V.One, i = V.One, j = V.One, k = V.One, l = V.One;
                for (int round = 0; round < Rounds; round++)
                {
                    (a, b, c, d) = (V.Fma(a, half, half), V.Fma(b, half, half), V.Fma(c, half, half), V.Fma(d, half, half));
                    (e, f, g, h) = (V.Fma(e, half, half), V.Fma(f, half, half), V.Fma(g, half, half), V.Fma(h, half, half));
                    (i, j, k, l) = (V.Fma(i, half, half), V.Fma(j, half, half), V.Fma(k, half, half), V.Fma(l, half, half));
                }
                V sum = (a + b + c + d + e + f) + (g + h + i + j + k + l);
                sums[task] = float.CreateTruncating(V.Sum(sum)) / (Lanes * V.Count);
            }
        }
    }

    readonly struct Copy(float* from, float* to) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
            new ReadOnlySpan<float>(from + start, end - start).CopyTo(new(to + start, end - start));
    }
}

/// <summary>A case in the picture: operations for each byte that it must move, and how many it reached.</summary>
sealed record Spot(string Name, double Intensity, double Gflops);

/// <summary>
/// The roofline of Williams, Waterman and Patterson 2009: what a machine can reach at a given number of operations a byte, the lesser of its peak and of its bandwidth times that
/// number, and the cases below it. Both axes count powers of two. A case whose data fits the caches may stand above the slope.
/// </summary>
static class Roofline
{
    const int Width = 900, Height = 560, Left = 70, Right = 190, Top = 40, Bottom = 56;
    static readonly string[] colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];

    public static string Draw(Machine machine, IReadOnlyList<Spot> spots)
    {
        double x0 = Math.Floor(Math.Log2(spots.Min(s => s.Intensity))) - 1, x1 = Math.Ceiling(Math.Log2(Math.Max(spots.Max(s => s.Intensity), 2 * machine.Gflops / machine.Gbytes))) + 1;
        double y0 = Math.Floor(Math.Log2(spots.Min(s => s.Gflops))), y1 = Math.Ceiling(Math.Log2(machine.Gflops)) + 1;
        StringBuilder svg = new();
        Line($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"13\">");
        Line($"<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>");
        for (double x = x0; x <= x1; x++)
        {
            Line($"<line x1=\"{X(x):0.#}\" y1=\"{Top}\" x2=\"{X(x):0.#}\" y2=\"{Height - Bottom}\" stroke=\"#e4e4e4\"/>");
            Text(X(x), Height - Bottom + 18, $"{Math.Pow(2, x):g4}", "middle");
        }
        for (double y = y0; y <= y1; y++)
        {
            Line($"<line x1=\"{Left}\" y1=\"{Y(y):0.#}\" x2=\"{Width - Right}\" y2=\"{Y(y):0.#}\" stroke=\"#e4e4e4\"/>");
            Text(Left - 8, Y(y) + 4, $"{Math.Pow(2, y):g4}", "end");
        }
        double peak = Math.Log2(machine.Gflops), slope = Math.Log2(machine.Gbytes), ridge = peak - slope, from = Math.Max(x0, y0 - slope);
        Line($"<polyline points=\"{X(from):0.#},{Y(from + slope):0.#} {X(ridge):0.#},{Y(peak):0.#} {X(x1):0.#},{Y(peak):0.#}\" fill=\"none\" stroke=\"#222222\" stroke-width=\"2\"/>");
        Text(X(x1) - 6, Y(peak) - 8, $"{machine.Gflops:f0} GFLOP/s", "end");
        Text(X(from) + 34, Y(from + slope) - 14, $"{machine.Gbytes:f1} GB/s", "start");
        Text((Left + Width - Right) / 2.0, Height - 14, $"operations a byte", "middle");
        Text(Left, 24, $"GFLOP/s on {ThreadTeam.Threads} threads", "start");
        string[] kinds = [.. spots.Select(s => s.Name.Split('-')[0]).Distinct()];
        foreach (Spot spot in spots)
            Line($"<circle cx=\"{X(Math.Log2(spot.Intensity)):0.#}\" cy=\"{Y(Math.Log2(spot.Gflops)):0.#}\" r=\"4\" fill=\"{Color(Array.IndexOf(kinds, spot.Name.Split('-')[0]))}\" fill-opacity=\".75\"/>");
        for (int i = 0; i < kinds.Length; i++)
        {
            Line($"<circle cx=\"{Width - Right + 22}\" cy=\"{Top + 12 + 20 * i}\" r=\"4\" fill=\"{Color(i)}\"/>");
            Text(Width - Right + 34, Top + 16 + 20 * i, $"{kinds[i]}", "start");
        }
        Line($"</svg>");
        return svg.ToString();

        double X(double log) => Left + (log - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double log) => Height - Bottom - (log - y0) / (y1 - y0) * (Height - Top - Bottom);
        string Color(int kind) => colors[kind % colors.Length];
        void Line(FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
        void Text(double x, double y, FormattableString text, string anchor) => Line($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\">{text.ToString(CultureInfo.InvariantCulture)}</text>");
    }
}
