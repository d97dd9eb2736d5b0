using System.CommandLine;
using System.Text;
using NeuralMemory.Checkpoints;
using NeuralMemory.Training;
using Spectre.Console;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory inspect FILE|DIR</c>: what a safetensors file holds.</summary>
static class InspectCommand
{
    const int MostMetadata = 2000;

    static readonly Argument<string?> path = Options.Path("path", "A safetensors file, or the folder of a run.");

    public static Command Create(Session session)
    {
        Command command = new("inspect", "Shows what a safetensors file holds: modules, shapes, types and counts.") { path };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        string given = parsed.GetValue(path)!;
        SafetensorsFile file = SafetensorsFile.Read(Directory.Exists(given) ? new RunFolder(given).CheckpointPath : given);

        session.Output.WriteLine($"{file.Source}: {Tensors(file.Entries.Count)}, {file.Entries.Sum(e => (long)e.Count):n0} elements, "
            + $"{file.Entries.Sum(e => (long)e.Bytes.Length):n0} bytes");
        if (file.Metadata.Count > 0) session.Console.Write(Metadata(file));
        if (file.Entries.Count > 0) session.Console.Write(Modules(file));
        return ExitCode.Done;
    }

    static Table Metadata(SafetensorsFile file)
    {
        Table table = new() { Border = TableBorder.None, ShowHeaders = false };
        table.AddColumn(new TableColumn("key").NoWrap()).AddColumn("value");
        foreach ((string key, string value) in file.Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            table.AddRow(new Text(Printable(key)), new Text(Printable(value)));
        return table;
    }

    /// <summary>Tensors under the module that they belong to: all of their name but its last part.</summary>
    static Table Modules(SafetensorsFile file)
    {
        Table table = new() { Border = TableBorder.Simple };
        table.AddColumn(new TableColumn("tensor").NoWrap()).AddColumn("type").AddColumn("shape").AddColumn(new TableColumn("elements").RightAligned());
        foreach (IGrouping<string, SafetensorsEntry> module in file.Entries.GroupBy(e => e.Name[..(e.Name.LastIndexOf('.') + 1)]).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            if (module.Key != "")
                table.AddRow(new Text(Printable(module.Key.TrimEnd('.')), new(decoration: Decoration.Bold)), new Text(""), new Text(Tensors(module.Count())), new Text($"{module.Sum(e => (long)e.Count):n0}"));
            foreach (SafetensorsEntry entry in module)
                table.AddRow(new Text((module.Key == "" ? "" : "  ") + Printable(entry.Name[module.Key.Length..])), new Text($"{entry.Type}"),
                    new Text(entry.Shape.IsEmpty ? "scalar" : string.Join(" x ", entry.Shape)), new Text($"{entry.Count:n0}"));
        }
        return table;
    }

    static string Tensors(int count) => count == 1 ? "1 tensor" : $"{count:n0} tensors";

    /// <summary>A file's text without what would move the cursor, and not too long.</summary>
    static string Printable(string text)
    {
        StringBuilder printable = new();
        foreach (char c in text.Length <= MostMetadata ? text : text[..MostMetadata] + "...")
            if (char.IsControl(c) || char.IsSurrogate(c)) printable.Append($"\\u{(int)c:x4}");
            else printable.Append(c);
        return printable.ToString();
    }
}
