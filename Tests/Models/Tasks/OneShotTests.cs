using System.Buffers.Binary;
using System.IO.Compression;
using NeuralMemory.Tasks;
using NeuralMemory.Tests.Checkpoints;

namespace NeuralMemory.Tests.Models.Tasks;

public class OneShotTests
{
    [Test]
    public void Each_sample_comes_with_the_label_of_the_one_before()
    {
        PrototypeTask task = new(width: 6, classes: 3, length: 12);
        using var _ = Tape.Step();
        OneShotEpisode episode = task.Next(new Philox(1), 4);
        Assert.That((task.InputWidth, episode.Inputs.Shape, episode.Labels.Shape), Is.EqualTo((9, new Shape([12, 4, 9]), new Shape([12, 4]))));
        int[] labels = episode.Labels.ToArray<int>(), presentations = episode.Presentations.ToArray<int>();
        for (int b = 0; b < 4; b++)
        {
            int[] own = [.. Enumerable.Range(0, 12).Select(t => labels[t * 4 + b])];
            for (int t = 0; t < 12; t++)
            {
                float[] label = new float[3];
                if (t > 0) label[own[t - 1]] = 1;
                Assert.That(episode.Inputs.Select(0, t).Select(0, b).ToArray()[6..], Is.EqualTo(label));
                Assert.That(presentations[t * 4 + b], Is.EqualTo(own[..(t + 1)].Count(l => l == own[t])));
            }
            Assert.That(own.CountBy(l => l).Select(c => c.Value), Is.All.EqualTo(4), "as many of each class");
        }
    }

    [Test]
    public void Samples_are_their_prototypes_but_for_the_bits_flipped()
    {
        foreach (double flips in (double[])[0, .08])
        {
            PrototypeTask task = new(width: 400, classes: 2, length: 20, flips);
            using var _ = Tape.Step();
            OneShotEpisode episode = task.Next(new Philox(3), 1);
            float[][] samples = [.. Enumerable.Range(0, 20).Select(t => episode.Inputs.Select(0, t).Select(0, 0).ToArray()[..400])];
            int[] labels = episode.Labels.ToArray<int>();
            Assert.That(samples.SelectMany(s => s), Is.All.Matches<float>(bit => bit is -1 or 1));
            double Differ(bool same) => (from i in Enumerable.Range(0, 20) from j in Enumerable.Range(0, i) where labels[i] == labels[j] == same select samples[i].Zip(samples[j]).Average(p => p.First == p.Second ? 0.0 : 1)).Average();
            Assert.That(Differ(same: true), Is.EqualTo(2 * flips * (1 - flips)).Within(.02));
            Assert.That(Differ(same: false), Is.EqualTo(.5).Within(.1));
        }
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        foreach (Action bad in (Action[])[() => new PrototypeTask(0), () => new PrototypeTask(4, 1), () => new PrototypeTask(4, 5, 12), () => new PrototypeTask(4, flips: .6), () => new PrototypeTask(4, flips: double.NaN)])
            Assert.That(bad, Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new PrototypeTask().Next(new Philox(1), 0), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    /// <summary>A grey image of one bit a pixel, each row by another filter.</summary>
    internal static byte[] Image(int side, Func<int, int, bool> white, int depth = 1, byte colour = 0)
    {
        int stride = (side + 7) / 8;
        byte[] raw = new byte[stride * side], rows = new byte[(stride + 1) * side];
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                if (white(x, y)) raw[y * stride + x / 8] |= (byte)(128 >> x % 8);
        for (int y = 0; y < side; y++)
        {
            int filter = y % 5;
            rows[y * (stride + 1)] = (byte)filter;
            for (int i = 0; i < stride; i++)
            {
                int a = i > 0 ? raw[y * stride + i - 1] : 0, b = y > 0 ? raw[(y - 1) * stride + i] : 0, c = i > 0 && y > 0 ? raw[(y - 1) * stride + i - 1] : 0, p = a + b - c;
                int paeth = Math.Abs(p - a) <= Math.Abs(p - b) && Math.Abs(p - a) <= Math.Abs(p - c) ? a : Math.Abs(p - b) <= Math.Abs(p - c) ? b : c;
                rows[y * (stride + 1) + 1 + i] = (byte)(raw[y * stride + i] - (filter switch { 0 => 0, 1 => a, 2 => b, 3 => (a + b) / 2, _ => paeth }));
            }
        }
        using MemoryStream file = new(), packed = new();
        using (ZLibStream z = new(packed, CompressionLevel.Optimal, leaveOpen: true)) z.Write(rows);
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, side);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), side);
        (header[8], header[9]) = ((byte)depth, colour);
        file.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        Chunk("IHDR", header);
        Chunk("IDAT", packed.ToArray());
        Chunk("IEND", []);
        return file.ToArray();

