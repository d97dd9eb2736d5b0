using NeuralMemory.Tasks;
using NeuralMemory.Tests.Checkpoints;

namespace NeuralMemory.Tests.Models.Tasks;

public class BabiTests
{
    static readonly string[] story =
    [
        "1 Mary moved to the bathroom.", "2 John went to the hallway.", "3 Where is Mary? \tbathroom\t1", "4 Mary got the milk there.", "5 Where is the milk?\tbathroom\t4 1",
        "1 The office is east of the hallway.", "2 How do you go?\ts,e\t1",
    ];

    [Test]
    public void Questions_see_what_was_told_before_them_in_their_story()
    {
        List<BabiQuestion> questions = BabiFile.Parse(story, "file");
        Assert.That(questions.Select(q => q.Story.Length), Is.EqualTo(new[] { 2, 3, 1 }));
        Assert.That(questions.Select(q => q.Answer), Is.EqualTo(new[] { "bathroom", "bathroom", "s,e" }));
        Assert.That(questions[0].Question, Is.EqualTo(new[] { "where", "is", "mary" }));
        Assert.That(questions[0].Story[1], Is.EqualTo(new[] { "john", "went", "to", "the", "hallway" }));
        Assert.That(questions[1].Facts, Is.EqualTo(new[] { 2, 0 }), "places in the story: the question on line 3 is not part of it");
        Assert.That(questions[2].Story[0][0], Is.EqualTo("the"));
    }

    [TestCase("Mary moved.", "file: line 1: 'Mary moved.' does not begin with a number; a number, a space and a sentence were expected.")]
    [TestCase("", "file: line 1: '' does not begin with a number; a number, a space and a sentence were expected.")]
    [TestCase("2 Mary moved.", "file: line 1: its number is 2; 1 was expected.")]
    [TestCase("1 Mary moved.|3 John moved.", "file: line 2: its number is 3; 2, or 1 for a new story, was expected.")]
    [TestCase("1", "file: line 1: there are no words after the number 1; a sentence or a question was expected.")]
    [TestCase("1 .", "file: line 1: there are no words after the number 1; a sentence or a question was expected.")]
    [TestCase("1 Mary moved.|2 Where?\t\t1", "file: line 2: the question has no answer; one word was expected after the tab.")]
    [TestCase("1 Mary moved.|2 Where?\tin bed\t1", "file: line 2: the answer is 'in bed'; one word, or several joined by commas, was expected.")]
    [TestCase("1 Mary moved.|2 Where?\tbed", "file: line 2: 1 tabs; two were expected: question, answer, numbers of the lines it follows from.")]
    [TestCase("1 Mary moved.|2 Where?\tbed\t3", "file: line 2: the answer follows from line '3'; the number of an earlier sentence of this story was expected.")]
    [TestCase("1 Mary moved.|2 Where?\tbed\tone", "file: line 2: the answer follows from line 'one'; the number of an earlier sentence of this story was expected.")]
    [TestCase("1 Mary moved.|1 John moved.|2 Where?\tbed\t1|3 Where?\tbed\t2", "file: line 4: the answer follows from line '2'; the number of an earlier sentence of this story was expected.")]
    [TestCase("1 Mary moved.", "file: there is no question; a line with a question, a tab and its answer was expected.")]
    public void A_broken_line_is_named(string lines, string message) =>
        Assert.That(() => BabiFile.Parse(lines.Split('|'), "file"), Throws.TypeOf<TextFileException>().With.Message.EqualTo(message));

