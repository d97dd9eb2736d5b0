using System.Text;
using System.Text.Json;
using NeuralMemory.Tests.Checkpoints;

namespace NeuralMemory.Tests.Cli;

/// <summary>The tasks reverse and lm on the command line: what they print, and what bad input gets.</summary>
[NonParallelizable]
public class LanguageAndReverseTests
{
    static readonly Scratch scratch = new();
    static readonly string text = scratch["text.txt"], gpt = scratch["gpt"], reverse = scratch["reverse"];

    [OneTimeSetUp]
    public void Train()
    {
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("Grüße an alle, die 字 lesen. 😀\n", 40)));
        Assert.That(Run.Here("train", "lm", "--model", "gpt", "--text", text, "--sequences", "24", "--width", "8", "--heads", "2", "--layers", "1", "--window", "16", "--out", gpt).Code, Is.Zero);
        Assert.That(Run.Here("train", "reverse", "--sequences", "64", "--hidden", "4", "--embedding", "3", "--max-length", "4", "--out", reverse).Code, Is.Zero);
    }

    [OneTimeTearDown]
    public void Delete() => scratch.Dispose();

    static JsonElement LastLine(string output) => JsonDocument.Parse(output.TrimEnd('\n').Split('\n')[^1]).RootElement;

    [TestCase("bahdanau", "--hidden", "4", "--embedding", "3")]
    [TestCase("seq2seq", "--hidden", "4", "--embedding", "3", "--layers", "2", "--reverse-source")]
    [TestCase("transformer", "--width", "8", "--heads", "2", "--feed-forward", "8", "--layers", "1", "--positions", "none")]
    public void Reverse_trains_is_tested_and_resumes(string model, params string[] sizes)
    {
        string folder = scratch[model];
        (int code, string output, string error) = Run.Here(["train", "reverse", "--model", model, "--sequences", "64", "--max-length", "4", "--out", folder, "--json", .. sizes]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement json = LastLine(output);
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])
            ["task", "model", "device", "seed", "sequences", "seconds", "timesteps_per_second", "parameters", "accuracy", "accuracies", "diagonal", "out"]));
        Assert.That(json.GetProperty("accuracy").GetDouble(), Is.EqualTo(json.GetProperty("accuracies").GetProperty("4").GetDouble()));
        Assert.That(json.GetProperty("accuracies").EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])["2", "3", "4", "6"]));

        (code, output, error) = Run.Here("eval", folder, "--length", "3", "--json");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(LastLine(output).GetProperty("accuracy").GetDouble(), Is.EqualTo(json.GetProperty("accuracies").GetProperty("3").GetDouble()), "the same sequences");
        Assert.That(LastLine(output).TryGetProperty("diagonal", out _), Is.EqualTo(model != "seq2seq"));
        Assert.That(Run.Here("train", "--resume", folder, "--sequences", "96").Output, Does.Contain("going on after 64 sequences").And.Contain("accuracy"));
    }

    [TestCase("gpt", "--width", "8", "--heads", "2", "--layers", "1", "--dropout", "0.1")]
    [TestCase("lstm", "--hidden", "8", "--embedding", "4")]
    public void A_language_model_trains_is_tested_resumes_and_writes(string model, params string[] sizes)
    {
        string folder = scratch[$"lm-{model}"];
        (int code, string output, string error) = Run.Here(["train", "lm", "--model", model, "--text", text, "--window", "16", "--sequences", "36", "--out", folder, "--json", .. sizes]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement json = LastLine(output);
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo((string[])
            ["task", "model", "device", "seed", "sequences", "seconds", "timesteps_per_second", "parameters", "validation_loss", "bits_per_character", "characters", "out"]));
        Assert.That(json.GetProperty("validation_loss").GetDouble(), Is.InRange(1, Math.Log(40)));

        (code, output, error) = Run.Here("eval", folder, "--json");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(LastLine(output).GetProperty("validation_loss").GetDouble(), Is.EqualTo(json.GetProperty("validation_loss").GetDouble()));
        // Windows of 16, each with the character that follows: 7 in the last 120 of 1,200 characters, and 74 in all of them, of which nine tenths were trained on.
        Assert.That(LastLine(output).GetProperty("characters").GetInt32(), Is.EqualTo(7 * 16));
        Assert.That(Run.Here("eval", folder).Output, Does.Contain("112 characters that were not trained on"));
        Assert.That(Run.Here("eval", folder, "--data", text).Output, Does.Contain("nats a character").And.Contain("1,184 characters:").And.Not.Contain("not trained on"));

        (code, output, error) = Run.Here("train", "--resume", folder, "--sequences", "48");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Contain("going on after 36 sequences").And.Contain("validation loss"));

        (code, output, error) = Run.Here("generate", folder, "--prompt", "Grüße 😀", "--max-tokens", "40");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.StartWith("Grüße 😀").And.EndsWith("\n"));
        Assert.That(output.TrimEnd('\n').EnumerateRunes().Count() + (output.Length - output.TrimEnd('\n').Length), Is.EqualTo(7 + 40 + 1));
    }

    [Test]
    public void Brackets_in_a_path_are_no_markup()
    {
        string draft = scratch["my [draft].txt"], folder = scratch["[bold] runs"];
        File.Copy(text, draft);
        string[] train = ["train", "lm", "--text", draft, "--width", "8", "--heads", "2", "--layers", "1", "--window", "16"];
        (int code, string output, string error) = Run.Here([.. train, "--sequences", "24", "--out", folder]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(Unbroken(output), Does.Contain("[draft].txt"));
        (code, output) = Run.OnTerminal(true, [.. train, "--sequences", "24", "--out", scratch["[red]"]]);
        Assert.That(code, Is.Zero, output);
        Assert.That(Unbroken(Run.Here("eval", folder).Output), Does.Contain("[draft].txt"));
        Run.Refuses(["train", "lm", "--text", scratch["[none].txt"]], "[none].txt", "no such file");

        // A long title is broken into lines anywhere.
        static string Unbroken(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
    }

    static string Write(params string[] more)
    {
        (int code, string output, string error) = Run.Here(["generate", gpt, "--prompt", "alle", "--max-tokens", "30", .. more]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        return output;
    }

    [Test]
    public void The_same_seed_writes_the_same()
    {
        Assert.That(Write(), Is.EqualTo(Write("--seed", "1")).And.Not.EqualTo(Write("--seed", "2")));
        string greedy = Write("--greedy");
        Assert.That(Write("--greedy", "--seed", "2"), Is.EqualTo(greedy));
        Assert.That(Write("--top-k", "1"), Is.EqualTo(greedy));
        Assert.That(Write("--top-p", "0.000001"), Is.EqualTo(greedy));
        Assert.That(Write("--temperature", "0.00001"), Is.EqualTo(greedy));
        Assert.That(Write("--temperature", "2", "--top-k", "5", "--top-p", "0.9"), Is.Not.EqualTo(greedy));
    }

    [TestCase("train reverse --model gpt", "--model", "'gpt'", "bahdanau, seq2seq, transformer")]
    [TestCase("train reverse --slots 3", "--slots", "bahdanau")]
    [TestCase("train reverse --model transformer --width 7", "--width", "7", "odd")]
    [TestCase("train reverse --model transformer --width 8 --heads 3", "--heads", "3")]
    [TestCase("train reverse --model transformer --dropout 1", "--dropout", "1", "below 1")]
    [TestCase("train reverse --model transformer --dropout -0.1", "--dropout")]
    [TestCase("train reverse --model transformer --positions many", "--positions", "sinusoidal, none")]
    [TestCase("train reverse --max-length 0", "--max-length")]
    [TestCase("train reverse --alphabet 0", "--alphabet")]
    [TestCase("train reverse --hidden 100000", "--hidden", "too many")]
    [TestCase("train reverse --text x", "--text", "bahdanau")]
    [TestCase("train lm", "--text", "missing")]
    [TestCase("train lm --text /nowhere/at/all.txt", "/nowhere/at/all.txt", "no such file")]
    [TestCase("train lm --text /", "/", "cannot be read")]
    [TestCase("train lm --text x --window 0", "--window")]
    [TestCase("train lm --text x --width 10 --heads 4", "--heads", "4")]
    [TestCase("train lm --text x --hidden 4", "--hidden", "gpt")]
    [TestCase("plot", "paths")]
    [TestCase("plot /nowhere", "/nowhere", "no lines")]
    [TestCase("generate", "path")]
    [TestCase("generate /nowhere --prompt a", "/nowhere")]
    [TestCase("generate /nowhere --prompt a --max-tokens 0", "--max-tokens")]
    [TestCase("generate /nowhere --prompt a --top-k 0", "--top-k")]
    [TestCase("generate /nowhere --prompt a --top-p 1.5", "--top-p")]
    [TestCase("generate /nowhere --prompt a --temperature 0", "--temperature")]
    [TestCase("generate /nowhere --prompt a --greedy --top-k 2", "--greedy", "--top-k")]
    public void Arguments(string arguments, params string[] named) => Run.Refuses(arguments.Split(' '), named);

    [Test]
    public void A_prompt_that_the_model_cannot_read()
    {
        Run.Refuses(["generate", gpt], "--prompt");
        Run.Refuses(["generate", gpt, "--prompt", ""], "--prompt");
        Run.Refuses(["generate", gpt, "--prompt", "alleQ"], "--prompt", "character 5", "'Q' (U+0051)", "characters that the model knows");
        Run.Refuses(["generate", gpt, "--prompt", "alle die alle die"], "--prompt", "17 characters", "16");
        Run.Refuses(["generate", reverse, "--prompt", "a"], reverse, "reverse", "lm");
    }

    [Test]
    public void A_text_that_cannot_be_learned()
    {
        string bad = scratch["bad.txt"];
        File.WriteAllText(bad, "");
        Run.Refuses(["train", "lm", "--text", bad], bad, "empty");
        File.WriteAllText(bad, "too short");
        Run.Refuses(["train", "lm", "--text", bad], bad, "9 characters are too few");
        File.WriteAllBytes(bad, [.. Encoding.UTF8.GetBytes(new string('x', 999)), 0xE9, (byte)'x']);
        Run.Refuses(["train", "lm", "--text", bad], bad, "byte 999", "0xE9");
        File.WriteAllText(bad, new string('a', 2000) + 'Q');
        Run.Refuses(["eval", gpt, "--data", bad], bad, "character 2001", "'Q'");
        Run.Refuses(["eval", gpt, "--length", "3"], "--length", "lm");
        Run.Refuses(["eval", gpt, "--batches", "3"], "--batches", "lm");
        Run.Refuses(["eval", reverse, "--data", bad], "--data", "reverse");
    }

    /// <summary>A run keeps its characters: a text that has changed does not go unnoticed.</summary>
    [Test]
    public void A_run_whose_text_is_gone_or_has_other_characters()
    {
        string copy = scratch["copy.txt"], folder = scratch["copied"];
        File.Copy(text, copy);
        Assert.That(Run.Here("train", "lm", "--text", copy, "--sequences", "12", "--width", "8", "--heads", "2", "--layers", "1", "--window", "16", "--out", folder).Code, Is.Zero);
        File.AppendAllText(copy, "Q");
        Run.Refuses(["train", "--resume", folder, "--sequences", "24"], copy, "'Q'");
        File.Delete(copy);
        Run.Refuses(["train", "--resume", folder, "--sequences", "24"], copy, "no such file");
        Run.Refuses(["eval", folder], copy, "no such file");
        Assert.That(Run.Here("generate", folder, "--prompt", "alle", "--max-tokens", "5").Code, Is.Zero, "to write, no text is needed");
    }

    [Test]
    public void Curves_are_drawn_of_what_runs_logged()
    {
        string file = scratch["curve.svg"];
        (int code, string output, string error) = Run.Here("plot", reverse, scratch["reverse"], "--metric", "accuracy", "--title", "a < b & c", "--out", file);
        Assert.That((code, error, output), Is.EqualTo((0, "", $"{file}: 2 curves.\n")));
        System.Xml.Linq.XElement svg = System.Xml.Linq.XElement.Load(file);
        System.Xml.Linq.XNamespace space = "http://www.w3.org/2000/svg";
        Assert.That(svg.Elements(space + "polyline").Count(), Is.EqualTo(2));
        Assert.That(svg.Elements(space + "text").Select(text => text.Value), Does.Contain("a < b & c").And.Contain("sequences").And.Contain("accuracy").And.Contain("reverse"));
        Assert.That(Run.Here("plot", gpt, "--log", "--out", file).Code, Is.Zero);
        Run.Refuses(["plot", reverse, "--metric", "wings", "--out", file], "--metric", "wings", "loss, accuracy, validation_accuracy");
    }

    [Test]
    public void The_live_view_shows_attention()
    {
        (int code, string output) = Run.OnTerminal(true, "train", "reverse", "--sequences", "96", "--hidden", "4", "--embedding", "3", "--max-length", "4", "--log-every", "32", "--out", scratch["live"]);
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("attention, ").And.Contain("nats").And.Contain("96 / 96"));
    }
}
