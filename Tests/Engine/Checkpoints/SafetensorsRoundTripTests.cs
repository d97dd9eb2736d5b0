using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using NeuralMemory.Checkpoints;
using NUnit.Framework;
using NUnit.Framework.Constraints;

namespace NeuralMemory.Tests.Checkpoints;

[TestFixture]
public sealed class SafetensorsRoundTripTests
{
    static ExactTypeConstraint<CheckpointException> Refused => Throws.TypeOf<CheckpointException>();

    static SafetensorsFile RoundTrip(SafetensorsWriter writer) => SafetensorsFile.Parse(Bytes(writer), "memory");

    internal static byte[] Bytes(SafetensorsWriter writer)
    {
        using MemoryStream stream = new();
        writer.Write(stream);
        return stream.ToArray();
    }

    static SafetensorsEntry One<T>(SafetensorsType type, params T[] values) where T : unmanaged
    {
        SafetensorsWriter writer = new();
        writer.Add("x", type, [values.Length], MemoryMarshal.AsBytes<T>(values).ToArray());
        return RoundTrip(writer)["x"];
    }

    static float[] Floats(SafetensorsEntry entry)
    {
        float[] values = new float[entry.Count];
        entry.CopyTo(values);
        return values;
    }

    static double[] Doubles(SafetensorsEntry entry)
    {
        double[] values = new double[entry.Count];
        entry.CopyTo(values);
        return values;
    }

    static int[] Ints(SafetensorsEntry entry)
    {
        int[] values = new int[entry.Count];
        entry.CopyTo(values);
        return values;
    }

    static long[] Longs(SafetensorsEntry entry)
    {
        long[] values = new long[entry.Count];
        entry.CopyTo(values);
        return values;
    }

    static readonly SafetensorsType[] AllTypes = Enum.GetValues<SafetensorsType>();

    [TestCaseSource(nameof(AllTypes))]
    public void EveryTypeKeepsItsBytes(SafetensorsType type)
    {
        int size = Safetensors.Size(type);
        byte[] bytes = new byte[6 * size];
        new Random(1).NextBytes(bytes);
        SafetensorsWriter writer = new();
        writer.Add("matrix", type, [2, 3], bytes);
        writer.Add("scalar", type, [], bytes.AsMemory(0, size));
        writer.Add("empty", type, [4, 0, 5], Array.Empty<byte>());
        SafetensorsFile file = RoundTrip(writer);

        Assert.That(file["matrix"].Type, Is.EqualTo(type));
        Assert.That(file["matrix"].Shape, Is.EqualTo(new long[] { 2, 3 }));
        Assert.That(file["matrix"].Bytes.ToArray(), Is.EqualTo(bytes));
        Assert.That(file["scalar"].Shape, Is.Empty);
        Assert.That(file["scalar"].Count, Is.EqualTo(1));
        Assert.That(file["scalar"].Bytes.ToArray(), Is.EqualTo(bytes[..size]));
        Assert.That(file["empty"].Shape, Is.EqualTo(new long[] { 4, 0, 5 }));
        Assert.That(file["empty"].Count, Is.Zero);
        Assert.That(Floats(file["empty"]), Is.Empty);
    }