    [Test]
    public void Files_that_are_missing_empty_or_not_UTF8_are_named()
    {
        using Scratch scratch = new();
        string path = scratch["qa1_x_train.txt"];
        Assert.That(() => BabiFile.Read(path), Throws.TypeOf<TextFileException>().With.Message.StartWith(path));
        File.WriteAllText(path, "");
        Assert.That(() => BabiFile.Read(path), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{path}: the file is empty; sentences were expected."));
        File.WriteAllBytes(path, [.. "1 Mar"u8, 0xFF, .. "y moved.\n"u8]);
        Assert.That(() => BabiFile.Read(path), Throws.TypeOf<TextFileException>().With.Message.StartWith(path).And.Message.Contains("byte 5").And.Message.Contains("0xFF"));
        Assert.That(() => BabiTask.Read(scratch["none"], 1), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{scratch["none"]}: there is no such folder; one with files qa1_*_train.txt was expected."));
        Assert.That(() => BabiTask.Read(scratch.Folder, 2), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{scratch.Folder}: no file is named qa2_*_train.txt; one was expected."));
        Assert.That(() => BabiTask.Read(scratch.Folder, 21), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Windows_ends_of_lines_and_a_byte_order_mark_change_nothing()
    {
        using Scratch scratch = new();
        string path = scratch["file"];
        File.WriteAllText(path, "\uFEFF" + string.Join("\r\n", story) + "\r\n");
        List<BabiQuestion> read = BabiFile.Read(path), parsed = BabiFile.Parse(story, "file");
        Assert.That(read.Select(q => string.Join(' ', [.. q.Story.SelectMany(s => s), .. q.Question, q.Answer])), Is.EqualTo(parsed.Select(q => string.Join(' ', [.. q.Story.SelectMany(s => s), .. q.Question, q.Answer]))));
    }

    [Test]
    public void A_story_to_ask_about_may_have_numbers_or_not_but_no_questions()
    {
        using Scratch scratch = new();
        string path = scratch["story"];
        File.WriteAllText(path, "1 Mary moved.\nJohn went to bed!\n");
        Assert.That(BabiFile.ReadStory(path), Is.EqualTo(new string[][] { ["mary", "moved"], ["john", "went", "to", "bed"] }));
        File.WriteAllText(path, "Mary moved.\nWhere?\tbed\t1");
        Assert.That(() => BabiFile.ReadStory(path), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{path}: line 2 has a tab; a sentence was expected, and no question."));
        File.WriteAllText(path, "Mary moved.\n\nJohn went.");
        Assert.That(() => BabiFile.ReadStory(path), Throws.TypeOf<TextFileException>().With.Message.EqualTo($"{path}: line 2 has no words; a sentence was expected."));
    }

    [Test]
    public void Words_have_numbers_and_an_unknown_one_is_named_with_those_nearest()
    {
        WordList words = new(["garden", "mary", "garden", "hall", "harry"]);
        Assert.That(words.Words, Is.EqualTo(new[] { "garden", "hall", "harry", "mary" }));
        Assert.That(words.Numbers(["mary", "hall"], "here"), Is.EqualTo(new[] { 3, 1 }));
        Assert.That(() => words.Number("marry", "story.txt: line 3"), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
            "story.txt: line 3: the word 'marry' was never seen in training; one of the 4 known words was expected, such as harry, mary, garden."));
    }

    [Test]
    public void A_tasks_words_are_those_of_both_files_and_answers()
    {
        BabiTask task = new(1, BabiFile.Parse(story[..3], "a"), BabiFile.Parse(story[5..], "b"));
        Assert.That(task.Words.Words, Does.Contain("mary").And.Contain("office").And.Contain("s,e").And.Contain("where"));
        BabiExample example = task.Training[0];
        Assert.That(example.Story[0].Select(i => task.Words.Words[i]), Is.EqualTo(new[] { "mary", "moved", "to", "the", "bathroom" }));
        Assert.That((task.Words.Words[example.Answer], task.Testing.Count), Is.EqualTo(("bathroom", 1)));
    }

    [TestCase(1, 1)]
    [TestCase(2, 2)]
    [TestCase(12, 1)]
    [TestCase(20, 1)]
    public void Made_stories_can_be_read_and_their_answers_follow_from_them(int number, int facts)
    {
        List<BabiQuestion> questions = BabiFile.Parse(BabiGenerator.Lines(number, 300, new Philox(4)), "made");
        Assert.That(questions, Has.Count.GreaterThanOrEqualTo(300));
        foreach (BabiQuestion q in questions)
        {
            Assert.That(q.Facts, Has.Length.EqualTo(facts));
            Assert.That(Solve(number, q), Is.EqualTo(q.Answer), () => string.Join("\n", q.Story.Select(s => string.Join(' ', s))) + "\n" + string.Join(' ', q.Question));
            if (number < 20) Assert.That(q.Story[q.Facts[^1]], Does.Contain(q.Answer), "the last fact says where");
        }
    }

    /// <summary>Another way to the answer: walks through the story's words, and remembers who is where with what.</summary>
    static string Solve(int number, BabiQuestion q)
    {
        Dictionary<string, string> at = [], holder = [], lying = [], motive = [];
        foreach (string[] s in q.Story)
        {
            string[] who = s[1] == "and" ? [s[0], s[2]] : [s[0]];
            string last = s[^1] == "there" ? s[^2] : s[^1];
            if (s[1] == "is") motive[s[0]] = last;
            else if (s.Contains("to")) foreach (string walker in who) at[walker] = last;
            else if (s.Contains("took") || s.Contains("grabbed") || s.Contains("picked")) holder[last] = s[0];
            else
            {
                holder.Remove(last);
                lying[last] = at[s[0]];
            }
        }
        string asked = q.Question[^1];
        if (number is 1 or 12) return at[asked];
        if (number == 2) return holder.TryGetValue(asked, out string? person) ? at[person] : lying[asked];
        return q.Question[0] == "where" ? motive[q.Question[2]] switch { "hungry" => "kitchen", "thirsty" => "well", "tired" => "bedroom", _ => "garden" } : motive[q.Question[2]];
    }

    [Test]
    public void Made_stories_follow_from_the_seed_alone()
    {
        foreach (int number in BabiGenerator.Tasks)
        {
            List<string> one = BabiGenerator.Lines(number, 50, new Philox(1)), same = BabiGenerator.Lines(number, 50, new Philox(1)), other = BabiGenerator.Lines(number, 50, new Philox(2));
            Assert.That(same, Is.EqualTo(one));
            Assert.That(other, Is.Not.EqualTo(one));
        }
        Assert.That(() => BabiGenerator.Lines(3, 5, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("1, 2, 12, 20"));
    }

    [Test]
    public void No_question_that_made_stories_are_tested_on_is_one_trained_on()
    {
        foreach (int number in BabiGenerator.Tasks)
        {
            BabiTask task = BabiTask.Generate(number, 1000, 1);
            Assert.That(new[] { task.Training.Count, task.Testing.Count }, Is.All.GreaterThanOrEqualTo(1000));
            string[] training = [.. task.Training.Select(Text)], testing = [.. task.Testing.Select(Text)];
            Assert.That(testing.Intersect(training), Is.Empty, $"task {number}");
            // Whatever else is drawn for the test, the stories to learn from are those of the seed.
            List<BabiQuestion> made = BabiFile.Parse(BabiGenerator.Lines(number, 1000, new Philox(1)), "made");
            Assert.That(training, Is.EqualTo(made.Select(q => string.Join('|', q.Story.Append(q.Question).Select(s => string.Join(' ', s))))));

            string Text(BabiExample e) => string.Join('|', e.Story.Append(e.Question).Select(s => string.Join(' ', s.Select(word => task.Words.Words[word]))));
        }
    }
}
