using System.Globalization;
using System.Text;

namespace NeuralMemory.Cli;

/// <summary>A line of a chart.</summary>
/// <param name="Name">For the legend.</param>
/// <param name="Points">From left to right.</param>
sealed record Curve(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Curves over one axis, as an SVG picture that a browser or a page of documentation shows as it is.</summary>
/// <param name="Title">Above the picture.</param>
/// <param name="XName">Below the horizontal axis.</param>
/// <param name="YName">Beside the vertical axis.</param>
/// <param name="Curves">At least one, with at least one point.</param>
/// <param name="Logarithmic">Whether the vertical axis counts powers of ten; numbers not above 0 are left out.</param>
sealed record Chart(string Title, string XName, string YName, IReadOnlyList<Curve> Curves, bool Logarithmic)
{
    const int Width = 900, Height = 400, Left = 72, Right = 220, Top = 40, Bottom = 52, MostTicks = 6;

    static readonly string[] colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];

    /// <summary>The picture.</summary>
    public string ToSvg()
    {
        (double X, double Y)[] points = [.. Curves.SelectMany(curve => curve.Points).Where(Shown)];
        (double x0, double x1) = Widen(points.Min(p => p.X), points.Max(p => p.X));
        (double y0, double y1) = Widen(points.Min(p => Scale(p.Y)), points.Max(p => Scale(p.Y)));
        StringBuilder svg = new();
        Line($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"13\">");
        Line($"<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>");
        Text((Left + Width - Right) / 2, 24, Title, "middle", size: 15);
        foreach (double tick in Ticks(x0, x1))
        {
            Line($"<line x1=\"{X(tick):0.#}\" y1=\"{Top}\" x2=\"{X(tick):0.#}\" y2=\"{Height - Bottom}\" stroke=\"#e4e4e4\"/>");
            Text(X(tick), Height - Bottom + 18, Number(tick), "middle");
        }
        foreach (double tick in Ticks(y0, y1))
        {
            Line($"<line x1=\"{Left}\" y1=\"{Y(tick):0.#}\" x2=\"{Width - Right}\" y2=\"{Y(tick):0.#}\" stroke=\"#e4e4e4\"/>");
            Text(Left - 8, Y(tick) + 4, Number(Logarithmic ? Math.Pow(10, tick) : tick), "end");
        }
        Line($"<rect x=\"{Left}\" y=\"{Top}\" width=\"{Width - Left - Right}\" height=\"{Height - Top - Bottom}\" fill=\"none\" stroke=\"#888888\"/>");
        Text((Left + Width - Right) / 2, Height - 12, XName, "middle");
        Line($"<text x=\"18\" y=\"{(Top + Height - Bottom) / 2}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {(Top + Height - Bottom) / 2})\">{Escape(YName)}</text>");
        for (int i = 0; i < Curves.Count; i++)
        {
            string color = colors[i % colors.Length];
            string path = string.Join(' ', Curves[i].Points.Where(Shown).Select(p => Invariant($"{X(p.X):0.#},{Y(Scale(p.Y)):0.#}")));
            Line($"<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>");
            Line($"<line x1=\"{Width - Right + 14}\" y1=\"{Top + 10 + 20 * i}\" x2=\"{Width - Right + 32}\" y2=\"{Top + 10 + 20 * i}\" stroke=\"{color}\" stroke-width=\"3\"/>");
            Text(Width - Right + 38, Top + 14 + 20 * i, Curves[i].Name, "start");
        }
        Line($"</svg>");
        return svg.ToString();

        double X(double x) => Left + (x - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - (y - y0) / (y1 - y0) * (Height - Top - Bottom);
        void Line(FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
        void Text(double x, double y, string text, string anchor, int size = 13) => Line($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{Escape(text)}</text>");
    }

    static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    bool Shown((double X, double Y) point) => double.IsFinite(point.Y) && (!Logarithmic || point.Y > 0);

    double Scale(double y) => Logarithmic ? Math.Log10(y) : y;

    /// <summary>Some room on either side of a single number.</summary>
    static (double, double) Widen(double least, double most) => most > least ? (least, most) : (least - 1, most + 1);

    /// <summary>Round numbers between two: multiples of 1, 2 or 5 times a power of ten.</summary>
    static IEnumerable<double> Ticks(double least, double most)
    {
        double rough = (most - least) / MostTicks, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double step = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
        for (long i = (long)Math.Ceiling(least / step - 1e-9); i * step <= most + 1e-9 * step; i++) yield return i * step;
    }

    static string Number(double value) => value == 0 ? "0" : Math.Abs(value) is >= 1e-3 and < 1e7
        ? value.ToString("#,0.####", CultureInfo.InvariantCulture) : value.ToString("0.#e0", CultureInfo.InvariantCulture);

    static string Escape(string text) => text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;");
}
