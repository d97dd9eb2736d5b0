using System.Text;
using System.Text.Json.Nodes;
using NeuralMemory.Tests.Checkpoints;

namespace NeuralMemory.Tests.Cli;

/// <summary>Whatever is wrong with the arguments or the files: exit code 2, one line on standard error that names it, and nothing changed on disk.</summary>
[NonParallelizable]
public class BadInputTests
{
    static readonly Scratch scratch = new();
    static readonly string run = scratch["run"];
    static byte[] sound = [];

    [OneTimeSetUp]
    public void Train()
    {
        Assert.That(Run.Here(["train", "copy", "--sequences", "3", "--out", run, .. Run.Tiny]).Code, Is.Zero);
        sound = File.ReadAllBytes(Path.Combine(run, "checkpoint.safetensors"));
    }

    [OneTimeTearDown]
    public void Delete() => scratch.Dispose();

    static void Refuses(string[] arguments, params string[] named)
    {
        string[] before = Tree();
        Run.Refuses(arguments, named);
        Assert.That(Tree(), Is.EqualTo(before));
    }

    static string[] Tree() => [.. Directory.EnumerateFileSystemEntries(scratch.Folder, "*", SearchOption.AllDirectories)
        .Order(StringComparer.Ordinal).Select(path => File.Exists(path) ? $"{path} {Convert.ToHexString(File.ReadAllBytes(path))}" : path)];