    [Test]
    public void NumbersBecomeFloatsAndDoubles()
    {
        Assert.That(Floats(One(SafetensorsType.F64, 0.1, -1e30, double.PositiveInfinity, double.NaN)),
            Is.EqualTo(new[] { 0.1f, -1e30f, float.PositiveInfinity, float.NaN }));
        Assert.That(Doubles(One(SafetensorsType.F64, Math.PI, double.MinValue)), Is.EqualTo(new[] { Math.PI, double.MinValue }));
        Assert.That(Floats(One(SafetensorsType.F32, 0.1f, float.Epsilon)), Is.EqualTo(new[] { 0.1f, float.Epsilon }));
        Assert.That(Doubles(One(SafetensorsType.F32, 0.1f)), Is.EqualTo(new double[] { 0.1f }));
        Assert.That(Floats(One(SafetensorsType.F16, (Half)1.5f, Half.MaxValue, Half.Epsilon, Half.NegativeInfinity)),
            Is.EqualTo(new[] { 1.5f, 65504f, 5.9604645e-8f, float.NegativeInfinity }));
        Assert.That(Floats(One<ushort>(SafetensorsType.BF16, 0x3F80, 0xC049, 0x7F80, 0x0001)),
            Is.EqualTo(new[] { 1f, -3.140625f, float.PositiveInfinity, 9.18355e-41f }));
        Assert.That(Doubles(One<ushort>(SafetensorsType.BF16, 0xC049)), Is.EqualTo(new[] { -3.140625 }));
        Assert.That(Floats(One(SafetensorsType.I64, long.MinValue, 3)), Is.EqualTo(new[] { -9.223372e18f, 3f }));
        Assert.That(Doubles(One(SafetensorsType.I32, int.MinValue, int.MaxValue)), Is.EqualTo(new double[] { int.MinValue, int.MaxValue }));
        Assert.That(Floats(One<short>(SafetensorsType.I16, -32768, 5)), Is.EqualTo(new[] { -32768f, 5 }));
        Assert.That(Floats(One<sbyte>(SafetensorsType.I8, -128, 127)), Is.EqualTo(new[] { -128f, 127 }));
        Assert.That(Doubles(One(SafetensorsType.U64, 1ul << 63)), Is.EqualTo(new[] { Math.Pow(2, 63) }));
        Assert.That(Doubles(One(SafetensorsType.U32, uint.MaxValue)), Is.EqualTo(new[] { 4294967295.0 }));
        Assert.That(Floats(One(SafetensorsType.U16, ushort.MaxValue)), Is.EqualTo(new[] { 65535f }));
        Assert.That(Floats(One<byte>(SafetensorsType.U8, 0, 255)), Is.EqualTo(new[] { 0f, 255 }));
        Assert.That(Floats(One<byte>(SafetensorsType.BOOL, 0, 1)), Is.EqualTo(new[] { 0f, 1 }));
    }

    [Test]
    public void IntegersBecomeIntsAndLongs()
    {
        Assert.That(Ints(One(SafetensorsType.I64, -5L, int.MaxValue)), Is.EqualTo(new[] { -5, int.MaxValue }));
        Assert.That(Longs(One(SafetensorsType.I64, long.MinValue)), Is.EqualTo(new[] { long.MinValue }));
        Assert.That(Ints(One(SafetensorsType.I32, int.MinValue)), Is.EqualTo(new[] { int.MinValue }));
        Assert.That(Longs(One(SafetensorsType.I32, int.MinValue)), Is.EqualTo(new long[] { int.MinValue }));
        Assert.That(Ints(One<short>(SafetensorsType.I16, -3)), Is.EqualTo(new[] { -3 }));
        Assert.That(Ints(One<sbyte>(SafetensorsType.I8, -3)), Is.EqualTo(new[] { -3 }));
        Assert.That(Longs(One<ulong>(SafetensorsType.U64, long.MaxValue)), Is.EqualTo(new[] { long.MaxValue }));
        Assert.That(Ints(One<uint>(SafetensorsType.U32, 7)), Is.EqualTo(new[] { 7 }));
        Assert.That(Longs(One(SafetensorsType.U32, uint.MaxValue)), Is.EqualTo(new long[] { uint.MaxValue }));
        Assert.That(Ints(One(SafetensorsType.U16, ushort.MaxValue)), Is.EqualTo(new[] { 65535 }));
        Assert.That(Ints(One<byte>(SafetensorsType.U8, 255)), Is.EqualTo(new[] { 255 }));
        Assert.That(Ints(One<byte>(SafetensorsType.BOOL, 1, 0)), Is.EqualTo(new[] { 1, 0 }));
    }

    [Test]
    public void WhatDoesNotFitIsNamedWithItsIndex()
    {
        SafetensorsEntry entry = One(SafetensorsType.I64, 1L, 2L, 5_000_000_000L);
        Assert.That(() => Ints(entry), Refused.With.Message
            .EqualTo("memory: tensor \"x\" I64 [3]: element 2 is 5000000000, beyond the range of Int32."));
        Assert.That(() => Longs(One(SafetensorsType.U64, ulong.MaxValue)), Refused.With.Message.Contains("element 0"));
        Assert.That(() => Ints(One(SafetensorsType.U32, 1u, uint.MaxValue)), Refused.With.Message.Contains("element 1"));
        Assert.That(() => Floats(One(SafetensorsType.F64, 1, -1e300)), Refused.With.Message.Contains("element 1 is -1E+300"));
        Assert.That(() => Floats(One<byte>(SafetensorsType.BOOL, 0, 1, 2)), Refused.With.Message.Contains("element 2 is 2"));
    }

