using NeuralMemory.Training;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace NeuralMemory.Cli;

/// <summary>One picture of the live view, laid out for the terminal's size: heading, progress, cost, and below them the sample beside what the memory did.</summary>
sealed class Frame(LiveView view, Snapshot? sample, IReadOnlyList<Picture> shown, int height) : Renderable
{
    const int HeadLines = 4, FreeLines = 2, Gap = 2, FewestRows = 4, MostRows = 12, FewestColumns = 36, CaptionWidth = 26, FewestWidth = 60;
    /// <summary>A slot with more than a quarter of a head's attention, of which a <see cref="Picture"/> holds the root.</summary>
    const float Focused = .5f;

    const string Sparks = "▁▂▃▄▅▆▇█";

    static readonly Style faint = new(Color.Grey), strong = new(decoration: Decoration.Bold), accent = new(Color.DarkOrange);

    protected override IEnumerable<Segment> Render(RenderOptions options, int width)
    {
        List<List<Segment>> lines = [[new(view.Heading.Length <= width ? view.Heading : view.ShortHeading, faint)], Bar(width), Numbers(width)];
        // Target and output with two pictures, and below them two by two what more there is, where all of it fits.
        int bands = sample is null ? 2 : Math.Max(2, 1 + (sample.Memory.Count + 1) / 2), rows = Rows(bands);
        if (rows < FewestRows) (bands, rows) = (2, Rows(2));
        if (sample is not null && rows >= FewestRows && width >= FewestWidth)
        {
            lines.Add([]);
            lines.AddRange(Pictures(sample, width, bands, rows, options.ColorSystem != ColorSystem.NoColors));
        }
        else if (shown.Count > 0 && height - HeadLines - FreeLines >= FewestRows && width >= FewestWidth)
        {
            lines.Add([]);
            lines.AddRange(Pictures(width, options.ColorSystem != ColorSystem.NoColors));
        }
        foreach (List<Segment> line in lines)
        {
            foreach (Segment segment in Segment.Truncate(line, width)) yield return segment;
            yield return Segment.LineBreak;
        }

        int Rows(int bands) => Math.Min(MostRows, (height - HeadLines - FreeLines) / bands - 1);
    }

    List<Segment> Bar(int width)
    {
        double share = Math.Min(1, (double)view.Done / view.Total);
        string numbers = $"  {view.Done:n0} / {view.Total:n0}  {(int)(100 * share),3}%  {view.Left} left";
        int cells = Math.Max(0, width - numbers.Length), full = (int)(cells * share);
        return [new(new string('━', full), accent), new(new string('─', cells - full), faint), new(numbers)];
    }

    List<Segment> Numbers(int width)
    {
        string cost = view.Costs.Length > 0 ? Progress.Bits(view.Costs[^1]) : "-";
        List<Segment> line = [new("cost "), new($"{cost,6} {view.CostUnit}", strong), new($"  {view.Rate:n0} sequences/s  ")];
        int room = width - Segment.CellCount(line), count = Math.Min(room, view.Costs.Length);
        if (count < 2) return line;
        // The greatest cost of those that share a column; the whole run, from left to right.
        double[] columns = [.. Enumerable.Range(0, count).Select(i => view.Costs[(i * view.Costs.Length / count)..((i + 1) * view.Costs.Length / count)].Max())];
        double most = Math.Max(columns.Max(), 1e-9);
        line.Add(new(string.Concat(columns.Select(c => Sparks[(int)Math.Min(Sparks.Length - 1, Sparks.Length * c / most)])), accent));
        return line;
    }

    List<List<Segment>> Pictures(Snapshot sample, int width, int bands, int rows, bool colors)
    {
        int bits = sample.Target.GetLength(0), steps = sample.Target.GetLength(1), pixels = 2 * rows;
        int room = sample.Memory.Count == 0 ? width : Math.Max((width - Gap) / 2, width - Gap - Math.Min(view.MostSteps, FewestColumns));
        int scale = Math.Clamp(Math.Min(pixels / bits, room / Math.Max(1, view.MostOutputSteps)), 1, 4), down = Math.Max(1, Math.Min(pixels / bits, 2 * scale));
        int shown = Math.Min(steps, room / scale), left = Math.Min(room, Math.Max(CaptionWidth, view.MostOutputSteps * scale)), right = width - left - Gap;
        string part = shown < steps ? $", first {shown} of {steps} steps" : "";

        List<List<Segment>> target = Draw(First(sample.Target, shown), shown * scale, down * bits, Pixels.Bits, $"target, length {sample.Length}{part}", left, rows, colors);
        List<List<Segment>> output = Draw(First(sample.Output, shown), shown * scale, down * bits, Pixels.Bits, $"output, {sample.WrongBits} of {bits * steps} wrong", left, rows, colors);
        if (sample.Memory.Count == 0) return [.. target, .. output];

        (int first, int count) = Window(sample.Memory, pixels);
        List<List<Segment>> lines = [.. Beside(target, Memory(0, right), left), .. Beside(output, Memory(1, right), left)];
        for (int band = 2; band < bands; band++) lines.AddRange(Beside(Memory(2 * band - 2, left), Memory(2 * band - 1, right), left));
        return lines;

        // Slots at the window's rows, every picture of them over the same steps; anything else stretched evenly.
        List<List<Segment>> Memory(int i, int wide)
        {
            if (i >= sample.Memory.Count) return Draw(new float[0, 0], 0, 0, Pixels.Weights, "", wide, rows, colors);
            Picture picture = sample.Memory[i];
            int high = picture.Values.GetLength(0), columns = picture.Values.GetLength(1), across = columns <= wide ? columns * Math.Clamp(wide / Math.Max(1, view.MostSteps), 1, 2) : wide;
            return picture.IsRing
                ? Draw(Rows(picture.Values, first, count), across, pixels, Pixels.Weights, $"{picture.Caption}, slots {first + 1} to {(first + count - 1) % high + 1} of {high}", wide, rows, colors)
                : Draw(picture.Values, Math.Min(across, 2 * pixels), pixels, Pixels.Weights, picture.Caption, wide, rows, colors);
        }
    }

