using System.Globalization;
using System.Text;

namespace NeuralMemory.Tasks;

/// <summary>
/// Reads files in the format of the bAbI tasks (Weston et al. 2015, arXiv:1502.05698): a line is a number and a sentence, or a number, a question, its answer and the numbers of
/// the lines that it follows from, these three parted by tabs. A story begins where the number is 1.
/// <code>
/// 1 Mary moved to the bathroom.
/// 2 John went to the hallway.
/// 3 Where is Mary?    bathroom    1
/// </code>
/// </summary>
public static class BabiFile
{
    /// <summary>All questions of a file, in order.</summary>
    /// <exception cref="TextFileException">It is missing, empty, not UTF-8, or a line is not as described; the message names file and line, or the offset.</exception>
    public static List<BabiQuestion> Read(string path) => Parse(Lines(path), path);

    /// <summary>All questions of the lines of a file.</summary>
    /// <param name="lines">The lines.</param>
    /// <param name="source">The file's name, for errors.</param>
    /// <inheritdoc cref="Read"/>
    public static List<BabiQuestion> Parse(IReadOnlyList<string> lines, string source)
    {
        List<BabiQuestion> questions = [];
        List<string[]> story = [];
        Dictionary<int, int> sentences = [];                                           // from a line's number to the sentence's place in the story
        for (int i = 0, last = 0; i < lines.Count; i++)
        {
            string where = $"{source}: line {i + 1}";
            string[] parts = lines[i].Split('\t');
            int space = parts[0].IndexOf(' ');
            if (!TryNumber(space < 0 ? parts[0] : parts[0][..space], out int number))
                throw new TextFileException($"{where}: '{Short(lines[i])}' does not begin with a number; a number, a space and a sentence were expected.");
            if (number == 1)
            {
                story.Clear();
                sentences.Clear();
            }
            else if (number != last + 1)
                throw new TextFileException($"{where}: its number is {number}; {(last == 0 ? "1" : $"{last + 1}, or 1 for a new story,")} was expected.");
            last = number;
            string[] words = space < 0 ? [] : Words(parts[0][space..]);
            if (words.Length == 0) throw new TextFileException($"{where}: there are no words after the number {number}; a sentence or a question was expected.");
            if (parts.Length == 1)
            {
                sentences[number] = story.Count;
                story.Add(words);
                continue;
            }
            string answer = parts[1].Trim().ToLowerInvariant();
            if (answer.Length == 0) throw new TextFileException($"{where}: the question has no answer; one word was expected after the tab.");
            if (answer.Contains(' ')) throw new TextFileException($"{where}: the answer is '{Short(answer)}'; one word, or several joined by commas, was expected.");
            if (parts.Length != 3) throw new TextFileException($"{where}: {parts.Length - 1} tabs; two were expected: question, answer, numbers of the lines it follows from.");
            questions.Add(new([.. story], words, answer, [.. parts[2].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Fact)]));

            int Fact(string fact) => TryNumber(fact, out int line) && sentences.TryGetValue(line, out int place) ? place
                : throw new TextFileException($"{where}: the answer follows from line '{Short(fact)}'; the number of an earlier sentence of this story was expected.");
        }
        if (questions.Count == 0) throw new TextFileException($"{source}: there is no question; a line with a question, a tab and its answer was expected.");
        return questions;
    }

    /// <summary>The sentences of a story without questions, one on a line; numbers before them may be left out.</summary>
    /// <exception cref="TextFileException">It is missing, empty, not UTF-8, or a line has a tab or no words.</exception>
    public static string[][] ReadStory(string path)
    {
        return [.. Lines(path).Select(Sentence)];

        string[] Sentence(string line, int i)
        {
            if (line.Contains('\t')) throw new TextFileException($"{path}: line {i + 1} has a tab; a sentence was expected, and no question.");
            string[] words = Words(line);
            if (words.Length > 0 && TryNumber(words[0], out _)) words = words[1..];
            return words.Length > 0 ? words : throw new TextFileException($"{path}: line {i + 1} has no words; a sentence was expected.");
        }
    }

    /// <summary>The lines of a file, without their ends.</summary>
    static string[] Lines(string path)
    {
        StringBuilder text = new();
        foreach (Rune character in TextFile.Characters(path)) text.Append(character);
        if (text.Length == 0) throw new TextFileException($"{path}: the file is empty; sentences were expected.");
        string[] lines = text.ToString().Split('\n');
        return [.. (lines[^1].Length == 0 ? lines[..^1] : lines).Select(line => line.TrimEnd('\r'))];
    }

    /// <summary>The words of a sentence: in lower case, without what ends it.</summary>
    public static string[] Words(string sentence) =>
        [.. sentence.ToLowerInvariant().Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.TrimEnd('.', '?', '!', ',')).Where(word => word.Length > 0)];

    static bool TryNumber(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number > 0;

    static string Short(string text) => text.Length <= 40 ? text : text[..37] + "...";
}