    [TestCase(SafetensorsType.F64)]
    [TestCase(SafetensorsType.F32)]
    [TestCase(SafetensorsType.F16)]
    [TestCase(SafetensorsType.BF16)]
    public void FloatsBecomeNoIntegers(SafetensorsType type)
    {
        SafetensorsEntry entry = One(type, Array.Empty<byte>());
        Assert.That(() => Ints(entry), Refused.With.Message.Contains($"\"x\" {type}"));
        Assert.That(() => Longs(entry), Refused.With.Message.Contains("expected integers"));
    }

    [Test]
    public void ADestinationOfAnotherLengthIsRefused()
    {
        SafetensorsEntry entry = One(SafetensorsType.F32, 1f, 2f);
        Assert.That(() => entry.CopyTo(new float[1]), Throws.ArgumentException.With.Message.Contains("\"x\" F32 [2]"));
        Assert.That(() => entry.CopyTo(new double[3]), Throws.ArgumentException.With.Message.Contains("the destination has 3"));
    }

    [Test]
    public void ElementsMayLieAtAnyAddress()
    {
        byte[] file = SafetensorsFaultTests.File("""
            {"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "d":{"dtype":"F64","shape":[],"data_offsets":[1,9]}}
            """, 9);
        BinaryPrimitives.WriteDoubleLittleEndian(file.AsSpan()[^8..], Math.PI);
        Assert.That(Doubles(SafetensorsFile.Parse(file, "memory")["d"]), Is.EqualTo(new[] { Math.PI }));
        Assert.That(Floats(SafetensorsFile.Parse(file, "memory")["d"]), Is.EqualTo(new[] { (float)Math.PI }));
    }

    [Test]
    public void NamesMayBeAnyText()
    {
        string[] names = ["", "слой.вес", "記憶", "🧠", "a\"b\\c\n\t\0", "__metadata", "<&'+>", new string('n', 100_000)];
        SafetensorsWriter writer = new();
        foreach (string name in names) writer.Add(name, [1], new[] { (float)name.Length });
        foreach (string name in names) writer.SetMetadata(name, name);
        SafetensorsFile file = RoundTrip(writer);
        Assert.That(file.Entries.Select(entry => entry.Name), Is.EqualTo(names));
        foreach (string name in names)
        {
            Assert.That(Floats(file[name]), Is.EqualTo(new[] { (float)name.Length }));
            Assert.That(file.Metadata[name], Is.EqualTo(name));
        }
    }

    [Test]
    public void NothingIsAFileToo()
    {
        SafetensorsFile file = RoundTrip(new());
        Assert.That(file.Entries, Is.Empty);
        Assert.That(file.Metadata, Is.Empty);
        Assert.That(() => file["x"], Refused.With.Message.EqualTo("memory: no tensor \"x\"; there are none."));
    }

    [Test]
    public void AMissingTensorSaysWhatThereIs()
    {
        SafetensorsWriter writer = new();
        for (int i = 0; i < 22; i++) writer.Add($"layer.{i}", [1], new float[1]);
        SafetensorsFile file = RoundTrip(writer);
        Assert.That(file.TryGet("layer.7", out SafetensorsEntry? entry) && entry.Name == "layer.7");
        Assert.That(file.TryGet("layer.22", out _), Is.False);
        Assert.That(() => file["layer.22"], Refused.With.Message
            .StartsWith("memory: no tensor \"layer.22\"; there is \"layer.0\", ").And.Message.EndsWith("\"layer.19\" and 2 more."));
    }

