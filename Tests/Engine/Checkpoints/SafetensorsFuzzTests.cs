using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using NeuralMemory.Checkpoints;
using NUnit.Framework;
using static NeuralMemory.Tests.Checkpoints.SafetensorsRoundTripTests;

namespace NeuralMemory.Tests.Checkpoints;

/// <summary>Whatever bytes come, reading ends in a sound file or a <see cref="CheckpointException"/>, soon and in little memory.</summary>
[TestFixture]
public sealed class SafetensorsFuzzTests
{
    const int Files = 100_000;

    // What a parse may allocate, garbage included. The densest that a header can say is a shape of zeros: 2 bytes of text become 8 in a
    // list that doubles, 16 to 32 in all, and 8 in the array that stays: 12 to 20 times the text. A metadata pair of 8 bytes becomes a
    // string and a slot in a table that doubles (13 times, measured), a tensor of 50 bytes a declaration, an entry, their texts and the
    // slots (10 times). The constant is for failing: two exceptions with message and trace, about 6000 bytes.
    const int BytesPerByte = 24, BytesAtLeast = 12_288;

    static readonly string[] Tokens =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "0", "-1", "1e9", "1.5", "-0", "00", "7", "8", "9223372036854775807",
        "99999999999999999999", "{}", "[]", "[[", "\"F32\"", "\"F64\"", "\"BOOL\"", "\"F8_E5M2\"", "\"dtype\"", "\"shape\"",
        "\"data_offsets\"", "\"__metadata__\"", "\"__metadata__\":{},", "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},",
        "\\ud800", "\\u0000", " ", "\n", "\0", "é", "🧠", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", "4294967296,4294967296",
    ];

    static byte[][] Seeds()
    {
        SafetensorsWriter model = new();
        model.SetMetadata("step", "100");
        model.SetMetadata("Ünïcode", "🧠");
        model.Add("weight", [2, 3], new[] { 1f, 2, 3, 4, 5, 6 });
        model.Add("bias", [2], new double[2]);
        model.Add("step", [], new long[1]);
        model.Add("空", [0, 7], ReadOnlyMemory<int>.Empty);
        SafetensorsWriter types = new();
        foreach (SafetensorsType type in Enum.GetValues<SafetensorsType>())
            types.Add($"tensor.{type}", type, [2], new byte[2 * Safetensors.Size(type)]);
        return [Bytes(new()), Bytes(model), Bytes(types), File.ReadAllBytes(Scratch.Golden("matmul_2d"))];
    }

    static byte[] Mutate(byte[] seed, byte[][] seeds, Random random)
    {
        List<byte> bytes = [.. seed];
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(seed);
        for (int edits = random.Next(1, 4); edits > 0 && bytes.Count > 0; edits--)
        {
            int at = random.Next(bytes.Count), inHeader = Math.Min(8 + random.Next(Math.Max(header, 1)), bytes.Count), length = bytes.Count;
            switch (random.Next(8))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[Math.Min(inHeader, length - 1)] = (byte)random.Next(256); break;
                case 2: bytes.RemoveRange(at, Math.Min(random.Next(1, 40), length - at)); break;
                case 3: bytes.RemoveRange(at, length - at); break;
                case 4:
                    byte[] donor = seeds[random.Next(seeds.Length)];
                    int from = random.Next(donor.Length);
                    bytes.InsertRange(at, donor[from..random.Next(from, donor.Length)]);
                    break;
                case 5:
                    bytes.InsertRange(inHeader, Encoding.UTF8.GetBytes(Tokens[random.Next(Tokens.Length)]));
                    break;
                case 6:
                    bytes.RemoveRange(inHeader, Math.Min(random.Next(1, 8), length - inHeader));
                    bytes.InsertRange(inHeader, Encoding.UTF8.GetBytes(Tokens[random.Next(Tokens.Length)]));
                    break;
                case 7:
                    // A number for another one, so that the file stays well-formed and only its meaning is wrong.
                    int digit = bytes.FindIndex(inHeader, value => value is >= (byte)'0' and <= (byte)'9');
                    if (digit >= 0) bytes[digit] = (byte)('0' + random.Next(10));
                    break;
            }
            // The header has changed its length: left at times, but mended mostly, or the JSON would never be looked at.
            if (random.Next(4) > 0) header += bytes.Count - length;
        }
        byte[] file = [.. bytes];
        if (file.Length >= 8)
            BinaryPrimitives.WriteInt64LittleEndian(file, random.Next(20) switch
            {
                0 => random.NextInt64(long.MinValue, long.MaxValue),
                1 => random.Next(file.Length + 16),
                2 => BinaryPrimitives.ReadInt64LittleEndian(file),
                _ => header,
            });
        return file;
    }

    [Test]
    public void MutatedFilesAreReadOrRefused()
    {
        byte[][] seeds = Seeds();
        Random random = new(20240607);
        // Types are loaded and resources looked up before anything is counted.
        foreach (string header in new[] { "{", "[", "{}", "{\"a\":{\"shape\":[-1]}}" })
            TryParse(SafetensorsFaultTests.File(header, 0), out _);

        Stopwatch clock = Stopwatch.StartNew();
        int read = 0;
        double worst = 0;
        Dictionary<string, int> refused = [];
        for (int i = 0; i < Files; i++)
        {
            byte[] bytes = Mutate(seeds[random.Next(seeds.Length)], seeds, random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            SafetensorsFile? file = TryParse(bytes, out string message);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            worst = Math.Max(worst, (double)allocated / (BytesPerByte * bytes.Length + BytesAtLeast));
            if (allocated > BytesPerByte * bytes.Length + BytesAtLeast)
                Assert.Fail($"file {i}: {allocated} bytes allocated for {bytes.Length}: {message}");
            if (file is null)
            {
                if (!message.StartsWith("fuzz: ", StringComparison.Ordinal) || message.Length > 500) Assert.Fail($"file {i}: {message}");
                string kind = Regex.Replace(message, "\".*\"|[^a-z ]", "");
                refused[kind] = refused.GetValueOrDefault(kind) + 1;
                continue;
            }
            read++;
            Use(file, bytes.Length);
        }
        TestContext.Out.WriteLine($"{read} read, {Files - read} refused in {refused.Count} ways, {clock.Elapsed.TotalSeconds:F1} s, "
            + $"at most {worst:P0} of the memory allowed");
        Assert.That(read, Is.InRange(Files / 100, Files / 2), "the mutations reach both ends");
        Assert.That(refused, Has.Count.GreaterThan(20), "and many checks");
        Assert.That(clock.Elapsed, Is.LessThan(TimeSpan.FromSeconds(30)));
    }

    [TestCase("zeros")]
    [TestCase("tensors")]
    [TestCase("metadata")]
    [TestCase("digits")]
    [TestCase("escapes")]
    public void DenseHeadersTakeMemoryInProportion(string kind)
    {
        const int count = 20_000;
        string Repeat(Func<int, string> part) => string.Join(',', Enumerable.Range(0, count).Select(part));
        string header = kind switch
        {
            "zeros" => """{"a":{"dtype":"U8","data_offsets":[0,0],"shape":[""" + Repeat(_ => "0") + "]}}",
            "tensors" => "{" + Repeat(i => $$"""
                "{{i:x}}":{"dtype":"U8","shape":[],"data_offsets":[{{i}},{{i + 1}}]}
                """) + "}",
            "metadata" => """{"__metadata__":{""" + Repeat(i => $"\"{i:x}\":\"\"") + "}}",
            "digits" => """{"a":{"shape":[""" + new string('9', count) + "]}}",
            _ => "{\"" + string.Concat(Enumerable.Repeat("\\u001b", count)) + "\":0}",
        };
        byte[] bytes = SafetensorsFaultTests.File(header, kind == "tensors" ? count : 0);
        TryParse(bytes, out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        TryParse(bytes, out string message);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        TestContext.Out.WriteLine($"{(double)allocated / bytes.Length:F1} times the file; {message}");
        Assert.That(allocated, Is.LessThan((long)BytesPerByte * bytes.Length + BytesAtLeast));
    }

    static SafetensorsFile? TryParse(byte[] bytes, out string message)
    {
        message = "";
        try
        {
            return SafetensorsFile.Parse(bytes, "fuzz");
        }
        catch (CheckpointException e)
        {
            message = e.Message;
            return null;
        }
    }

    // What was accepted is sound: its tensors are as long as they say, lie within the file, and can be read.
    static void Use(SafetensorsFile file, int fileLength)
    {
        long total = 0;
        foreach (SafetensorsEntry entry in file.Entries)
        {
            total += entry.Bytes.Length;
            double[] values = new double[entry.Count];
            try { entry.CopyTo(values); }
            catch (CheckpointException) when (entry.Type == SafetensorsType.BOOL) { }
            try { entry.CopyTo(new int[entry.Count]); }
            catch (CheckpointException) { }
            if (!ReferenceEquals(file[entry.Name], entry)) Assert.Fail($"{entry} is not found by its name");
        }
        if (total > fileLength - 10) Assert.Fail("more data than file");
    }
}
