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
    public void Show(Session session)
    {
        Table table = new() { Border = session.IsTerminal ? TableBorder.Rounded : TableBorder.Simple, Title = new(Title) };
        foreach (string column in Columns) table.AddColumn(new TableColumn(column).RightAligned());
        foreach (string[] row in Rows) table.AddRow([.. row.Select(text => new Text(text))]);
        session.Console.Write(table);
    }

    /// <summary>The same table for a file.</summary>
    public string ToMarkdown() => $"{Title}\n\n{Line(Columns)}{Line([.. Columns.Select(_ => "---:")])}{string.Concat(Rows.Select(Line))}";

    static string Line(string[] cells) => $"| {string.Join(" | ", cells)} |\n";
}