    /// <summary>What a model attends to, two side by side, as many as there is room for; each number a pixel at least where that fits.</summary>
    List<List<Segment>> Pictures(int width, bool colors)
    {
        List<List<Segment>> lines = [];
        int wide = (width - Gap) / 2, room = height - HeadLines - FreeLines, most = Math.Clamp(room / ((shown.Count + 1) / 2) - 1, FewestRows, MostRows);
        for (int i = 0; i < shown.Count; i += 2)
        {
            int rows = Math.Min(most, Math.Max(Rows(shown[i]), i + 1 < shown.Count ? Rows(shown[i + 1]) : 0));
            if (lines.Count + rows + 1 > room) break;
            List<List<Segment>> left = One(shown[i], rows);
            lines.AddRange(i + 1 < shown.Count ? Beside(left, One(shown[i + 1], rows), wide) : left);
        }
        return lines;

        static int Rows(Picture picture) => (picture.Values.GetLength(0) + 1) / 2;

        List<List<Segment>> One(Picture picture, int rows)
        {
            int high = picture.Values.GetLength(0), columns = picture.Values.GetLength(1), scale = Math.Clamp(Math.Min(2 * rows / Math.Max(1, high), wide / Math.Max(1, columns)), 1, 4);
            return Draw(picture.Values, Math.Min(wide, columns * scale), Math.Min(2 * rows, high * scale), Pixels.Weights, picture.Caption, wide, rows, colors);
        }
    }

    /// <summary>A picture under its caption, with as many lines whatever it shows.</summary>
    static List<List<Segment>> Draw(float[,] values, int wide, int high, Color[] ramp, string caption, int width, int rows, bool colors)
    {
        List<List<Segment>> lines = [Segment.Truncate([new Segment(caption, faint)], width), .. Pixels.Draw(values, wide, high, ramp, colors)];
        while (lines.Count <= rows) lines.Add([]);
        return lines;
    }

    static IEnumerable<List<Segment>> Beside(List<List<Segment>> left, List<List<Segment>> right, int width)
    {
        for (int i = 0; i < left.Count; i++)
            yield return [.. left[i], Segment.Padding(Math.Max(0, width + Gap - Segment.CellCount(left[i]))), .. right[i]];
    }

    /// <summary>The shortest stretch of the ring of slots that holds all that is looked at or used in earnest, a slot a pixel at least; the whole ring before any is.</summary>
    static (int First, int Count) Window(IReadOnlyList<Picture> memory, int least)
    {
        float[][,] rings = [.. memory.Where(picture => picture.IsRing).Select(picture => picture.Values)];
        int slots = rings.Length == 0 ? 0 : rings[0].GetLength(0);
        int[] seen = [.. Enumerable.Range(0, slots).Where(i => rings.Any(looks => Enumerable.Range(0, looks.GetLength(1)).Any(t => looks[i, t] > Focused)))];
        if (seen.Length == 0) return (0, slots);
        // It begins after the longest gap.
        int begin = Enumerable.Range(0, seen.Length).MaxBy(i => Ring(seen[i] - seen[(i + seen.Length - 1) % seen.Length] - 1));
        int count = Ring(seen[(begin + seen.Length - 1) % seen.Length] - seen[begin]) + 1, wider = Math.Max(count, Math.Min(least, slots));
        return (Ring(seen[begin] - (wider - count) / 2), wider);

        int Ring(int slot) => (slot % slots + slots) % slots;
    }

    static float[,] First(float[,] values, int columns)
    {
        float[,] first = new float[values.GetLength(0), columns];
        for (int row = 0; row < values.GetLength(0); row++)
            for (int column = 0; column < columns; column++) first[row, column] = values[row, column];
        return first;
    }

    /// <summary>Rows of a ring of rows.</summary>
    static float[,] Rows(float[,] values, int first, int count)
    {
        int columns = values.GetLength(1);
        float[,] rows = new float[count, columns];
        for (int row = 0; row < count; row++) Array.Copy(values, (first + row) % values.GetLength(0) * columns, rows, row * columns, columns);
        return rows;
    }
}
