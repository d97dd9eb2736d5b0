using System.Text;
using NeuralMemory.Tasks;
using NeuralMemory.Tests.Checkpoints;

namespace NeuralMemory.Tests.Models.Tasks;

public sealed class TextTests
{
    Scratch scratch = null!;

    [SetUp]
    public void Make() => scratch = new();

    [TearDown]
    public void Delete() => scratch.Dispose();

    string Write(params byte[] bytes)
    {
        File.WriteAllBytes(scratch["text"], bytes);
        return scratch["text"];
    }

    string Write(string text) => Write(Encoding.UTF8.GetBytes(text));

    static string Read(string path) => string.Concat(TextFile.Characters(path));

    /// <summary>Characters of one to four bytes that lie across the borders of the pieces that are read, at every shift.</summary>
    [TestCase("a")]
    [TestCase("ß")]
    [TestCase("字")]
    [TestCase("😀")]
    public void A_text_longer_than_a_piece_is_read_whole(string character)
    {
        for (int shift = 0; shift < 4; shift++)
        {
            string text = new string('.', shift) + string.Concat(Enumerable.Repeat(character, (1 << 17) / Encoding.UTF8.GetByteCount(character)));
            Assert.That(Read(Write(text)), Is.EqualTo(text));
        }
    }

    [Test]
    public void A_byte_order_mark_is_no_character()
    {
        Assert.That(Read(Write([0xEF, 0xBB, 0xBF, (byte)'a'])), Is.EqualTo("a"));
        Assert.That(Read(Write([(byte)'a', 0xEF, 0xBB, 0xBF])), Is.EqualTo("a\uFEFF"), "within the text it is one");
        Assert.That(Read(Write([])), Is.Empty);
    }

    static IEnumerable<TestCaseData> NotUtf8()
    {
        byte[] before = [.. Enumerable.Repeat((byte)'x', 70_000)];
        foreach ((string name, byte[] bytes) in ((string, byte[])[])
            [
                ("Latin-1", [0xE9, (byte)'t']), ("a byte that never is", [0xFF]), ("a continuation without a beginning", [0x80]), ("a surrogate", [0xED, 0xA0, 0x80]), ("longer than it need be", [0xC0, 0x80]),
                ("cut short by another", [0xE5, 0xAD, (byte)'a']), ("cut short by the end", [0xE5, 0xAD]), ("beyond Unicode", [0xF4, 0x90, 0x80, 0x80]),
            ])
            foreach (int offset in (int[])[0, 5, 65_535, 65_536, 70_000])
                yield return new TestCaseData(before[..offset], bytes).SetArgDisplayNames($"{name} at {offset}");
    }

    [TestCaseSource(nameof(NotUtf8))]
    public void What_is_not_UTF_8_is_refused_with_its_offset(byte[] before, byte[] bytes)
    {
        string path = Write([.. before, .. bytes]);
        Assert.That(() => Read(path), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{path}: byte {before.Length} (0x{bytes[0]:X2}) is not part of UTF-8 text."));
    }

    [Test]
    public void A_file_that_is_not_there()
    {
        Assert.That(() => Read(scratch["none"]), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{scratch["none"]}: there is no such file; a text was expected."));
        Assert.That(() => Read(scratch["none/at all"]), Throws.TypeOf<TextFileException>().With.Message.Contains("there is no such file"));
        Assert.That(() => Read(scratch.Folder), Throws.TypeOf<TextFileException>().With.Message.StartsWith($"{scratch.Folder}: cannot be read"));
    }

    [Test]
    public void A_vocabulary_numbers_characters_in_their_order()
    {
        Vocabulary vocabulary = new("cab😀aß".EnumerateRunes());
        Assert.That((vocabulary.ToString(), vocabulary.Count), Is.EqualTo(("abcß😀", 5)));
        Assert.That(vocabulary.Encode("b😀a"), Is.EqualTo(new[] { 1, 4, 0 }));
        Assert.That(string.Concat(vocabulary.Encode("baß😀").Select(i => vocabulary[i])), Is.EqualTo("baß😀"));
        Assert.That(vocabulary.Find(new('d')), Is.Null);
        Assert.That(() => vocabulary.Encode("a😀d"), Throws.TypeOf<FormatException>().With.Message.EqualTo("character 3, 'd' (U+0064), is none of the 5 characters that the model knows."));
        Assert.That(() => vocabulary.Encode("a\n"), Throws.TypeOf<FormatException>().With.Message.Contains("character 2, U+000A, is"));
        Assert.That(() => new Vocabulary([]), Throws.ArgumentException);
    }

    [Test]
    public void A_corpus_keeps_its_last_tenth_back()
    {
        TextCorpus corpus = TextCorpus.Read(Write("ßabßabßabßabßabßabßab"), window: 1);
        Assert.That((corpus.Length, corpus.ValidationStart, $"{corpus.Vocabulary}"), Is.EqualTo((21, 19, "abß")));
        int[] tokens = new int[4];
        corpus.Copy(17, tokens);
        Assert.That(tokens, Is.EqualTo(new[] { 1, 2, 0, 1 }).Or.EqualTo(new[] { 1, 2, 0, 1 }));
        Assert.That(() => corpus.Copy(18, tokens), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => corpus.Copy(-1, tokens), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void A_corpus_that_cannot_be_used()
    {
        string path = Write("");
        Assert.That(() => TextCorpus.Read(path), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{path}: the file is empty; a text was expected."));
        Write(new string('a', 100));
        Assert.That(() => TextCorpus.Read(path, window: 64), Throws.TypeOf<TextFileException>().With.Message.EqualTo(
            $"{path}: 100 characters are too few: 90 to train on and 10 to test on, and each part must have more than the 64 that the model sees at once."));
        Write("abcab\u0007cabcabcabcabcabcabcabcabc");
        Assert.That(() => TextCorpus.Read(path, new("abc".EnumerateRunes())), Throws.TypeOf<TextFileException>().With.Message.EqualTo(
            $"{path}: character 6, U+0007, is none of the 3 characters that the model knows."));
    }
}
