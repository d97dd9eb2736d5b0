using System.IO.Compression;
using System.Text.Json;
using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Tests.Models.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Cli;

/// <summary>Questions about stories, and one-shot episodes: training, testing, asking, and whatever can be wrong with what is given.</summary>
[NonParallelizable]
public class StoryAndOneShotTests
{
    static readonly string[] few = ["--sequences", "192", "--linear-start", "64", "--log-every", "64"];

    static JsonElement Json(string output) => JsonDocument.Parse(output.TrimEnd('\n').Split('\n')[^1]).RootElement.Clone();

    static string Write(Scratch scratch, string name, string text)
    {
        File.WriteAllText(scratch[name], text);
        return scratch[name];
    }

    [Test]
    public void A_question_is_answered_with_probabilities_and_where_each_hop_looked()
    {
        using Scratch scratch = new();
        (int code, string output, string error) = Run.Here(["train", "babi", .. few, "--hops", "2", "--out", scratch["run"], "--json"]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement trained = Json(output);
        Assert.That(trained.GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(trained.GetProperty("error").GetDouble(), Is.EqualTo(1 - trained.GetProperty("accuracy").GetDouble()).Within(1e-12));
        Assert.That(Json(Run.Here("eval", scratch["run"], "--json").Output).GetProperty("accuracy").GetDouble(), Is.EqualTo(trained.GetProperty("accuracy").GetDouble()));

        string story = Write(scratch, "story", "Anna went to the tower.\n2 Ben moved to the office.\nAnna walked to the cellar.\n");
        (code, output, error) = Run.Here("ask", scratch["run"], "--story", story, "--question", "Where is Anna?", "--json");
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement asked = Json(output);
        JsonProperty[] probabilities = [.. asked.GetProperty("probabilities").EnumerateObject()];
        Assert.That(asked.GetProperty("answer").GetString(), Is.EqualTo(probabilities[0].Name));
        Assert.That(probabilities.Select(p => p.Value.GetDouble()), Is.Ordered.Descending.And.All.InRange(0, 1));
        JsonElement[] sentences = [.. asked.GetProperty("sentences").EnumerateArray()];
        Assert.That(sentences.Select(s => s.GetProperty("text").GetString()), Is.EqualTo(new[] { "anna went to the tower", "ben moved to the office", "anna walked to the cellar" }));
        for (int k = 0; k < 2; k++)
            Assert.That(sentences.Sum(s => s.GetProperty("hops")[k].GetDouble()) + asked.GetProperty("nothing")[k].GetDouble(), Is.EqualTo(1).Within(1e-5), "a hop looks at the story, or at nothing");
        Assert.That(Run.Here("ask", scratch["run"], "--story", story, "--question", "Where is Anna?").Output, Does.Contain("hop 2").And.Contain("anna walked to the cellar"));

        Run.Refuses(["ask", scratch["run"], "--story", story, "--question", "Where is Anne?"], "'anne'", "anna");
        Run.Refuses(["ask", scratch["run"], "--story", Write(scratch, "odd", "Anna went to the tower.\nAnna flew to the moon.\n"), "--question", "Where is Anna?"], "odd: line 2", "'flew'");
        Run.Refuses(["ask", scratch["run"], "--story", Write(scratch, "tab", "Anna\tBen"), "--question", "Where is Anna?"], "tab: line 1");
        Run.Refuses(["ask", scratch["run"], "--story", scratch["none"], "--question", "Where is Anna?"], "none");
        Run.Refuses(["ask", scratch["run"], "--story", story], "--question");
        Run.Refuses(["ask", scratch["run"], "--question", "Where is Anna?"], "--story");
        Run.Refuses(["eval", scratch["run"], "--length", "3"], "--length");
        Run.Refuses(["eval", scratch["run"], "--batches", "3"], "--batches");
        Run.Refuses(["eval", scratch["run"], "--data", scratch["none"]], "none", "no such folder");
    }

    [Test]
    public void Stories_are_read_from_a_folder_and_a_resumed_run_ends_with_the_same_bits()
    {
        using Scratch scratch = new();
        string data = Directory.CreateDirectory(scratch["data"]).FullName, train = Path.Combine(data, "qa4_made_train.txt");
        string[] lines = [.. Enumerable.Range(0, 40).SelectMany(i => (string[])[$"1 The {(i % 2 == 0 ? "hall" : "yard")} is north.", $"2 What is north?\t{(i % 2 == 0 ? "hall" : "yard")}\t1"])];
        File.WriteAllLines(train, lines);
        File.WriteAllLines(Path.Combine(data, "qa4_made_test.txt"), lines[..8]);
        string[] arguments = ["train", "babi", "--data", data, "--story-task", "4", "--linear-start", "64", "--log-every", "64"];
        Assert.That(Run.Here([.. arguments, "--sequences", "256", "--out", scratch["whole"]]).Code, Is.Zero);
        Assert.That(Run.Here([.. arguments, "--sequences", "128", "--out", scratch["halves"]]).Code, Is.Zero);
        Assert.That(Run.Here("train", "--resume", scratch["halves"], "--sequences", "256").Code, Is.Zero);
        Assert.That(Run.Fingerprint(scratch["halves"]), Is.EqualTo(Run.Fingerprint(scratch["whole"])), "noise and linear start go on where they were");

        Run.Refuses(["train", "babi", "--data", data, "--story-task", "5", "--out", scratch["x"]], "qa5_*_train.txt");
        File.AppendAllText(train, "1 The hall is north.\n2 What is north?\thall\t7\n");
        Run.Refuses(["train", "babi", "--data", data, "--story-task", "4", "--out", scratch["x"]], $"{train}: line 82", "'7'");
        Run.Refuses(["train", "babi", "--story-task", "3", "--out", scratch["x"]], "--story-task", "1, 2, 12, 20");
        Run.Refuses(["train", "babi", "--model", "mann", "--out", scratch["x"]], "--model", "memn2n");
    }

    /// <summary>Other questions than the run's: they were not made by the program, and the file beside them holds nothing that the run was trained on.</summary>
    [Test]
    public void Questions_of_a_folder_are_called_that()
    {
        using Scratch scratch = new();
        string data = Directory.CreateDirectory(scratch["data"]).FullName;
        string[] lines = ["1 Anna went to the tower.", "2 Where is Anna?\ttower\t1"];
        foreach (string part in (string[])["train", "test"]) File.WriteAllLines(Path.Combine(data, $"qa1_other_{part}.txt"), lines);
        Assert.That(Run.Here(["train", "babi", .. few, "--out", scratch["run"]]).Code, Is.Zero);
        Assert.That(Words(Run.Here("eval", scratch["run"]).Output), Does.Contain("that were not trained on: bAbI task 1, made by the program").And.Contain("of those trained on"));
        string other = Words(Run.Here("eval", scratch["run"], "--data", data).Output);
        Assert.That(other, Does.StartWith("1 questions of").And.Contain("data: bAbI task 1, memn2n").And.Not.Contain("trained on").And.Not.Contain("made by"));
        Assert.That(Json(Run.Here("eval", scratch["run"], "--data", data, "--json").Output).TryGetProperty("training_accuracy", out _), Is.False);

        static string Words(string output) => string.Join(' ', output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Two runs of each task that can be made: the one that counts is the one with the least error on the questions trained on; what is there is not trained again.</summary>
    [Test]
    public void All_tasks_are_trained_and_the_best_run_by_training_error_counts()
    {
        using Scratch scratch = new();
        string[] all = ["train", "babi", "--story-task", "all", .. few, "--out", scratch["all"], "--json"];
        (int code, string output, string error) = Run.Here([.. all, "--runs", "2"]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement table = Json(output);
        JsonElement[] tasks = [.. table.GetProperty("tasks").EnumerateArray()];
        Assert.That(tasks.Select(t => t.GetProperty("story_task").GetInt32()), Is.EqualTo(new[] { 1, 2, 12, 20 }));
        Assert.That(tasks.Average(t => t.GetProperty("error").GetDouble()), Is.EqualTo(table.GetProperty("error").GetDouble()).Within(1e-12));
        foreach (JsonElement task in tasks)
        {
            JsonElement[] runs = [.. Enumerable.Range(1, 2).Select(seed => Json(Run.Here("eval", Path.Combine(scratch["all"], $"task-{task.GetProperty("story_task")}-seed-{seed}"), "--json").Output))];
            JsonElement kept = runs[task.GetProperty("seed").GetInt32() - 1];
            Assert.That(kept.GetProperty("error").GetDouble(), Is.EqualTo(task.GetProperty("error").GetDouble()));
            Assert.That(kept.GetProperty("training_accuracy").GetDouble(), Is.EqualTo(runs.Max(r => r.GetProperty("training_accuracy").GetDouble())));
            Assert.That((task.GetProperty("least").GetDouble(), task.GetProperty("most").GetDouble()), Is.EqualTo((runs.Min(r => r.GetProperty("error").GetDouble()), runs.Max(r => r.GetProperty("error").GetDouble()))));
        }
        string markdown = File.ReadAllText(Path.Combine(scratch["all"], "table.md"));
        Assert.That(markdown, Does.Contain("| task | error, % |").And.Contain("| mean |"));

        DateTime written = File.GetLastWriteTimeUtc(Path.Combine(scratch["all"], "task-1-seed-1", "metrics.jsonl"));
        Assert.That(Run.Here([.. all, "--runs", "2"]).Output, Is.EqualTo(output));
        Assert.That(File.GetLastWriteTimeUtc(Path.Combine(scratch["all"], "task-1-seed-1", "metrics.jsonl")), Is.EqualTo(written), "nothing was trained again");
        (code, _, error) = Run.Here([.. all, "--hops", "2"]);
        Assert.That((code, error), Is.EqualTo((2, error)).And.Matches<(int, string Error)>(x => x.Error.Contains("other options")));
        Run.Refuses(["train", "babi", "--runs", "2", "--out", scratch["x"]], "--runs", "--story-task all");
        Run.Refuses(["train", "babi", "--story-task", "0", "--out", scratch["x"]], "--story-task", "'0'", "or all");
    }

    [Test]
    public void Runs_of_all_tasks_write_checkpoints_as_often_as_asked_for()
    {
        using Scratch scratch = new();
        using CancellationTokenSource enough = new();
        string checkpoint = new RunFolder(Path.Combine(scratch["all"], "task-1-seed-1")).CheckpointPath;
        Task<(int Code, string, string)> all = Task.Run(() => Run.Here(enough.Token, "train", "babi", "--story-task", "all", "--checkpoint-every", "320", "--out", scratch["all"]));
        TrainingState? seen = null;
        while (!all.IsCompleted && (seen is null || seen.Sequences == 0))
        {
            if (File.Exists(checkpoint)) seen = Checkpoint.Read(checkpoint).State;
            Thread.Sleep(5);
        }
        enough.Cancel();
        Assert.That(all.Result.Code, Is.EqualTo(130));
        Assert.That(seen!.Elapsed, Is.LessThan(TimeSpan.FromSeconds(10)), "without, the first comes after ten seconds");
    }

    [TestCase("mann", "--read-heads", "2")]
    [TestCase("mann", "--write-key", "--key-strength", "1")]
    [TestCase("lstm")]
    [TestCase("ntm")]
    public void One_shot_models_train_and_are_tested_by_presentation(string model, params string[] more)
    {
        using Scratch scratch = new();
        string[] sizes = model == "lstm" ? ["--hidden", "4"] : Run.Tiny;
        (int code, string output, string error) = Run.Here(
            ["train", "oneshot", "--model", model, "--sequences", "4", "--batch", "2", "--log-every", "2", "--length", "15", "--bits", "4", "--out", scratch["run"], "--json", .. sizes, .. more]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement accuracies = Json(output).GetProperty("accuracy_by_presentation");
        Assert.That(accuracies.EnumerateObject().Select(a => a.Name), Is.EqualTo(new[] { "1", "2", "3" }));
        Assert.That(accuracies.EnumerateObject().Average(a => a.Value.GetDouble()), Is.EqualTo(Json(output).GetProperty("accuracy").GetDouble()).Within(1e-9));
        Assert.That(Run.Here("eval", scratch["run"], "--batches", "1").Output, Does.Contain("10 fresh episodes"));
    }

    [Test]
    public void One_shot_refuses_what_cannot_be()
    {
        using Scratch scratch = new();
        Run.Refuses(["train", "oneshot", "--length", "12", "--out", scratch["x"]], "--length", "12", "5 classes");
        Run.Refuses(["train", "oneshot", "--read-heads", "9", "--slots", "8", "--out", scratch["x"]], "--read-heads", "8 slots");
        Run.Refuses(["train", "oneshot", "--data", scratch["none.zip"], "--out", scratch["x"]], "none.zip", "no such file");
        Run.Refuses(["train", "oneshot", "--data", Write(scratch, "bad.zip", "not a zip"), "--out", scratch["x"]], "bad.zip", "damaged");
        using (ZipArchive zip = ZipFile.Open(scratch["empty.zip"], ZipArchiveMode.Create)) zip.CreateEntry("readme.txt");
        Run.Refuses(["train", "oneshot", "--data", scratch["empty.zip"], "--out", scratch["x"]], "empty.zip", "no entries");
        Run.Refuses(["train", "oneshot", "--data", Characters(scratch, "few.zip", 0, 12), "--length", "15", "--out", scratch["x"]], "--length", "3 drawings of a class", "a character with 2");
    }

    /// <summary>Parameters chosen by the characters that are reported on would have seen them. Prototypes are made anew for validation and for the test.</summary>
    [Test]
    public void Characters_that_are_tested_on_do_not_choose_the_parameters()
    {
        using Scratch scratch = new();
        string[] train = ["train", "oneshot", "--sequences", "8", "--batch", "2", "--log-every", "2", "--length", "10", "--bits", "400", .. Run.Tiny];
        Assert.That(Run.Here([.. train, "--out", scratch["prototypes"]]).Code, Is.Zero);
        Assert.That(Run.Here([.. train, "--data", Characters(scratch, "a.zip", 0, 12), "--out", scratch["characters"]]).Code, Is.Zero);
        Assert.That(File.Exists(Path.Combine(scratch["prototypes"], "best.safetensors")));
        Assert.That(File.Exists(Path.Combine(scratch["characters"], "best.safetensors")), Is.False);
        Assert.That(Json(File.ReadAllText(Path.Combine(scratch["characters"], "metrics.jsonl"))).TryGetProperty("validation_accuracy", out _), "it is still logged");
    }

    /// <summary>Which characters a run was trained on is kept with it: whatever data it is tested on, and whatever has come to its own, they are left out.</summary>
    [Test]
    public void Characters_trained_on_are_never_tested_on()
    {
        using Scratch scratch = new();
        string data = Directory.CreateDirectory(scratch["data"]).FullName;
        Characters(scratch, Path.Combine("data", "a.zip"), 0, 12);
        Assert.That(Run.Here(["train", "oneshot", "--data", data, "--sequences", "4", "--batch", "2", "--log-every", "2", "--length", "10", .. Run.Tiny, "--out", scratch["run"]]).Code, Is.Zero);
        JsonElement own = Eval();
        Assert.That(own.GetProperty("characters").GetInt32(), Is.EqualTo(2), "one in six");
        Assert.That(Eval("--data", data).GetRawText(), Is.EqualTo(own.GetRawText()));
        Assert.That(Eval("--data", Characters(scratch, "more.zip", 0, 15)).GetProperty("characters").GetInt32(), Is.EqualTo(5), "those held out, and the new ones");

        string[] trained = [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(scratch["run"], "config.json"))).RootElement.GetProperty("characters_trained_on").GetString()!.Split('\n')];
        Assert.That(trained, Has.Length.EqualTo(10).And.All.StartsWith("A/c"));
        OneShotTests.Zip(scratch["same.zip"], [.. from name in trained from drawing in (int[])[1, 2] select ($"set/{name}/{drawing}.png", OneShotTests.Image(20, (x, _) => x > drawing))]);
        Run.Refuses(["eval", scratch["run"], "--data", scratch["same.zip"]], "same.zip", "0 characters", "not trained on");

        Characters(scratch, Path.Combine("data", "b.zip"), 12, 3);
        Assert.That(Eval().GetProperty("characters").GetInt32(), Is.EqualTo(5));
        File.Delete(Path.Combine(data, "a.zip"));
        Run.Refuses(["train", "--resume", scratch["run"], "--sequences", "8"], "0 of the 10 characters");

        JsonElement Eval(params string[] more) => Json(Run.Here(["eval", scratch["run"], "--json", .. more]).Output);
    }

    /// <summary>A zip file of characters, two drawings of each.</summary>
    static string Characters(Scratch scratch, string name, int first, int count)
    {
        OneShotTests.Zip(scratch[name], [.. from i in Enumerable.Range(first, count) from drawing in (int[])[1, 2] select ($"set/A/c{i}/{drawing}.png", OneShotTests.Image(20, (x, y) => x >= i % 19 + drawing))]);
        return scratch[name];
    }
}

/// <summary>The proofs that these models train, each beside the version that must not.</summary>
[Category("Training")]
[NonParallelizable]
public class StoryAndOneShotTrainingTests
{
    static JsonElement Train(params string[] arguments)
    {
        using Scratch scratch = new();
        (int code, string output, string error) = Run.Here(["train", .. arguments, "--out", scratch["run"], "--json"]);
        Assert.That(code, Is.Zero, error);
        TestContext.Out.WriteLine(output);
        return JsonDocument.Parse(output.TrimEnd('\n').Split('\n')[^1]).RootElement.Clone();
    }

    static double Accuracy(params string[] arguments) => Train(["babi", .. arguments]).GetProperty("accuracy").GetDouble();

    [TestCase("1", .98)]
    [TestCase("2", .8)]
    [TestCase("12", .98)]
    [TestCase("20", .99)]
    public void Made_stories_are_understood(string task, double least) => Assert.That(Accuracy("--story-task", task), Is.GreaterThanOrEqualTo(least));

    [Test]
    public void One_hop_does_not_find_two_facts() => Assert.That(Accuracy("--story-task", "2", "--hops", "1"), Is.LessThan(.5));

    [Test]
    public void Without_time_encoding_nobody_knows_where_people_went_last() => Assert.That(Accuracy("--story-task", "1", "--time-encoding", "false"), Is.LessThan(.8));

    [Test]
    public void Prototypes_are_remembered_from_one_presentation()
    {
        JsonElement accuracy = Train("oneshot", "--sequences", "16000").GetProperty("accuracy_by_presentation");
        Assert.That(accuracy.GetProperty("2").GetDouble(), Is.GreaterThanOrEqualTo(.85));
        Assert.That(accuracy.GetProperty("5").GetDouble(), Is.GreaterThanOrEqualTo(.93));
    }

    [TestCase("--model", "lstm")]
    [TestCase("--key-strength", "1")]
    public void Neither_an_LSTM_nor_a_memory_without_key_strength_remembers_them(params string[] broken) =>
        Assert.That(Train(["oneshot", "--sequences", "16000", .. broken]).GetProperty("accuracy_by_presentation").GetProperty("2").GetDouble(), Is.LessThan(.6));
}
