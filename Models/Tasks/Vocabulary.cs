using System.Text;

namespace NeuralMemory.Tasks;

/// <summary>The characters that a model knows, numbered in the order of their code points.</summary>
public sealed class Vocabulary
{
    readonly Rune[] characters;
    readonly Dictionary<Rune, int> numbers = [];

    /// <summary>A vocabulary of all characters of a text, each once.</summary>
    /// <exception cref="ArgumentException">There are none, or more than 65,536.</exception>
    public Vocabulary(IEnumerable<Rune> text)
    {
        characters = [.. text.Distinct().Order()];
        if (characters.Length is 0 or > ushort.MaxValue + 1) throw new ArgumentException($"Vocabulary: {characters.Length} different characters; 1 to {ushort.MaxValue + 1} were expected.", nameof(text));
        for (int i = 0; i < characters.Length; i++) numbers[characters[i]] = i;
    }

    /// <summary>How many there are.</summary>
    public int Count => characters.Length;

    /// <summary>The character of that number.</summary>
    public Rune this[int number] => characters[number];

    /// <summary>The number of a character; null where the vocabulary has it not.</summary>
    public int? Find(Rune character) => numbers.TryGetValue(character, out int number) ? number : null;

    /// <summary>The numbers of a text's characters.</summary>
    /// <exception cref="FormatException">A character is not in the vocabulary; the message names the first and where it stands.</exception>
    public int[] Encode(string text)
    {
        List<int> encoded = [];
        foreach (Rune character in text.EnumerateRunes())
            encoded.Add(Find(character) ?? throw new FormatException($"character {encoded.Count + 1}, {Show(character)}, is none of the {Count} characters that the model knows."));
        return [.. encoded];
    }

    /// <summary>All characters in their order.</summary>
    public override string ToString() => string.Concat(characters);

    /// <summary>A character for a message: itself where it can be seen, and its code point.</summary>
    public static string Show(Rune character) => Rune.IsControl(character) || Rune.IsWhiteSpace(character) ? $"U+{character.Value:X4}" : $"'{character}' (U+{character.Value:X4})";
}
