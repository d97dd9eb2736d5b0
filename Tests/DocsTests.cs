using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace NeuralMemory.Tests;

/// <summary>The pages of the models quote the source: each line of C# that follows a file's name stands in that file, and each picture exists.</summary>
public sealed partial class DocsTests
{
    static string Root([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, ".."));

    static IEnumerable<string> Pages => Directory.EnumerateFiles(Path.Combine(Root(), "docs"), "*.md").Select(path => Path.GetFileName(path));

    [GeneratedRegex(@"^`(?<file>(Models|Kernels)/[\w/]+\.cs)`[^\n]*\n+```csharp\n(?<code>.*?)```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Quoted { get; }

    [GeneratedRegex(@"!\[[^\]]*\]\((?<path>[^)]+)\)")]
    private static partial Regex Pictured { get; }

    [TestCaseSource(nameof(Pages))]
    public void What_a_page_quotes_is_in_the_source(string page)
    {
        string text = File.ReadAllText(Path.Combine(Root(), "docs", page));
        foreach (Match quoted in Quoted.Matches(text))
        {
            HashSet<string> source = [.. File.ReadLines(Path.Combine(Root(), quoted.Groups["file"].Value)).Select(line => line.Trim())];
            foreach (string line in quoted.Groups["code"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                Assert.That(source, Does.Contain(line), $"{page}: {quoted.Groups["file"].Value}");
        }
        foreach (Match picture in Pictured.Matches(text)) Assert.That(Path.Combine(Root(), "docs", picture.Groups["path"].Value), Does.Exist, page);
    }
}
