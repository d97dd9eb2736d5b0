using System.Globalization;
using System.Text;

namespace NeuralMemory.Training;

/// <summary>A line of a chart.</summary>
/// <param name="Name">For the legend, where curves of one name share a line, as they share a colour.</param>
/// <param name="Points">From left to right.</param>
public sealed record Curve(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Curves over one axis, as an SVG picture that a browser or a page of documentation shows as it is.</summary>
/// <param name="Title">Above the picture.</param>
/// <param name="XName">Below the horizontal axis.</param>
/// <param name="YName">Beside the vertical axis.</param>
/// <param name="Curves">At least one, with at least one point.</param>
/// <param name="LogY">Whether the vertical axis counts powers of ten; numbers not above 0 are left out.</param>
/// <param name="LogX">Whether the horizontal one does.</param>
public sealed record Chart(string Title, string XName, string YName, IReadOnlyList<Curve> Curves, bool LogY = false, bool LogX = false)
{
    const int Width = 900, Height = 400, Left = 72, Right = 220, Top = 40, Bottom = 52, MostTicks = 6, MostDots = 20;

    static readonly string[] colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];

    /// <summary>Whether there is anything to draw: a point that is finite and, on an axis of powers, above 0.</summary>
    public bool HasPoints => Curves.Any(curve => curve.Points.Any(Shown));

    /// <summary>The picture.</summary>
    /// <exception cref="InvalidOperationException">There is nothing to draw.</exception>
    public string ToSvg()
    {
        if (!HasPoints) throw new InvalidOperationException("ToSvg: no point of the chart can be drawn.");
        (double X, double Y)[] points = [.. Curves.SelectMany(curve => curve.Points).Where(Shown)];
        (double x0, double x1) = Widen(points.Min(p => p.X), points.Max(p => p.X), LogX);
        (double y0, double y1) = Widen(points.Min(p => p.Y), points.Max(p => p.Y), LogY);
        string[] names = [.. Curves.Select(curve => curve.Name).Distinct()];
        StringBuilder svg = new();
        Line($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"13\">");
        Line($"<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>");
        Text((Left + Width - Right) / 2, 24, Title, "middle", size: 15);
        foreach (double tick in Ticks(x0, x1, LogX))
        {
            Line($"<line x1=\"{X(tick):0.#}\" y1=\"{Top}\" x2=\"{X(tick):0.#}\" y2=\"{Height - Bottom}\" stroke=\"#e4e4e4\"/>");
            Text(X(tick), Height - Bottom + 18, Number(tick), "middle");
        }
        foreach (double tick in Ticks(y0, y1, LogY))
        {
            Line($"<line x1=\"{Left}\" y1=\"{Y(tick):0.#}\" x2=\"{Width - Right}\" y2=\"{Y(tick):0.#}\" stroke=\"#e4e4e4\"/>");
            Text(Left - 8, Y(tick) + 4, Number(tick), "end");
        }
        Line($"<rect x=\"{Left}\" y=\"{Top}\" width=\"{Width - Left - Right}\" height=\"{Height - Top - Bottom}\" fill=\"none\" stroke=\"#888888\"/>");
        Text((Left + Width - Right) / 2, Height - 12, XName, "middle");
        Line($"<text x=\"18\" y=\"{(Top + Height - Bottom) / 2}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {(Top + Height - Bottom) / 2})\">{Escape(YName)}</text>");
        foreach (Curve curve in Curves)
        {
            string color = Color(Array.IndexOf(names, curve.Name));
            (double X, double Y)[] shown = [.. curve.Points.Where(Shown)];
            string path = string.Join(' ', shown.Select(p => Invariant($"{X(p.X):0.#},{Y(p.Y):0.#}")));
            Line($"<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>");
            if (shown.Length <= MostDots)
                foreach ((double x, double y) in shown) Line($"<circle cx=\"{X(x):0.#}\" cy=\"{Y(y):0.#}\" r=\"3\" fill=\"{color}\"/>");
        }
        for (int i = 0; i < names.Length; i++)
        {
            Line($"<line x1=\"{Width - Right + 14}\" y1=\"{Top + 10 + 20 * i}\" x2=\"{Width - Right + 32}\" y2=\"{Top + 10 + 20 * i}\" stroke=\"{Color(i)}\" stroke-width=\"3\"/>");
            Text(Width - Right + 38, Top + 14 + 20 * i, names[i], "start");
        }
        Line($"</svg>");
        return svg.ToString();

        double X(double x) => Left + At(x, x0, x1, LogX) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - At(y, y0, y1, LogY) * (Height - Top - Bottom);
        string Color(int name) => colors[name % colors.Length];
        void Line(FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
        void Text(double x, double y, string text, string anchor, int size = 13) => Line($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{Escape(text)}</text>");
    }

    static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    bool Shown((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y) && (!LogX || point.X > 0) && (!LogY || point.Y > 0);

    /// <summary>How far from one end of an axis to the other, 0 to 1.</summary>
    static double At(double value, double least, double most, bool log) => log ? Math.Log(value / least) / Math.Log(most / least) : (value - least) / (most - least);

    /// <summary>Some room on either side of a single number.</summary>
    static (double, double) Widen(double least, double most, bool log) => most > least ? (least, most) : log ? (least / 2, most * 2) : (least - 1, most + 1);

    /// <summary>Round numbers between two: multiples of 1, 2 or 5 times a power of ten, on an axis of powers that spans one or more 1, 2 and 5 times each power, or powers alone.</summary>
    static IEnumerable<double> Ticks(double least, double most, bool log)
    {
        if (log && most >= 10 * least)
        {
            double decades = Math.Log10(most / least), step = Math.Ceiling(decades / MostTicks);
            for (double power = Math.Floor(Math.Log10(least) / step) * step; power <= Math.Log10(most) + 1e-9; power += step)
                foreach (double digit in decades < MostTicks / 2 ? [1, 2, 5] : (double[])[1])
                    if (digit * Math.Pow(10, power) is double tick && tick >= least * (1 - 1e-9) && tick <= most * (1 + 1e-9)) yield return tick;
        }
        else
        {
            double rough = (most - least) / MostTicks, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
            double step = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
            for (long i = (long)Math.Ceiling(least / step - 1e-9); i * step <= most + 1e-9 * step; i++) yield return i * step;
        }
    }

    static string Number(double value) => value == 0 ? "0" : Math.Abs(value) is >= 1e-3 and < 1e7
        ? value.ToString("#,0.####", CultureInfo.InvariantCulture) : value.ToString("0.#e0", CultureInfo.InvariantCulture);

    static string Escape(string text) => text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;");
}
