using System.Globalization;
using System.Xml.Linq;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

public sealed class ChartTests
{
    static readonly XNamespace svg = "http://www.w3.org/2000/svg";

    static XElement Draw(Chart chart) => XElement.Parse(chart.ToSvg());

    static (double X, double Y)[][] Lines(XElement picture) =>
    [
        .. picture.Elements(svg + "polyline").Select(line => ((double, double)[])
            [.. line.Attribute("points")!.Value.Split(' ').Select(point => point.Split(',').Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray()).Select(p => (p[0], p[1]))]),
    ];

    [Test]
    public void A_power_is_a_straight_line_where_both_axes_count_powers_of_ten()
    {
        XElement picture = Draw(new("t", "x", "y", [new("square", [.. new[] { 1.0, 10, 100, 1000 }.Select(x => (x, x * x))])], LogY: true, LogX: true));
        (double X, double Y)[] line = Lines(picture)[0];
        for (int i = 1; i < 4; i++)
        {
            Assert.That(line[i].X - line[i - 1].X, Is.EqualTo(line[1].X - line[0].X).Within(.2));
            Assert.That(line[i].Y - line[i - 1].Y, Is.EqualTo(line[1].Y - line[0].Y).Within(.2).And.LessThan(0));
        }
        Assert.That(picture.Elements(svg + "text").Select(text => text.Value), Is.SupersetOf(new[] { "1", "10", "100", "1,000", "1,000,000" }));
    }

    [Test]
    public void Curves_of_one_name_share_a_colour_and_a_line_of_the_legend()
    {
        XElement picture = Draw(new("t", "x", "y", [new("a", [(0, 1), (1, 2)]), new("b", [(0, 2), (1, 3)]), new("a", [(0, 3), (1, 5)])]));
        string[] colours = [.. picture.Elements(svg + "polyline").Select(line => line.Attribute("stroke")!.Value)];
        Assert.That(colours[2], Is.EqualTo(colours[0]).And.Not.EqualTo(colours[1]));
        Assert.That(picture.Elements(svg + "text").Count(text => text.Value == "a"), Is.EqualTo(1));
    }

    [Test]
    public void What_cannot_be_drawn_is_left_out()
    {
        Assert.That(Lines(Draw(new("t", "x", "y", [new("a", [(1, 0), (2, 1), (3, double.NaN), (4, 10)])], LogY: true)))[0], Has.Length.EqualTo(2));
        Chart nothing = new("t", "x", "y", [new("a", [(1, 0), (2, -1)])], LogY: true);
        Assert.That(nothing.HasPoints, Is.False);
        Assert.That(nothing.ToSvg, Throws.InvalidOperationException);
        Assert.That((nothing with { LogY = false }).HasPoints);
    }

    [Test]
    public void Every_axis_has_numbers_whatever_it_spans([Values(false, true)] bool log, [Values(3, 5, 50, 5e3, 5e9)] double most)
    {
        XElement picture = Draw(new("t", "x", "y", [new("a", [(1.5, 1.5), (most, most)])], LogY: log, LogX: log));
        Assert.That(picture.Elements(svg + "text").Count(text => text.Attribute("text-anchor")!.Value == "end"), Is.InRange(2, 9));
    }
}
