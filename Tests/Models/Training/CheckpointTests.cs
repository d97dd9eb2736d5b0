using System.Buffers.Binary;
using System.Text;
using NeuralMemory.Checkpoints;
using NeuralMemory.Optimizers;
using NeuralMemory.Tests.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

public class CheckpointTests
{
    Scratch scratch = null!;

    [SetUp]
    public void Make()
    {
        scratch = new();
        new TinyRun(Options).Trainer.Run();
    }

    [TearDown]
    public void Delete() => scratch.Dispose();

    TrainerOptions Options => new() { Sequences = 10, LogInterval = 5, Folder = scratch["run"] };
    string CheckpointPath => Path.Combine(scratch["run"], "checkpoint.safetensors");

    [Test]
    public void Round_trip()
    {
        TinyRun run = new(Options, seed: 2);
        run.Trainer.Resume();
        TinyRun original = new(Options with { Folder = null });
        original.Trainer.Run();
        Assert.That(run.Bits, Is.EqualTo(original.Bits));
        Assert.That(run.Trainer.State.Sequences, Is.EqualTo(10));
        SafetensorsFile file = SafetensorsFile.Read(CheckpointPath);
        Assert.That(file.Entries.Select(e => e.Name).Order(StringComparer.Ordinal), Is.EqualTo(new[]
        {
            "model.inner.bias", "model.inner.weight", "model.outer.weight", "optimizer.momentum_buffer.0", "optimizer.momentum_buffer.1",
            "optimizer.momentum_buffer.2", "optimizer.square_average.0", "optimizer.square_average.1", "optimizer.square_average.2", "optimizer.updates",
        }));
    }

    /// <summary>A damage to the file, and what the message must say beside the file's name.</summary>
    public sealed record Fault(string Name, Func<byte[], byte[]> Damage, params string[] Message)
    {
        public override string ToString() => Name;
    }

    static Fault Rewritten(string name, Action<SafetensorsWriter, SafetensorsFile> change, params string[] message) => new(name, bytes =>
    {
        SafetensorsFile file = SafetensorsFile.Parse(bytes, "x");
        SafetensorsWriter writer = new();
        foreach (var (key, value) in file.Metadata) writer.SetMetadata(key, value);
        change(writer, file);
        using Scratch scratch = new();
        writer.Write(scratch["x"]);
        return File.ReadAllBytes(scratch["x"]);
    }, message);

    static Fault Tensors(string name, Func<SafetensorsEntry, (string, SafetensorsType, long[], byte[])?> change, params string[] message) =>
        Rewritten(name, (writer, file) =>
        {
            foreach (SafetensorsEntry entry in file.Entries)
                if (change(entry) is var (key, type, shape, bytes)) writer.Add(key, type, shape, bytes);
        }, message);

    static Fault Metadata(string key, string? value, params string[] message) => new($"metadata {key}: {value ?? "missing"}", bytes =>
    {
        SafetensorsFile file = SafetensorsFile.Parse(bytes, "x");
        SafetensorsWriter writer = new();
        foreach (var (k, v) in file.Metadata)
            if (k != key) writer.SetMetadata(k, v);
            else if (value is not null) writer.SetMetadata(k, value);
        foreach (SafetensorsEntry entry in file.Entries) writer.Add(entry);
        using Scratch scratch = new();
        writer.Write(scratch["x"]);
        return File.ReadAllBytes(scratch["x"]);
    }, [$"\"{key}\"", .. message]);

    static (string, SafetensorsType, long[], byte[])? Same(SafetensorsEntry e) => (e.Name, e.Type, [.. e.Shape], e.Bytes.ToArray());

    static (string, SafetensorsType, long[], byte[])? With(SafetensorsEntry e, string name, Func<SafetensorsEntry, (string, SafetensorsType, long[], byte[])?> change) =>
        e.Name == name ? change(e) : Same(e);