    [TestCase("train fly", "fly", "priority-sort")]
    [TestCase("train", "task", "priority-sort")]
    [TestCase("fly", "fly", "inspect")]
    [TestCase("", "command")]
    [TestCase("train copy --fly 3", "--fly")]
    [TestCase("train copy recall", "recall")]
    [TestCase("train copy --model gru", "--model", "gru", "ntm, lstm")]
    [TestCase("train copy --controller gru", "--controller", "gru")]
    [TestCase("train copy --memory-start full", "--memory-start", "full")]
    [TestCase("train copy --seed", "--seed")]
    [TestCase("train copy --seed -1", "--seed", "-1")]
    [TestCase("train copy --seed 1 --seed 2", "--seed")]
    [TestCase("train copy --sequences 0", "--sequences", "0")]
    [TestCase("train copy --sequences ten", "--sequences", "ten")]
    [TestCase("train copy --batch 0", "--batch")]
    [TestCase("train copy --batch -4", "--batch", "-4")]
    [TestCase("train copy --learning-rate 0", "--learning-rate")]
    [TestCase("train copy --learning-rate -1e-4", "--learning-rate", "-1e-4")]
    [TestCase("train copy --learning-rate NaN", "--learning-rate", "NaN")]
    [TestCase("train copy --threads 0", "--threads")]
    [TestCase("train copy --checkpoint-every 0", "--checkpoint-every")]
    [TestCase("train copy --log-every 0", "--log-every")]
    [TestCase("train copy --early-stopping 0", "--early-stopping")]
    [TestCase("train copy --hidden 0", "--hidden")]
    [TestCase("train copy --hidden -100", "--hidden", "-100")]
    [TestCase("train copy --hidden 99999999999999999999", "--hidden", "99999999999999999999")]
    [TestCase("train copy --hidden 2000000000", "--hidden", "too many")]
    [TestCase("train copy --slots 0", "--slots")]
    [TestCase("train copy --slots 2000000000", "--slots")]
    [TestCase("train copy --width -20", "--width")]
    [TestCase("train copy --read-heads 0", "--read-heads")]
    [TestCase("train copy --write-heads -1", "--write-heads")]
    [TestCase("train copy --read-heads 2000000000", "--read-heads")]
    [TestCase("train copy --shifts 0", "--shifts")]
    [TestCase("train copy --shifts 2", "--shifts", "even")]
    [TestCase("train copy --shifts 9 --slots 5", "--shifts", "5 slots")]
    [TestCase("train copy --layers 2", "--layers", "ntm")]
    [TestCase("train copy --model lstm --slots 2", "--slots", "lstm")]
    [TestCase("train copy --model lstm --layers 0", "--layers")]
    [TestCase("train copy --model transformer --width 7", "--width", "odd")]
    [TestCase("train copy --model transformer --heads 3", "--heads", "64")]
    [TestCase("train copy --model transformer --feed-forward 0", "--feed-forward")]
    [TestCase("train copy --model transformer --layers 2000000000", "--layers", "too many")]
    [TestCase("train copy --model transformer --positions learned", "--positions", "sinusoidal, none")]
    [TestCase("train copy --model transformer --slots 2", "--slots", "transformer")]
    [TestCase("train copy --model lstm --hidden 10000 --layers 2000000000", "--layers")]
    [TestCase("train recall --sequences 1 --validation-length 1", "--validation-length: 1", "recall", "at least 2")]
    [TestCase("train ngrams --model lstm --sequences 1 --validation-length 1", "--validation-length", "ngrams", "at least 2")]
    [TestCase("train recall --model transformer --sequences 1 --validation-length 1", "--validation-length", "at least 2")]
    [TestCase("train copy --model dnc --sequences 1 --validation-length 2000000000", "--validation-length", "2000000000")]
    [TestCase("train --resume /nowhere/at/all", "/nowhere/at/all")]
    [TestCase("train copy --out /dev/null/run", "/dev/null/run")]
    [TestCase("train copy @file", "@file")]
    [TestCase("eval", "path")]
    [TestCase("eval /nowhere/at/all", "/nowhere/at/all")]
    [TestCase("eval /nowhere --length 0", "--length")]
    [TestCase("eval /nowhere --length -3", "--length", "-3")]
    [TestCase("eval /nowhere --length 3,x", "--length", "'x'")]
    [TestCase("eval /nowhere --out", "--out")]
    [TestCase("eval /nowhere --batches 0", "--batches")]
    [TestCase("inspect", "path")]
    [TestCase("inspect /nowhere/at/all", "/nowhere/at/all")]
    [TestCase("devices all", "all")]
    public void Arguments(string arguments, params string[] named) => Refuses(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), named);

    [Test]
    public void A_folder_that_holds_a_run() => Refuses(["train", "copy", "--out", run], run, "a run in this folder");

    [Test]
    public void A_folder_that_is_a_file()
    {
        string file = scratch["file"];
        File.WriteAllText(file, "mine");
        Refuses(["train", "copy", "--out", file], file);
        Refuses(["train", "copy", "--out", Path.Combine(file, "run")], file);
    }

    [Test]
    public void An_empty_path()
    {
        Refuses(["train", "copy", "--out", ""], "--out");
        Refuses(["eval", ""], "path");
    }

    [Test]
    public void A_resumed_run_with_other_options()
    {
        Refuses(["train", "--resume", run, "--hidden", "9"], run, "\"hidden\":8");
        Refuses(["train", "--resume", run, "--seed", "2"], run);
        Refuses(["train", "recall", "--resume", run], run);
        Refuses(["train", "--resume", run, "--model", "lstm"], run);
        Refuses(["train", "--resume", run, "--out", scratch["other"]], "--out");
    }

    [Test]
    public void A_resumed_run_with_fewer_sequences_than_it_was_trained_on() => Refuses(["train", "--resume", run, "--sequences", "2"], "--sequences: 2", run, "trained on 3");

    [Test]
    public void A_length_that_the_task_does_not_have()
    {
        string recall = scratch["recall"];
        Assert.That(Run.Here(["train", "recall", "--sequences", "1", "--out", recall, .. Run.Tiny]).Code, Is.Zero);
        Refuses(["eval", recall, "--length", "1"], "--length", "at least 2");
        Refuses(["eval", run, "--length", "2000000000"], "--length", "2000000000");
    }

    /// <summary>Ways to break a checkpoint, and what the message must name beside the file.</summary>
    static IEnumerable<TestCaseData> Broken()
    {
        TestCaseData Case(string name, Func<byte[], byte[]> change, params string[] named) => new TestCaseData(change, named).SetArgDisplayNames(name);
        TestCaseData Header(string name, Action<JsonObject> change, params string[] named) => Case(name, bytes => WithHeader(bytes, change), named);
        static JsonObject Tensor(JsonObject header, string name) => header[name]!.AsObject();
        static JsonObject Configured(JsonObject header, Action<JsonObject> change)
        {
            JsonObject metadata = header["__metadata__"]!.AsObject(), configuration = JsonNode.Parse((string)metadata["configuration"]!)!.AsObject();
            change(configuration);
            metadata["configuration"] = configuration.ToJsonString();
            return header;
        }

        yield return Case("truncated", bytes => bytes[..^5]);
        yield return Case("truncated in the header", bytes => bytes[..100]);
        yield return Case("truncated in the length", bytes => bytes[..5]);
        yield return Case("empty", _ => []);
        yield return Case("a text", _ => Encoding.UTF8.GetBytes("This is no checkpoint, but a text of some length."));
        yield return Case("header of 10 GB", bytes => [.. BitConverter.GetBytes(10_000_000_000L), .. bytes[8..]], "10000000000");
        yield return Case("invalid JSON", bytes =>
        {
            byte[] changed = [.. bytes];
            changed[9] = (byte)'}';
            return changed;
        });
        yield return Case("bytes at the end", bytes => [.. bytes, 0, 0, 0, 0]);
        yield return Header("wrong shape", header => Tensor(header, "model.input_weight")["shape"] = new JsonArray(10, 32), "model.input_weight", "[10, 32]", "[32, 10]");
        yield return Header("missing tensor", header => Rename(header, "model.head_bias", "optimizer.spare"), "model.head_bias");
        yield return Header("extra tensor", header => Rename(header, "optimizer.square_average.0", "model.spare"), "model.spare");
        yield return Header("overlapping", header => Shift(header, "model.input_bias", -4), "model.input_bias");
        yield return Header("outside", header => Shift(header, "model.input_bias", 1 << 30), "model.input_bias");
        yield return Header("not a checkpoint", header => header.Remove("__metadata__"));
        yield return Header("no steps", header => header["__metadata__"]!.AsObject().Remove("steps"), "steps");
        yield return Header("configuration no JSON", header => header["__metadata__"]!["configuration"] = "{", "configuration");
        yield return Header("configuration of others", header => header["__metadata__"]!["configuration"] = "{}", "configuration");
        yield return Header("unknown task", header => Configured(header, c => c["task"] = "fly"), "task", "fly");
        yield return Header("more time than can be counted", header => header["__metadata__"]!["elapsed_ticks"] = $"{long.MaxValue}", "elapsed_ticks", $"{long.MaxValue}");
        yield return Header("an interval that began after that", header => header["__metadata__"]!["window_began_ticks"] = $"{long.MaxValue}", "window_began_ticks", $"{long.MaxValue}");
        yield return Header("hidden negative", header => Configured(header, c => c["hidden"] = -8), "hidden", "-8");
        yield return Header("hidden huge", header => Configured(header, c => c["hidden"] = 2_000_000_000), "hidden");
        yield return Header("hidden a text", header => Configured(header, c => c["hidden"] = "many"), "hidden");
        yield return Header("no slots", header => Configured(header, c => c.Remove("slots")), "slots");
        yield return Header("unknown key", header => Configured(header, c => c["wings"] = 2), "wings");
        yield return Case("NaN parameter", bytes =>
        {
            byte[] changed = [.. bytes];
            int length = (int)BitConverter.ToInt64(bytes), at = (int)Tensor(Parse(bytes), "model.input_bias")["data_offsets"]![0]!;
            BitConverter.GetBytes(float.NaN).CopyTo(changed, 8 + length + at);
            return changed;
        }, "model.input_bias", "NaN");
    }

    static JsonObject Parse(byte[] bytes) => JsonNode.Parse(bytes.AsSpan(8, (int)BitConverter.ToInt64(bytes)))!.AsObject();

    static byte[] WithHeader(byte[] bytes, Action<JsonObject> change)
    {
        JsonObject header = Parse(bytes);
        change(header);
        byte[] text = Encoding.UTF8.GetBytes(header.ToJsonString());
        return [.. BitConverter.GetBytes((long)text.Length), .. text, .. bytes[(8 + (int)BitConverter.ToInt64(bytes))..]];
    }

    static void Rename(JsonObject header, string from, string to)
    {
        JsonNode tensor = header[from]!.DeepClone();
        header.Remove(from);
        header[to] = tensor;
    }

    static void Shift(JsonObject header, string name, long by)
    {
        JsonArray offsets = header[name]!["data_offsets"]!.AsArray();
        (offsets[0], offsets[1]) = ((long)offsets[0]! + by, (long)offsets[1]! + by);
    }

    [TestCaseSource(nameof(Broken))]
    public void A_broken_checkpoint(Func<byte[], byte[]> change, string[] named)
    {
        string folder = scratch["broken"], file = Path.Combine(folder, "checkpoint.safetensors");
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(file, change(sound));
        Refuses(["eval", folder, "--length", "5"], [file, .. named]);
        Refuses(["eval", file], [file, .. named]);
        Refuses(["train", "--resume", folder], [file, .. named]);
        (int code, string output, string error) = Run.Here("inspect", folder);
        if (code == 2) Assert.That(error, Does.Contain(file).And.Matches("^[^\n]*\n$"));
        else Assert.That((code, error), Is.EqualTo((0, "")), output);
    }
}
