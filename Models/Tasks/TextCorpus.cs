using System.Text;

namespace NeuralMemory.Tasks;

/// <summary>A text as numbers of its characters, two bytes each: the first nine tenths to train on, the last to test on.</summary>
public sealed class TextCorpus
{
    readonly ushort[] tokens;

    TextCorpus(string path, Vocabulary vocabulary, ushort[] tokens, long validationStart) =>
        (Path, Vocabulary, this.tokens, ValidationStart) = (path, vocabulary, tokens, (int)validationStart);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Its characters.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>How many characters it has.</summary>
    public int Length => tokens.Length;

    /// <summary>The first character that is only tested on.</summary>
    public int ValidationStart { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">A UTF-8 text.</param>
    /// <param name="vocabulary">The characters that it may have; null for those it has.</param>
    /// <param name="window">The characters that a model is shown at once: each part must have more.</param>
    /// <param name="validationShare">The share of the text, its last, that is only tested on.</param>
    /// <exception cref="TextFileException">The file is missing, empty, not UTF-8, too short or too long, or has a character that the vocabulary has not.</exception>
    public static TextCorpus Read(string path, Vocabulary? vocabulary = null, int window = 1, double validationShare = 0.1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(window, 1);
        Dictionary<Rune, ushort> numbers = [];                                              // in the order in which the characters turn up
        List<ushort> text = [];
        foreach (Rune character in TextFile.Characters(path))
        {
            if (text.Count == Array.MaxLength) throw new TextFileException($"{path}: the text has more than the {Array.MaxLength} characters that fit into memory at once.");
            if (!numbers.TryGetValue(character, out ushort number))
            {
                if (numbers.Count > ushort.MaxValue) throw new TextFileException($"{path}: the text has more than {ushort.MaxValue + 1} different characters.");
                numbers.Add(character, number = (ushort)numbers.Count);
            }
            text.Add(number);
        }
        int count = text.Count;
        if (count == 0) throw new TextFileException($"{path}: the file is empty; a text was expected.");
        long start = count - (long)(count * validationShare);
        if (validationShare < 1 && start <= window || validationShare > 0 && count - start <= window)
            throw new TextFileException($"{path}: {count} characters are too few: {start} to train on and {count - start} to test on, and each part must have more than the {window} that the model sees at once.");
        vocabulary ??= new(numbers.Keys);
        ushort[] known = new ushort[numbers.Count];                                         // their numbers in the vocabulary
        foreach ((Rune character, ushort number) in numbers)
            known[number] = (ushort)(vocabulary.Find(character)
                ?? throw new TextFileException($"{path}: character {text.IndexOf(number) + 1}, {Vocabulary.Show(character)}, is none of the {vocabulary.Count} characters that the model knows."));
        ushort[] tokens = new ushort[count];
        for (int i = 0; i < count; i++) tokens[i] = known[text[i]];
        return new(path, vocabulary, tokens, start);
    }

    /// <summary>Copies characters, as numbers, from one position on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They reach beyond the text.</exception>
    public void Copy(int start, Span<int> into)
    {
        if (start < 0 || start > tokens.Length - into.Length) throw new ArgumentOutOfRangeException(nameof(start), start, $"{into.Length} characters from there on are not within the {tokens.Length}.");
        for (int i = 0; i < into.Length; i++) into[i] = tokens[start + i];
    }
}