        void Chunk(string type, byte[] data)
        {
            byte[] body = [.. System.Text.Encoding.ASCII.GetBytes(type), .. data], number = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
            file.Write(number);
            file.Write(body);
            uint crc = ~0u;
            foreach (byte x in body)
            {
                crc ^= x;
                for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (0xEDB88320 & (uint)-(int)(crc & 1));
            }
            BinaryPrimitives.WriteUInt32BigEndian(number, ~crc);
            file.Write(number);
        }
    }

    internal static void Zip(string path, params (string Name, byte[] Bytes)[] entries)
    {
        using ZipArchive zip = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach ((string name, byte[] bytes) in entries)
            using (Stream stream = zip.CreateEntry(name).Open()) stream.Write(bytes);
    }

    /// <summary>Ink on the left half in one character, on the upper half in the other, in two drawings each.</summary>
    static Omniglot Halves(Scratch scratch)
    {
        byte[] left = Image(40, (x, _) => x >= 20), top = Image(40, (_, y) => y >= 20);
        Zip(scratch["one.zip"], ("set/", []), ("set/A/c1/1.png", left), ("set/A/c1/2.png", left), ("set/A/c2/1.png", top));
        Zip(scratch["two.zip"], ("set/A/c2/1.png", top), ("set/A/c2/2.png", top));
        return Omniglot.Read(scratch.Folder);
    }

    [Test]
    public void Drawings_are_read_from_zip_files_and_shrunk_to_ink()
    {
        using Scratch scratch = new();
        Omniglot omniglot = Halves(scratch);
        Assert.That(omniglot.Names, Is.EqualTo(new[] { "A/c1", "A/c2" }));
        Assert.That(omniglot.Drawings.Select(d => d.Length), Is.EqualTo(new[] { 2, 2 }), "each drawing once");
        for (int y = 0; y < 20; y++)
            for (int x = 0; x < 20; x++)
                Assert.That((omniglot.Drawings[0][0][y * 20 + x], omniglot.Drawings[1][1][y * 20 + x]), Is.EqualTo((x < 10 ? 1f : 0f, y < 10 ? 1f : 0f)));

        Zip(scratch["odd.zip"], ("set/B/c/1.png", Image(105, (x, _) => x >= 21)));
        float[] odd = Omniglot.Read(scratch["odd.zip"]).Drawings[0][0];
        Assert.That(odd[..5], Is.EqualTo(new float[] { 1, 1, 1, 1, 0 }).Within(1e-5), "21 of 105 columns are 4 of 20");
        Assert.That(odd.Sum(), Is.EqualTo(80).Within(1e-3));
    }

    [Test]
    public void Quarter_turns_make_classes()
    {
        using Scratch scratch = new();
        OmniglotTask task = new(Halves(scratch), [0], disturbed: false, classes: 4, length: 8);
        using var _ = Tape.Step();
        OneShotEpisode episode = task.Next(new Philox(1), 1);
        int[] labels = episode.Labels.ToArray<int>();
        string[] samples = [.. Enumerable.Range(0, 8).Select(t => string.Join("", episode.Inputs.Select(0, t).Select(0, 0).ToArray()[..400].Select(ink => (int)Math.Round(ink))))];
        Assert.That(samples.Distinct().Count(), Is.EqualTo(4));
        for (int t = 0; t < 8; t++) Assert.That(samples[t], Is.EqualTo(samples[Array.IndexOf(labels, labels[t])]));
        Assert.That(samples.Select(s => s.Count(c => c == '1')), Is.All.EqualTo(200), "all ink is still there");
    }

    /// <summary>A drawing shown again would be known by itself, and not as one of its class.</summary>
    [Test]
    public void No_drawing_of_a_class_is_shown_twice_in_an_episode()
    {
        using Scratch scratch = new();
        Zip(scratch["one.zip"], [.. Enumerable.Range(1, 10).Select(d => ($"set/A/c/{d}.png", Image(20, (x, _) => x >= d)))]);
        OmniglotTask task = new(Omniglot.Read(scratch.Folder), [0], disturbed: false, classes: 4, length: 40);
        Philox random = new(1);
        for (int episodes = 0; episodes < 3; episodes++)
            using (Tape.Step())
            {
                OneShotEpisode episode = task.Next(random, 2);
                int[] labels = episode.Labels.ToArray<int>();
                for (int b = 0; b < 2; b++)
                    Assert.That(Enumerable.Range(0, 40).Select(t => (labels[t * 2 + b], string.Join("", episode.Inputs.Select(0, t).Select(0, b).ToArray()[..400].Select(ink => (int)Math.Round(ink))))),
                        Is.Unique);
            }
        Assert.That(() => new OmniglotTask(Omniglot.Read(scratch.Folder), [0], disturbed: false, classes: 4, length: 44), Throws.ArgumentException.With.Message.Contains("A/c has 10 drawings").And.Message.Contains("11"));
    }

    [Test]
    public void Damaged_files_are_named()
    {
        using Scratch scratch = new();
        string path = scratch["bad.zip"];
        byte[] good = Image(40, (x, y) => x == y);
        Refused<FileNotFoundException>(path, "there is no such file");
        File.WriteAllBytes(path, []);
        Refused<InvalidDataException>(path, "empty");
        File.WriteAllText(path, "this is not a zip file");
        Refused<InvalidDataException>(path, "no zip file, or damaged");

        Refused<InvalidDataException>(With(("readme.txt", good)), "there are no entries");
        Refused<InvalidDataException>(With(("s/a/c/1.png", [1, 2, 3])), "s/a/c/1.png", "does not begin");
        Refused<InvalidDataException>(With(("s/a/c/1.png", good[..^5])), "s/a/c/1.png", "ends at byte");
        Refused<InvalidDataException>(With(("s/a/c/1.png", good[..^20])), "s/a/c/1.png", "more than are left");
        byte[] flipped = [.. good];
        flipped[50] ^= 1;
        Refused<InvalidDataException>(With(("s/a/c/1.png", flipped)), "s/a/c/1.png", "checksum");
        Refused<InvalidDataException>(With(("s/a/c/1.png", Image(40, (_, _) => true, depth: 8, colour: 2))), "s/a/c/1.png", "colour type 2");

        byte[] zip = File.ReadAllBytes(With(("s/a/c/1.png", good)));
        File.WriteAllBytes(path, zip[..(zip.Length - 30)]);
        Refused<InvalidDataException>(path, "no zip file, or damaged");
        Refused<FileNotFoundException>(Directory.CreateDirectory(scratch["none"]).FullName, "no zip file in this folder");

        string With(params (string, byte[])[] entries)
        {
            string file = scratch[$"{Guid.NewGuid()}.zip"];
            Zip(file, entries);
            return file;
        }

        static void Refused<TException>(string file, params string[] parts) where TException : Exception
        {
            Exception e = Assert.Throws<TException>(() => Omniglot.Read(file))!;
            Assert.That(e.Message, Does.StartWith(file));
            foreach (string part in parts) Assert.That(e.Message, Does.Contain(part));
        }
    }
}
