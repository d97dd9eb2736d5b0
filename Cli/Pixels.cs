using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace NeuralMemory.Cli;

/// <summary>Draws a matrix of numbers from 0 to 1 as coloured cells, two above each other in a character; as shades where there are no colours.</summary>
static class Pixels
{
    const string Shades = " ░▒▓█";
    const int Levels = 32;

    /// <summary>What is added to a number that is to be shown as wrong.</summary>
    public const float Wrong = 2;

    public static readonly Color[] Bits = Ramp((26, 32, 54), (92, 112, 152), (240, 226, 172));
    public static readonly Color[] Weights = Ramp((18, 16, 32), (96, 24, 110), (196, 62, 76), (248, 154, 40), (252, 246, 176));
    static readonly Color[] wrongs = Ramp((104, 14, 28), (255, 84, 84));

    /// <summary>The matrix, [row, column], stretched to a number of pixels; where several numbers share a pixel, the greatest is shown.</summary>
    /// <returns>Lines, half as many as pixels from top to bottom.</returns>
    public static List<List<Segment>> Draw(float[,] values, int wide, int high, Color[] ramp, bool colors)
    {
        List<List<Segment>> lines = [];
        StringBuilder run = new();
        for (int y = 0; y < high; y += 2)
        {
            List<Segment> line = [];
            Style style = Style.Plain;
            for (int x = 0; x < wide; x++)
            {
                float top = Pixel(values, x, y, wide, high), bottom = y + 1 < high ? Pixel(values, x, y + 1, wide, high) : 0;
                Style next = colors ? new Style(Of(ramp, top), Of(ramp, bottom)) : Style.Plain;
                if (run.Length > 0 && !next.Equals(style)) Flush(line, style);
                style = next;
                run.Append(colors ? '▀' : Shades[(int)Math.Round((Shades.Length - 1) * Math.Clamp((top % Wrong + bottom % Wrong) / 2, 0, 1))]);
            }
            Flush(line, style);
            lines.Add(line);
        }
        return lines;

        void Flush(List<Segment> line, Style style)
        {
            if (run.Length > 0) line.Add(new(run.ToString(), style));
            run.Clear();
        }
    }

    static float Pixel(float[,] values, int x, int y, int wide, int high)
    {
        (int left, int right) = Covered(x, wide, values.GetLength(1));
        (int top, int bottom) = Covered(y, high, values.GetLength(0));
        float most = 0;
        for (int row = top; row < bottom; row++)
            for (int column = left; column < right; column++) most = Math.Max(most, values[row, column]);
        return most;
    }

    /// <summary>The cells that a pixel stands for: one of several that show the same cell, or one for several cells.</summary>
    static (int Start, int End) Covered(int pixel, int pixels, int cells)
    {
        int start = (int)((long)pixel * cells / pixels);
        return (start, Math.Max(start + 1, (int)((long)(pixel + 1) * cells / pixels)));
    }

    static Color Of(Color[] ramp, float value)
    {
        if (value >= Wrong) (ramp, value) = (wrongs, value - Wrong);
        return ramp[(int)Math.Round((Levels - 1) * Math.Clamp(value, 0, 1))];
    }

    /// <summary>Few enough colours that neighbours share one, and a frame stays small.</summary>
    static Color[] Ramp(params (int R, int G, int B)[] anchors)
    {
        Color[] ramp = new Color[Levels];
        for (int i = 0; i < Levels; i++)
        {
            double at = (double)i / (Levels - 1) * (anchors.Length - 1);
            int low = Math.Min((int)at, anchors.Length - 2);
            (int r, int g, int b) = anchors[low];
            (int r1, int g1, int b1) = anchors[low + 1];
            byte Mix(int from, int to) => (byte)Math.Round(from + (at - low) * (to - from));
            ramp[i] = new(Mix(r, r1), Mix(g, g1), Mix(b, b1));
        }
        return ramp;
    }
}