    static byte[] Poke(SafetensorsEntry entry, int index, float value)
    {
        byte[] bytes = entry.Bytes.ToArray();
        BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * index), value);
        return bytes;
    }

    static byte[] Header(byte[] bytes, Func<string, string> change)
    {
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        byte[] header = Encoding.UTF8.GetBytes(change(Encoding.UTF8.GetString(bytes, 8, length)));
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        return [.. prefix, .. header, .. bytes[(8 + length)..]];
    }

    static IEnumerable<Fault> Faults =>
    [
        new("empty", _ => [], "0 bytes long"),
        new("truncated in the header", bytes => bytes[..100], "byte 0", "is the file cut short?"),
        new("truncated in the data", bytes => bytes[..^1], "tensor \"", "is the file cut short?"),
        new("longer than its tensors", bytes => [.. bytes, 0], "the rest belongs to none"),
        new("not safetensors", _ => Encoding.UTF8.GetBytes("PK\u0003\u0004 this is a zip file, they said"), "byte 0"),
        new("header of 10 GB", bytes => { BinaryPrimitives.WriteInt64LittleEndian(bytes, 10_000_000_000); return bytes; }, "byte 0", "10000000000 bytes"),
        new("invalid JSON", bytes => Header(bytes, header => header.Replace("\"dtype\":", "\"dtype\"")), "not valid JSON"),
        new("overlapping offsets", bytes => Header(bytes, header => header.Replace("[100,120]", "[80,100]")), "overlap"),
        new("offsets outside", bytes => Header(bytes, header => header.Replace("[100,120]", "[90100,90120]")), "[90100, 90120] reach beyond"),
        Tensors("wrong shape", e => With(e, "model.outer.weight", e => (e.Name, e.Type, [5, 3], e.Bytes.ToArray())), "tensor \"model.outer.weight\" F32 [5, 3]: the model needs F32 [3, 5]."),
        Tensors("another rank", e => With(e, "model.inner.bias", e => (e.Name, e.Type, [5, 1], e.Bytes.ToArray())), "\"model.inner.bias\" F32 [5, 1]", "needs F32 [5]"),
        Tensors("wrong type", e => With(e, "model.inner.bias", e => (e.Name, SafetensorsType.I32, [5], e.Bytes.ToArray())), "\"model.inner.bias\" I32 [5]", "needs F32 [5]"),
        Tensors("missing parameter", e => With(e, "model.inner.bias", _ => null), "tensor \"model.inner.bias\" is missing; the model needs it, F32 [5]."),
        Tensors("missing state", e => With(e, "optimizer.square_average.1", _ => null), "tensor \"optimizer.square_average.1\" is missing; the optimiser needs it, F32 [5]."),
        Tensors("wrong state", e => With(e, "optimizer.updates", e => (e.Name, e.Type, [1, 3], e.Bytes.ToArray())), "\"optimizer.updates\" I32 [1, 3]", "the optimiser needs I32 [3]"),
        Rewritten("extra parameter", (writer, file) => { foreach (SafetensorsEntry e in file.Entries) writer.Add(e); writer.Add("model.third", [1], new float[1]); },
            "tensor \"model.third\" F32 [1] is superfluous: the model has none of that name."),
        Rewritten("extra state", (writer, file) => { foreach (SafetensorsEntry e in file.Entries) writer.Add(e); writer.Add("optimizer.third", [1], new float[1]); },
            "tensor \"optimizer.third\" F32 [1] is superfluous: the optimiser"),
        Rewritten("extra tensor", (writer, file) => { foreach (SafetensorsEntry e in file.Entries) writer.Add(e); writer.Add("other", [1], new float[1]); },
            "tensor \"other\" F32 [1] is superfluous"),
        Tensors("NaN parameter", e => With(e, "model.outer.weight", e => (e.Name, e.Type, [.. e.Shape], Poke(e, 7, float.NaN))), "\"model.outer.weight\" F32 [3, 5]: element [1, 2] is NaN or infinite"),
        Tensors("infinite parameter", e => With(e, "model.inner.bias", e => (e.Name, e.Type, [.. e.Shape], Poke(e, 0, float.NegativeInfinity))), "\"model.inner.bias\" F32 [5]: element [0] is NaN or infinite"),
        Tensors("NaN state", e => With(e, "optimizer.momentum_buffer.2", e => (e.Name, e.Type, [.. e.Shape], Poke(e, 14, float.NaN))), "\"optimizer.momentum_buffer.2\" F32 [3, 5]: element [2, 4] is NaN"),
        Metadata("format", null, "not a checkpoint of a run"),
        Metadata("format", "pt", "not a checkpoint of a run"),
        Metadata("format_version", "2", "\"2\"", "\"1\""),
        Metadata("steps", null, "missing"),
        Metadata("steps", "-1", "\"-1\"", "whole number from 0"),
        Metadata("sequences", "1.5", "\"1.5\"", "whole number"),
        Metadata("random_position", "1e5", "\"1e5\"", "whole number from 0 to 18446744073709551615"),
        Metadata("random_seed", "", "whole number"),
        Metadata("window_loss", "NaN", "finite number"),
        Metadata("best", "-Infinity", "a number"),
        Metadata("stopped_early", "2", "from 0 to 1"),
        Metadata("learning_rate", "-0.1", "not below 0"),
        Metadata("learning_rate", "a\nb", "\"a\\nb\""),
        Metadata("optimizer", "Adam", "\"Adam\"", "\"RmsProp\" was expected"),
        Metadata("optimizer_steps", "99999999999999999999", "whole number"),
        Metadata("configuration", "{\"a\":", "not valid JSON"),
        Metadata("configuration", "3", "JSON object"),
        Metadata("elapsed_ticks", "x", "whole number"),
    ];

    [TestCaseSource(nameof(Faults))]
    public void A_bad_checkpoint_is_refused_and_nothing_changes(Fault fault)
    {
        byte[] damaged = fault.Damage(File.ReadAllBytes(CheckpointPath));
        File.WriteAllBytes(CheckpointPath, damaged);
        (string, string)[] disk = Contents();
        TinyRun run = new(Options, seed: 3);
        byte[] before = run.Bits;
        CheckpointException thrown = Assert.Throws<CheckpointException>(() => run.Trainer.Resume())!;
        Assert.That(thrown.Message, Does.StartWith(CheckpointPath).And.Not.Contains("\n"));
        foreach (string part in fault.Message) Assert.That(thrown.Message, Does.Contain(part));
        Assert.That(run.Bits, Is.EqualTo(before), "model and optimiser");
        Assert.That(run.Trainer.State.Sequences, Is.Zero);
        Assert.That(Contents(), Is.EqualTo(disk), "files");

        (string, string)[] Contents() =>
            [.. Directory.GetFiles(scratch.Folder, "*", SearchOption.AllDirectories).Order().Select(file => (file, Convert.ToHexString(File.ReadAllBytes(file))))];
    }

    [Test]
    public void Mutated_files_are_refused_or_read_never_half_read()
    {
        byte[] original = File.ReadAllBytes(CheckpointPath);
        TinyRun run = new(Options, seed: 3);
        byte[] before = run.Bits;
        Philox random = new(1);
        int read = 0;
        for (int i = 0; i < 2000; i++)
        {
            byte[] bytes = [.. original];
            for (int n = random.Next(1, 4); n > 0; n--) bytes[random.Next(0, bytes.Length)] = (byte)random.Next(0, 256);
            if (random.Next(0, 8) == 0) bytes = bytes[..random.Next(0, bytes.Length)];
            File.WriteAllBytes(CheckpointPath, bytes);
            try
            {
                Checkpoint.Read(CheckpointPath).Restore(run.Model, run.Optimizer);
                read++;
                run = new(Options, seed: 3);
            }
            catch (CheckpointException)
            {
                if (!run.Bits.AsSpan().SequenceEqual(before)) Assert.Fail($"mutation {i} was refused, but changed something");
            }
        }
        Assert.That(read, Is.InRange(1, 1999), "a changed digit of a parameter is nobody's fault");
    }

    [Test]
    public void A_larger_model_does_not_fit()
    {
        TinyRun run = new(Options, hidden: 6);
        Assert.That(() => run.Trainer.Resume(), Throws.TypeOf<CheckpointException>().With.Message.EqualTo(
            $"{CheckpointPath}: tensor \"model.inner.weight\" F32 [5, 5]: the model needs F32 [6, 5]."));
    }

    [Test]
    public void Generators_must_be_the_ones_that_were_saved()
    {
        TinyRun run = new(Options with { Folder = scratch["noisy"], Generators = [("noise", new(7, 9))] });
        run.Trainer.Run();
        foreach ((Philox other, string message) in ((Philox, string)[])[(new(8, 9), "\"generator.noise.seed\" is \"7\", but 8"), (new(7, 8), "\"generator.noise.stream\" is \"9\", but 8")])
            Assert.That(() => new TinyRun(Options with { Folder = scratch["noisy"], Generators = [("noise", other)] }).Trainer.Resume(),
                Throws.TypeOf<CheckpointException>().With.Message.Contains(message));
        Assert.That(() => new TinyRun(Options with { Generators = [("noise", new(7, 9))] }).Trainer.Resume(),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("\"generator.noise.seed\" is missing"));
    }

    [Test]
    public void A_module_is_saved_and_loaded_alone()
    {
        Tiny saved = new(seed: 4), loaded = new(seed: 5);
        saved.Save(scratch["model.safetensors"]);
        loaded.Load(scratch["model.safetensors"]);
        Assert.That(loaded.Bits, Is.EqualTo(saved.Bits));
        Assert.That(SafetensorsFile.Read(scratch["model.safetensors"]).Entries.Select(e => e.Name),
            Is.EquivalentTo(new[] { "inner.weight", "inner.bias", "outer.weight" }));

        TinyRun original = new(Options with { Folder = null });
        original.Trainer.Run();
        loaded.Load(CheckpointPath);
        Assert.That(loaded.Bits, Is.EqualTo(original.Model.Bits), "from the checkpoint of a run");
    }

    [Test]
    public void A_module_in_double_precision_keeps_every_bit()
    {
        Tiny saved = new(seed: 4), loaded = new(seed: 5);
        saved.To(DType.Float64);
        saved.Parameters[1].CopyFrom<double>([1 / 3.0, 0, 0, 0, 0]);
        saved.Save(scratch["model.safetensors"]);
        Assert.That(() => loaded.Load(scratch["model.safetensors"]), Throws.TypeOf<CheckpointException>().With.Message.Contains("F64 [5, 5]: the module needs F32 [5, 5]"));
        loaded.To(DType.Float64);
        loaded.Load(scratch["model.safetensors"]);
        Assert.That(loaded.Parameters[1].ToArray<double>()[0], Is.EqualTo(1 / 3.0));
    }

    [Test]
    public void Loading_what_does_not_fit_leaves_the_module_alone()
    {
        new Tiny(extra: true).Save(scratch["large"]);
        new Tiny().Save(scratch["small"]);
        Tiny small = new(seed: 2), large = new(seed: 2, extra: true);
        byte[] before = small.Bits, beforeLarge = large.Bits;
        Assert.That(() => small.Load(scratch["large"]), Throws.TypeOf<CheckpointException>().With.Message.EqualTo(
            $"{scratch["large"]}: tensor \"extra\" F32 [2] is superfluous: the module has none of that name."));
        Assert.That(() => large.Load(scratch["small"]), Throws.TypeOf<CheckpointException>().With.Message.EqualTo(
            $"{scratch["small"]}: tensor \"extra\" is missing; the module needs it, F32 [2]."));
        Assert.That((small.Bits, large.Bits), Is.EqualTo((before, beforeLarge)));

        small.Parameters[0].Fill(double.NaN);
        byte[] file = File.ReadAllBytes(scratch["small"]);
        Assert.That(() => small.Save(scratch["small"]), Throws.TypeOf<NonFiniteException>().With.Message.Contains("\"inner.weight\", [5, 5], is not finite at [0, 0]"));
        Assert.That(File.ReadAllBytes(scratch["small"]), Is.EqualTo(file));
    }
}