    [Test]
    public void TheLayoutIsAlignedSortedAndAlwaysTheSame()
    {
        SafetensorsWriter Build(params string[] keys)
        {
            SafetensorsWriter writer = new();
            foreach (string key in keys) writer.SetMetadata(key, key);
            writer.Add("bytes", SafetensorsType.U8, [3], new byte[3]);
            writer.Add("z", [3], new float[3]);
            writer.Add("half", SafetensorsType.F16, [], new byte[2]);
            writer.Add("a", [1, 1], new float[1]);
            writer.Add("long", [2], new long[2]);
            return writer;
        }
        byte[] bytes = Bytes(Build("b", "a"));
        Assert.That(Bytes(Build("a", "b")), Is.EqualTo(bytes));

        SafetensorsFile file = SafetensorsFile.Parse(bytes, "memory");
        Assert.That(file.Entries.Select(entry => entry.Name), Is.EqualTo(new[] { "long", "z", "a", "half", "bytes" }), "wide first");
        foreach (SafetensorsEntry entry in file.Entries)
        {
            Assert.That(MemoryMarshal.TryGetArray(entry.Bytes, out ArraySegment<byte> segment));
            Assert.That(segment.Offset % Safetensors.Size(entry.Type), Is.Zero, $"{entry} is aligned");
        }
        long header = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Assert.That(header % 8, Is.Zero);
        Assert.That(Encoding.UTF8.GetString(bytes, 8, (int)header).TrimEnd(' '), Is.EqualTo("""
            {"__metadata__":{"a":"a","b":"b"},
            "long":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},
            "z":{"dtype":"F32","shape":[3],"data_offsets":[16,28]},
            "a":{"dtype":"F32","shape":[1,1],"data_offsets":[28,32]},
            "half":{"dtype":"F16","shape":[],"data_offsets":[32,34]},
            "bytes":{"dtype":"U8","shape":[3],"data_offsets":[34,37]}}
            """.ReplaceLineEndings("")));

        SafetensorsWriter again = new();
        foreach (var (key, value) in file.Metadata) again.SetMetadata(key, value);
        foreach (SafetensorsEntry entry in file.Entries) again.Add(entry);
        Assert.That(Bytes(again), Is.EqualTo(bytes), "what was read and is written again is the same file");
    }

    [Test]
    public void EntriesComeInTheOrderOfTheirData()
    {
        byte[] bytes = SafetensorsFaultTests.File("""
            {"second":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}, "empty" : {"data_offsets":[2,2],"shape":[0],"dtype":"F32"},
             "first":{"shape":[2],"dtype":"U8","data_offsets":[0,2]}}
            """, 3);
        new byte[] { 1, 2, 3 }.CopyTo(bytes, bytes.Length - 3);
        using Scratch scratch = new();
        File.WriteAllBytes(scratch["f"], bytes);
        foreach (SafetensorsFile file in new[] { SafetensorsFile.Parse(bytes, "memory"), SafetensorsFile.Read(scratch["f"]) })
        {
            Assert.That(file.Entries.Select(entry => entry.Name), Is.EqualTo(new[] { "first", "empty", "second" }));
            Assert.That(Ints(file["first"]), Is.EqualTo(new[] { 1, 2 }));
            Assert.That(Ints(file["second"]), Is.EqualTo(new[] { 3 }));
        }
    }

    [Test]
    public void AGoldenFileOfPyTorchIsRead()
    {
        SafetensorsFile file = SafetensorsFile.Read(Scratch.Golden("matmul_2d"));
        Assert.That(file.Metadata["case"], Is.EqualTo("matmul_2d"));
        double[] a = Doubles(file["input.0"]), b = Doubles(file["input.1"]), product = Doubles(file["output.0"]);
        Assert.That(file["output.0"].Shape, Is.EqualTo(new long[] { 5, 3 }));
        for (int i = 0; i < 5; i++)
            for (int j = 0; j < 3; j++)
                Assert.That(Enumerable.Range(0, 7).Sum(k => a[i * 7 + k] * b[k * 3 + j]), Is.EqualTo(product[i * 3 + j]).Within(1e-5));
    }

