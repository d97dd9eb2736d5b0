using System.Text.Json;
using Spectre.Console;

namespace NeuralMemory.Cli;

/// <summary>What a model is worth: a table for people, and the same for programs.</summary>
/// <param name="Title">Above the table.</param>
/// <param name="Columns">Their heads.</param>
/// <param name="Rows">A text for each column.</param>
/// <param name="Json">Writes the properties of an object that has begun.</param>
sealed record Report(string Title, string[] Columns, IReadOnlyList<string[]> Rows, Action<Utf8JsonWriter> Json)
{
    /// <summary>Null where the task has no lengths.</summary>
    public ByLength? ByLength { get; init; }

    public void Show(Session session) => Show(session, Title, Columns, Rows);

    /// <summary>Texts are shown as they are: a path with brackets is no markup.</summary>
    public static void Show(Session session, string title, string[] columns, IEnumerable<string[]> rows)
    {
        Table table = new() { Border = session.IsTerminal ? TableBorder.Rounded : TableBorder.Simple, Title = new(title.EscapeMarkup()) };
        foreach (string column in columns) table.AddColumn(new TableColumn(new Text(column)).RightAligned());
        foreach (string[] row in rows) table.AddRow([.. row.Select(text => new Text(text))]);
        session.Console.Write(table);
    }

    /// <summary>The properties of a single result, or of several as an array <c>results</c>.</summary>
    public static void Each<T>(Utf8JsonWriter json, IReadOnlyList<T> results, Action<T> write)
    {
        if (results.Count > 1) json.WriteStartArray("results");
        foreach (T result in results)
        {
            if (results.Count > 1) json.WriteStartObject();
            write(result);
            if (results.Count > 1) json.WriteEndObject();
        }
        if (results.Count > 1) json.WriteEndArray();
    }

    /// <summary>The same table for a file.</summary>
    public string ToMarkdown() => $"{Title}\n\n{Line(Columns)}{Line([.. Columns.Select(_ => "---:")])}{string.Concat(Rows.Select(Line))}";

    static string Line(string[] cells) => $"| {string.Join(" | ", cells)} |\n";
}

/// <summary>One number for each length that a model was tested on, by which it can be compared with others.</summary>
/// <param name="Measure">What the number is.</param>
/// <param name="Text">How it is written.</param>
/// <param name="Points">In the order of the test.</param>
sealed record ByLength(string Measure, Func<double, string> Text, IReadOnlyList<(int Length, double Value)> Points);
