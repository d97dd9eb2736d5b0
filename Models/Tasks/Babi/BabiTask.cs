namespace NeuralMemory.Tasks;

/// <summary>One of the 20 bAbI tasks (Weston et al. 2015, arXiv:1502.05698), or one made in its manner: questions to learn from and questions to be tested on.</summary>
public sealed class BabiTask
{
    /// <summary>The number of tasks.</summary>
    public const int Count = 20;

    /// <summary>A task of given questions.</summary>
    /// <param name="number">1 to 20.</param>
    /// <param name="training">Questions to learn from.</param>
    /// <param name="testing">Questions to be tested on.</param>
    /// <param name="words">All words of the task; where there are none, those of both kinds of questions, as in the paper.</param>
    /// <exception cref="InvalidDataException">A word is not among those given.</exception>
    public BabiTask(int number, IReadOnlyList<BabiQuestion> training, IReadOnlyList<BabiQuestion> testing, WordList? words = null)
    {
        Number = number;
        Words = words ?? new(training.Concat(testing).SelectMany(q => q.Story.SelectMany(s => s).Concat(q.Question).Append(q.Answer)));
        (Training, Testing) = ([.. training.Select(Encode)], [.. testing.Select(Encode)]);
    }

    /// <summary>1 to 20.</summary>
    public int Number { get; }

    /// <summary>All words of the task, answers included.</summary>
    public WordList Words { get; }

    /// <summary>The questions to learn from.</summary>
    public IReadOnlyList<BabiExample> Training { get; }

    /// <summary>The questions to be tested on.</summary>
    public IReadOnlyList<BabiExample> Testing { get; }

    /// <summary>Reads a task from a folder that holds <c>qaN_NAME_train.txt</c> and <c>qaN_NAME_test.txt</c>.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="number">N, 1 to 20.</param>
    /// <param name="words">All words that there may be; those of the files where it is not given.</param>
    /// <exception cref="TextFileException">The folder or a file is missing, or a file is malformed; the message names it and the line.</exception>
    /// <exception cref="InvalidDataException">A word is not among those given.</exception>
    public static BabiTask Read(string folder, int number, WordList? words = null)
    {
        if (number is < 1 or > Count) throw new ArgumentOutOfRangeException(nameof(number), number, $"A task's number from 1 to {Count} was expected.");
        return new(number, BabiFile.Read(Find(folder, number, "train")), BabiFile.Read(Find(folder, number, "test")), words);
    }

    static string Find(string folder, int number, string part)
    {
        string pattern = $"qa{number}_*_{part}.txt";
        if (!Directory.Exists(folder)) throw new TextFileException($"{folder}: there is no such folder; one with files {pattern} was expected.");
        string[] files = Directory.GetFiles(folder, pattern);
        return files.Length == 1 ? files[0]
            : throw new TextFileException($"{folder}: {(files.Length == 0 ? "no file is" : $"{files.Length} files are")} named {pattern}; one was expected.");
    }

    /// <summary>Makes a task in the manner of one of <see cref="BabiGenerator.Tasks"/>. No question to be tested on is one to learn from, asked of the same story.</summary>
    /// <param name="number">Which.</param>
    /// <param name="questions">How many to learn from, and to be tested on; at least 1, and as many more as the last story asks.</param>
    /// <param name="seed">Decides all stories.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another task; no questions, or so many that there are hardly others left to be tested on.</exception>
    public static BabiTask Generate(int number, int questions, ulong seed)
    {
        Philox forTesting = new(seed, 1);
        List<BabiQuestion> training = Make(questions, new(seed, 0)), testing = [];
        HashSet<string> known = [.. training.Select(Text)];
        for (long made = 0; testing.Count < questions;)
        {
            List<BabiQuestion> more = Make(questions - testing.Count, forTesting);
            testing.AddRange(more.Where(q => !known.Contains(Text(q))));
            made += more.Count;
            if (testing.Count < questions && made > 20L * questions)
                throw new ArgumentOutOfRangeException(nameof(questions), questions, $"Generate: of {made} questions of task {number}, {made - testing.Count} are among the {training.Count} to learn from; fewer were expected.");
        }
        return new(number, training, testing);

        List<BabiQuestion> Make(int count, Philox random) => BabiFile.Parse(BabiGenerator.Lines(number, count, random), $"generated task {number}");

        static string Text(BabiQuestion q) => string.Join('\n', q.Story.Append(q.Question).Select(words => string.Join(' ', words)));
    }

    BabiExample Encode(BabiQuestion q) =>
        new([.. q.Story.Select(s => Words.Numbers(s, "story"))], Words.Numbers(q.Question, "question"), Words.Number(q.Answer, "answer"), q.Facts);
}
