using System.Buffers.Binary;
using System.Text;
using NeuralMemory.Checkpoints;
using NUnit.Framework;
using NUnit.Framework.Constraints;

namespace NeuralMemory.Tests.Checkpoints;

/// <summary>Every way in which a file can be wrong is refused, with a message that names the file and the place.</summary>
[TestFixture]
public sealed class SafetensorsFaultTests
{
    const string A = """{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""";

    static ExactTypeConstraint<CheckpointException> Refused => Throws.TypeOf<CheckpointException>();

    /// <summary>A file of a header and as many bytes of zeros.</summary>
    internal static byte[] File(string header, int dataLength) => File(Encoding.UTF8.GetBytes(header), dataLength);

    static byte[] File(byte[] header, int dataLength)
    {
        byte[] bytes = new byte[8 + header.Length + dataLength];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        header.CopyTo(bytes, 8);
        return bytes;
    }

    static byte[] Announcing(ulong headerLength, int fileLength)
    {
        byte[] bytes = new byte[fileLength];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, headerLength);
        bytes.AsSpan(8).Fill((byte)' ');
        return bytes;
    }

    static TestCaseData Case(string name, byte[] bytes, params string[] parts) => new TestCaseData(bytes, parts).SetArgDisplayNames(name);

    static TestCaseData Header(string name, string header, params string[] parts) => Case(name, File(header, 8), parts);

    static TestCaseData Tensor(string name, string tensor, params string[] parts) =>
        Case(name, File($$"""{"a":{{tensor}}}""", 8), ["tensor \"a\"", .. parts]);

    static IEnumerable<TestCaseData> Faults()
    {
        yield return Case("empty file", [], "0 bytes long");
        yield return Case("shorter than the prefix", new byte[7], "7 bytes long");
        yield return Case("header length 0", Announcing(0, 16), "byte 0", "empty header");
        yield return Case("header one byte beyond the file", Announcing(9, 16), "byte 0", "9 bytes", "8 follow");
        yield return Case("header of 10 GB", Announcing(10_000_000_000, 16), "byte 0", "10000000000 bytes", "8 follow");
        yield return Case("header of 2^64 - 1", Announcing(ulong.MaxValue, 16), "18446744073709551615");
        yield return Case("header of 2^63", Announcing(1ul << 63, 16), "9223372036854775808");

        yield return Header("no JSON", "hello", "byte 8", "0x68");
        yield return Header("an array", "[]", "byte 8", "0x5B");
        yield return Header("byte order mark", "\ufeff{}", "byte 8", "0xEF");
        yield return Header("not closed", """{"a":""", "byte 13", "JSON");
        yield return Header("missing comma", $$"""{"a":{{A}} "b":{{A}}}""", "byte 62", "JSON", "from here: \"\\\"b");
        yield return Header("trailing comma", $$"""{"a":{{A}},}""", "JSON");
        yield return Header("comment", $$"""{"a":{{A}}/* */}""", "JSON");
        yield return Header("trailing garbage", $$"""{"a":{{A}}} x""", "byte 63", "JSON");
        yield return Header("a second object", $$"""{"a":{{A}}}{}""", "JSON");
        yield return Header("trailing zeros", $$"""{"a":{{A}}}""" + "\0\0", "JSON");
        yield return Header("deep nesting", string.Concat(Enumerable.Repeat("""{"a":""", 100_000)), "tensor \"a\": field \"a\"");
        string deep = new('[', 100_000);
        yield return Header("deep nesting of arrays", """{"a":{"shape":""" + deep, "tensor \"a\"", "shape[0]", "an array");
        yield return Header("deep nesting of metadata", """{"__metadata__":{"k":""" + deep, "__metadata__ \"k\"", "an array");
        yield return Case("invalid UTF-8", File([.. """{"a"""u8, 0xC3, .. "\":0}"u8], 8), "byte 11", "UTF-8");
        yield return Case("overlong UTF-8", File([.. """{"a"""u8, 0xC0, 0x80, .. "\":0}"u8], 8), "byte 11", "UTF-8");
        yield return Header("half a surrogate pair in a name", """{"a\ud800":0}""", "byte 9", "surrogate");
        yield return Header("half a surrogate pair in metadata", """{"__metadata__":{"k":"\udc00"}}""", "__metadata__ \"k\"", "surrogate");
        yield return Tensor("half a surrogate pair in a type", """{"dtype":"\udc00"}""", "surrogate");

        yield return Header("name twice", $$"""{"a":{{A}},"a":{{A}}}""", "tensor \"a\"", "twice");
        yield return Header("name twice, once escaped", $$"""{"a":{{A}},"\u0061":{{A}}}""", "tensor \"a\"", "twice");
        yield return Tensor("field twice", """{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}""", "dtype", "twice");
        yield return Tensor("shape twice", """{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}""", "shape", "twice");
        yield return Tensor("offsets twice", """{"dtype":"F32","shape":[2],"data_offsets":[0,8],"data_offsets":[0,8]}""",
            "data_offsets", "twice");
        yield return Header("metadata twice", """{"__metadata__":{},"__metadata__":{}}""", "__metadata__", "twice");
        yield return Header("metadata key twice", """{"__metadata__":{"k":"1","k":"2"}}""", "__metadata__ \"k\"", "twice");

        yield return Tensor("no dtype", """{"shape":[2],"data_offsets":[0,8]}""", "no dtype");
        yield return Tensor("no shape", """{"dtype":"F32","data_offsets":[0,8]}""", "no shape");
        yield return Tensor("no offsets", """{"dtype":"F32","shape":[2]}""", "no data_offsets");
        yield return Tensor("a field too many", """{"strides":[1],"dtype":"F32","shape":[2],"data_offsets":[0,8]}""", "\"strides\"");
        yield return Header("tensor is no object", """{"a":[]}""", "tensor \"a\"", "object", "an array");
        yield return Header("tensor is null", """{"a":null}""", "tensor \"a\"", "object", "null");
        yield return Tensor("dtype is no string", """{"dtype":32}""", "dtype", "32");
        yield return Tensor("unknown dtype", """{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}""", "\"F8_E4M3\"");
        yield return Tensor("dtype in small letters", """{"dtype":"f32","shape":[2],"data_offsets":[0,8]}""", "\"f32\"");
        yield return Tensor("dtype is a number's text", """{"dtype":"1","shape":[2],"data_offsets":[0,8]}""", "\"1\"");
        yield return Tensor("dtype is a larger number's text", """{"dtype":"78","shape":[2],"data_offsets":[0,8]}""", "\"78\"");
        yield return Tensor("dtype is a list", """{"dtype":"F64, F32","shape":[2],"data_offsets":[0,8]}""", "\"F64, F32\"");
        yield return Tensor("shape is no array", """{"shape":2}""", "shape", "found 2");
        yield return Tensor("shape holds text", """{"shape":[1,"2"]}""", "shape[1]", "a string");
        yield return Tensor("shape holds a fraction", """{"shape":[2.0]}""", "shape[0]", "2.0");
        yield return Tensor("shape holds an exponent", """{"shape":[2e0]}""", "shape[0]", "2e0");
        yield return Tensor("negative dimension", """{"shape":[2,-1]}""", "shape[1]", "-1");
        yield return Tensor("dimension beyond 63 bits", """{"shape":[9223372036854775808]}""", "shape[0]", "9223372036854775808");
        yield return Header("shape overflows", """{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,8]}}""",
"tensor \"a\"", "U8 [4294967296, 4294967296]");
        yield return Tensor("shape times size overflows", """{"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]}""",
            "F64 [2305843009213693953]");
        yield return Tensor("shape overflows beside a 0", """{"dtype":"U8","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}""");
        yield return Tensor("offsets are no array", """{"data_offsets":{}}""", "data_offsets", "an object");
        yield return Tensor("one offset", """{"dtype":"F32","shape":[2],"data_offsets":[8]}""", "data_offsets", "found 1");
        yield return Tensor("three offsets", """{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}""", "data_offsets", "found 3");
        yield return Tensor("negative offset", """{"data_offsets":[-8,0]}""", "data_offsets[0]", "-8");
        yield return Tensor("offsets end before they begin", """{"dtype":"F32","shape":[2],"data_offsets":[8,0]}""", "[8, 0]");
        yield return Tensor("offsets beyond the data", """{"dtype":"F32","shape":[3],"data_offsets":[0,12]}""", "[0, 12]", "8 bytes");
        yield return Tensor("offsets far beyond the data", """{"dtype":"U8","shape":[99999999999999],"data_offsets":[0,99999999999999]}""",
            "8 bytes");
        yield return Tensor("bytes do not match the shape", """{"dtype":"F32","shape":[3],"data_offsets":[0,8]}""",
            "F32 [3] takes 12 bytes", "[0, 8] hold 8");
        yield return Tensor("empty shape, but bytes", """{"dtype":"F32","shape":[2,0],"data_offsets":[0,8]}""", "takes 0 bytes");
        yield return Header("overlap", $$$"""{"a":{{{A}}},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""",
                "\"b\"", "byte 4", "\"a\"", "byte 8");
        yield return Header("the same bytes twice", $$"""{"a":{{A}},"b":{{A}}}""", "\"b\"", "\"a\"", "overlap");
        yield return Header("empty tensor inside another", $$$"""{"a":{{{A}}},"b":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}""",
                "\"b\"", "\"a\"");
        yield return Tensor("hole at the front", """{"dtype":"U8","shape":[4],"data_offsets":[4,8]}""", "byte 4", "bytes 0 to 4");
        yield return Header("hole in the middle",
            """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}}""",
            "\"b\"", "bytes 2 to 3");
        yield return Case("trailing bytes", File($$"""{"a":{{A}}}""", 9), "end at byte 8 of 9");
        yield return Case("data, but no tensors", File("{}", 5), "end at byte 0 of 5");
        yield return Case("data cut short", File($$"""{"a":{{A}}}""", 7), "tensor \"a\"", "7 bytes", "cut short");
        yield return Header("metadata is no object", """{"__metadata__":"x"}""", "__metadata__", "object", "a string");
        yield return Header("metadata is null", """{"__metadata__":null}""", "__metadata__", "object", "null");
        yield return Header("metadata value is a number", """{"__metadata__":{"k":1}}""", "__metadata__ \"k\"", "string", "found 1");
        yield return Header("metadata value is an object", """{"__metadata__":{"k":{}}}""", "__metadata__ \"k\"", "string", "an object");
        yield return Header("long name", $$"""{"{{new string('n', 100_000)}}":0}""", "tensor \"nnn", "(100000 characters)");
        yield return Header("control characters in a name", """{"a\n\u001b[2J":0}""", "tensor \"a\\n\\u001B[2J\"");
        yield return Header("long number", """{"a":{"shape":[1""" + new string('0', 100_000) + "]}}", "tensor \"a\"", "shape[0]");
        yield return Header("long literal", """{"a":t""" + new string('r', 100_000), "JSON");
    }

    [TestCaseSource(nameof(Faults))]
    public void AFaultIsRefusedWithItsPlace(byte[] bytes, string[] parts)
    {
        CheckpointException error = Assert.Throws<CheckpointException>(() => SafetensorsFile.Parse(bytes, "runs/model.safetensors"))!;
        Assert.That(error.Message, Does.StartWith("runs/model.safetensors: "));
        foreach (string part in parts) Assert.That(error.Message, Does.Contain(part));
        Assert.That(error.Message, Has.Length.LessThan(500), "a message is for reading, whatever the file contains");
        Assert.That(error.Message, Does.Not.Match("[\0-\u001f]"), "nor does it steer a terminal");
    }

    [TestCaseSource(nameof(Faults))]
    public void AFaultOnDiskIsRefusedTheSameWay(byte[] bytes, string[] parts)
    {
        using Scratch scratch = new();
        string path = scratch["model.safetensors"];
        System.IO.File.WriteAllBytes(path, bytes);
        CheckpointException error = Assert.Throws<CheckpointException>(() => SafetensorsFile.Read(path))!;
        Assert.That(error.Message, Does.StartWith(path + ": "));
        foreach (string part in parts) Assert.That(error.Message, Does.Contain(part));
    }

    [Test]
    public void EveryTruncationIsRefused()
    {
        byte[] whole = File($$"""{"__metadata__":{"k":"v"},"a":{{A}}}   """, 8);
        Assert.That(SafetensorsFile.Parse(whole, "f").Entries, Has.Count.EqualTo(1));
        for (int length = 0; length < whole.Length; length++)
            Assert.That(() => SafetensorsFile.Parse(whole.AsMemory(0, length), "f"), Refused, $"{length} bytes");
    }

    [Test]
    public void AHeaderBeyondTheFormatsLimitIsRefusedUnread()
    {
        using Scratch scratch = new();
        string path = scratch["huge.safetensors"];
        using (FileStream stream = new(path, FileMode.CreateNew))
        {
            stream.Write(Announcing(200_000_000, 8));
            stream.SetLength(200_000_008);
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => SafetensorsFile.Read(path), Refused.With.Message.StartsWith(path).And.Message.Contains("200000000 bytes"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1_000_000));
    }

    [Test]
    public void AMissingFileIsNamed()
    {
        using Scratch scratch = new();
        foreach (string path in new[] { scratch["none.safetensors"], scratch["nowhere/none.safetensors"] })
            Assert.That(() => SafetensorsFile.Read(path), Refused.With.Message.EqualTo($"{path}: there is no such file."));
        Assert.That(() => SafetensorsFile.Read(""), Throws.ArgumentException);
    }

    [Test]
    public void AFolderIsNoFile()
    {
        using Scratch scratch = new();
        Assert.That(() => SafetensorsFile.Read(scratch.Folder),
            Refused.With.Message.EqualTo($"{scratch.Folder}: cannot be read: it is a folder."));
    }

    [Test]
    public void AnUnreadableFileIsNamed()
    {
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess) Assert.Ignore("Files are not unreadable here, for this user.");
        using Scratch scratch = new();
        string path = scratch["secret.safetensors"];
        System.IO.File.WriteAllBytes(path, File("{}", 0));
        if (!OperatingSystem.IsWindows()) System.IO.File.SetUnixFileMode(path, UnixFileMode.None);
        Assert.That(() => SafetensorsFile.Read(path), Refused.With.Message.StartsWith($"{path}: cannot be read: "));
    }
}