    [Test]
    public void FilesAreWrittenAndRead()
    {
        using Scratch scratch = new();
        string path = scratch["model.safetensors"];
        float[] weights = [.. Enumerable.Range(0, 100_000).Select(i => i * 0.5f)];
        SafetensorsWriter writer = new();
        writer.SetMetadata("step", "17");
        writer.Add("weights", [1000, 100], weights);
        writer.Add("doubles", [1], new[] { Math.E });
        writer.Add("ints", [2], new[] { 1, 2 });
        writer.Add("streamed", SafetensorsType.U8, [3], stream => stream.Write([1, 2, 3]));
        writer.Write(path);
        writer.Write(path);

        SafetensorsFile file = SafetensorsFile.Read(path);
        Assert.That(file.Source, Is.EqualTo(path));
        Assert.That(file.Metadata["step"], Is.EqualTo("17"));
        Assert.That(Floats(file["weights"]), Is.EqualTo(weights));
        Assert.That(Doubles(file["doubles"]), Is.EqualTo(new[] { Math.E }));
        Assert.That(Ints(file["ints"]), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(file["streamed"].Bytes.ToArray(), Is.EqualTo(new byte[] { 1, 2, 3 }));
        Assert.That(scratch.Names, Is.EqualTo(new[] { "model.safetensors" }));
    }

    [Test]
    public void WritingCopiesNoTensor()
    {
        float[] values = new float[4_000_000];
        SafetensorsWriter writer = new();
        writer.Add("x", [values.Length], values);
        writer.Write(new CountingStream());
        long before = GC.GetAllocatedBytesForCurrentThread();
        writer.Write(new CountingStream());
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16_384));
    }

    [Test]
    public void AFailingTensorLeavesTheOldCheckpoint()
    {
        using Scratch scratch = new();
        string path = scratch["model.safetensors"];
        SafetensorsWriter good = new();
        good.Add("x", [2], new[] { 1f, 2f });
        good.Write(path);
        byte[] before = File.ReadAllBytes(path);

        foreach (Action<Stream> write in new Action<Stream>[]
        {
            stream => stream.Write(new byte[4]),
            stream => stream.Write(new byte[12]),
            stream => { stream.Write(new byte[4]); throw new InvalidOperationException("\"x\" is lost"); },
        })
        {
            SafetensorsWriter bad = new();
            bad.Add("first", [1], new float[1]);
            bad.Add("x", SafetensorsType.F32, [2], write);
            Assert.That(() => bad.Write(path), Throws.InvalidOperationException.With.Message.Contains("\"x\""));
            Assert.That(File.ReadAllBytes(path), Is.EqualTo(before));
            Assert.That(scratch.Names, Is.EqualTo(new[] { "model.safetensors" }));
        }
    }

    [Test]
    public void TheWriterRefusesWhatNoReaderWouldTake()
    {
        SafetensorsWriter writer = new();
        writer.Add("x", [1], new float[1]);
        Assert.That(() => writer.Add("x", [1], new float[1]), Throws.ArgumentException.With.Message.Contains("\"x\" was added before"));
        Assert.That(() => writer.Add("y", [2, 2], new float[3]), Throws.ArgumentException.With.Message.Contains("takes 16 bytes, not 12"));
        Assert.That(() => writer.Add("y", [-1], new float[1]), Throws.ArgumentException.With.Message.Contains("\"y\": F32 [-1]"));
        Assert.That(() => writer.Add("y", [1L << 62, 8], new float[1]), Throws.ArgumentException.With.Message.Contains("\"y\""));
        Assert.That(() => writer.Add("y", [1L << 31], new float[1]), Throws.ArgumentException.With.Message.Contains("\"y\""));
        Assert.That(() => writer.Add("__metadata__", [1], new float[1]), Throws.ArgumentException);
        Assert.That(() => writer.Add("half \ud800", [1], new float[1]), Throws.ArgumentException.With.Message.Contains("pair at 5"));
        Assert.That(() => writer.SetMetadata("key", "\udc00"), Throws.ArgumentException.With.Message.Contains("pair at 0"));
        Assert.That(() => writer.Add("y", (SafetensorsType)99, [1], new byte[1]), Throws.InstanceOf<ArgumentException>());
        Assert.That(RoundTrip(writer).Entries, Has.Count.EqualTo(1), "what was refused is not there");
    }

    sealed class CountingStream : Stream
    {
        long written;
        public override bool CanRead => false;
        public override bool CanSeek => true;
        public override bool CanWrite => true;
        public override long Length => written;
        public override long Position { get => written; set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => written += count;
        public override void Write(ReadOnlySpan<byte> buffer) => written += buffer.Length;
    }
}
