namespace NeuralMemory.Tasks;

/// <summary>The words that a model knows, each with its number: words in the order of their characters, numbers from 0.</summary>
public sealed class WordList
{
    readonly string[] words;
    readonly Dictionary<string, int> numbers;

    /// <summary>A list of the given words, each of which may come several times.</summary>
    public WordList(IEnumerable<string> words)
    {
        this.words = [.. words.Distinct().Order(StringComparer.Ordinal)];
        numbers = this.words.Index().ToDictionary(w => w.Item, w => w.Index);
    }

    /// <summary>How many words there are.</summary>
    public int Count => words.Length;

    /// <summary>All words, by number.</summary>
    public IReadOnlyList<string> Words => words;

    /// <summary>The number of a word.</summary>
    /// <param name="word">In lower case.</param>
    /// <param name="where">Where the word stands, for the error.</param>
    /// <exception cref="InvalidDataException">The word is not among those known.</exception>
    public int Number(string word, string where)
    {
        if (numbers.TryGetValue(word, out int number)) return number;
        string near = string.Join(", ", words.OrderBy(known => Distance(known, word)).Take(3));
        throw new InvalidDataException($"{where}: the word '{word}' was never seen in training; one of the {Count} known words was expected, such as {near}.");
    }

    /// <summary>The fewest letters to insert, delete or replace to get from one word to the other (Levenshtein 1966).</summary>
    static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            (int diagonal, row[0]) = (row[0], i);
            for (int j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(diagonal + (a[i - 1] == b[j - 1] ? 0 : 1), Math.Min(row[j], row[j - 1]) + 1));
        }
        return row[^1];
    }

    /// <summary>The numbers of several words.</summary>
    /// <inheritdoc cref="Number"/>
    public int[] Numbers(string[] sentence, string where) => [.. sentence.Select(word => Number(word, where))];
}
