using System.IO.Compression;

namespace NeuralMemory.Tasks;

/// <summary>
/// The handwritten characters of Omniglot (Lake, Salakhutdinov and Tenenbaum 2015), 20 drawings of each, read from zip files whose entries are
/// <c>SET/ALPHABET/CHARACTER/DRAWING.png</c>. Ink is 1 and paper 0; every drawing is shrunk to 20 x 20 pixels, as in Santoro et al. 2016.
/// </summary>
public sealed class Omniglot
{
    /// <summary>Pixels of a side of a shrunk drawing.</summary>
    public const int Side = 20;

    Omniglot(string[] names, float[][][] drawings) => (Names, Drawings) = (names, drawings);

    /// <summary>Every character, as ALPHABET/CHARACTER, in the order of their names.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The drawings of each character, <see cref="Side"/> rows of as many pixels.</summary>
    public IReadOnlyList<float[][]> Drawings { get; }

    /// <summary>Reads a zip file, or all of a folder. A character that several hold is taken once.</summary>
    /// <exception cref="FileNotFoundException">There is no such file, or no zip file in the folder.</exception>
    /// <exception cref="InvalidDataException">A file is empty or damaged, or holds no drawings; the message names it and the entry.</exception>
    public static Omniglot Read(string path)
    {
        string[] files = Directory.Exists(path) ? [.. Directory.GetFiles(path, "*.zip").Order(StringComparer.Ordinal)] : [path];
        if (files.Length == 0) throw new FileNotFoundException($"{path}: there is no zip file in this folder; one with Omniglot's drawings was expected.", path);
        SortedDictionary<string, SortedDictionary<string, float[]>> characters = new(StringComparer.Ordinal);
        foreach (string file in files) ReadZip(file, characters);
        return new([.. characters.Keys], [.. characters.Values.Select(drawings => drawings.Values.ToArray())]);
    }

    static void ReadZip(string file, SortedDictionary<string, SortedDictionary<string, float[]>> characters)
    {
        if (!File.Exists(file)) throw new FileNotFoundException($"{file}: there is no such file; a zip file with Omniglot's drawings was expected.", file);
        if (new FileInfo(file).Length == 0) throw new InvalidDataException($"{file}: the file is empty; a zip file with Omniglot's drawings was expected.");
        int found = 0;
        try
        {
            using ZipArchive zip = ZipFile.OpenRead(file);
            foreach (ZipArchiveEntry entry in zip.Entries)
            {
                string[] parts = entry.FullName.Split('/');
                if (parts.Length != 4 || !parts[3].EndsWith(".png", StringComparison.OrdinalIgnoreCase)) continue;
                found++;
                string name = $"{parts[1]}/{parts[2]}";
                if (!characters.TryGetValue(name, out SortedDictionary<string, float[]>? drawings)) characters[name] = drawings = new(StringComparer.Ordinal);
                if (drawings.ContainsKey(parts[3])) continue;
                drawings[parts[3]] = Shrink(Png.Read(Bytes(file, entry), $"{file}: {entry.FullName}"), Side);
            }
        }
        catch (InvalidDataException e) when (!e.Message.StartsWith(file, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{file}: it is no zip file, or damaged: {e.Message}", e);
        }
        if (found == 0) throw new InvalidDataException($"{file}: there are no entries SET/ALPHABET/CHARACTER/DRAWING.png in it; Omniglot's drawings were expected.");
    }

    static byte[] Bytes(string file, ZipArchiveEntry entry)
    {
        try
        {
            using Stream stream = entry.Open();
            using MemoryStream bytes = new();
            stream.CopyTo(bytes);
            return bytes.ToArray();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{file}: {entry.FullName} is damaged: {e.Message}", e);
        }
    }

    /// <summary>The share of ink in each of side x side cells, a pixel on the edge of a cell counting to each by its area.</summary>
    static float[] Shrink((int Width, int Height, float[] Pixels) image, int side)
    {
        float[] shrunk = new float[side * side];
        double cellWidth = (double)image.Width / side, cellHeight = (double)image.Height / side;
        for (int y = 0; y < image.Height; y++)
            for (int x = 0; x < image.Width; x++)
            {
                float ink = 1 - image.Pixels[y * image.Width + x];
                if (ink == 0) continue;
                for (int row = (int)(y / cellHeight); row < side && row * cellHeight < y + 1; row++)
                    for (int column = (int)(x / cellWidth); column < side && column * cellWidth < x + 1; column++)
                    {
                        double height = Math.Min(y + 1, (row + 1) * cellHeight) - Math.Max(y, row * cellHeight), width = Math.Min(x + 1, (column + 1) * cellWidth) - Math.Max(x, column * cellWidth);
                        shrunk[row * side + column] += (float)(ink * height * width / (cellHeight * cellWidth));
                    }
            }
        return shrunk;
    }
}

/// <summary>
/// Classes are characters of Omniglot, each turned by 0, 90, 180 or 270 degrees, which makes it another class; samples are drawings of it, in training moved by up to
/// a pixel and a half and turned by up to pi/16 (Santoro et al. 2016, section 4.1). No drawing of a class is shown twice in an episode: what is to be named is always a new one.
/// </summary>
/// <param name="omniglot">The drawings.</param>
/// <param name="characters">Which characters: numbers of <see cref="Omniglot.Names"/>.</param>
/// <param name="disturbed">Whether drawings are moved and turned a little.</param>
/// <param name="classes">Classes of an episode.</param>
/// <param name="length">Samples of an episode.</param>
/// <exception cref="ArgumentException">The characters are too few for the classes, or one has too few drawings for an episode.</exception>
public sealed class OmniglotTask(Omniglot omniglot, IReadOnlyList<int> characters, bool disturbed, int classes = 5, int length = 50)
    : OneShotTask(Omniglot.Side * Omniglot.Side, classes, length)
{
    readonly int[] chosen = Enough(omniglot, [.. characters], classes, length / classes);
    readonly (int Character, int Quarter)[] shown = new (int, int)[classes];
    readonly int[][] left = [.. Enumerable.Range(0, classes).Select(_ => new int[characters.Max(c => omniglot.Drawings[c].Length)])];
    readonly int[] leftCount = new int[classes];

    static int[] Enough(Omniglot omniglot, int[] characters, int classes, int drawings)
    {
        if (characters.Length * 4 < classes) throw new ArgumentException($"{characters.Length} characters in four directions for {classes} classes.", nameof(characters));
        foreach (int c in characters)
            if (omniglot.Drawings[c].Length < drawings)
                throw new ArgumentException($"{omniglot.Names[c]} has {omniglot.Drawings[c].Length} drawings, but an episode shows {drawings} of a class, none of them twice.", nameof(characters));
        return characters;
    }

    /// <summary>How many characters there are.</summary>
    public int Characters => chosen.Length;

    /// <inheritdoc/>
    public override string Name => "omniglot";

    private protected override void Begin(Philox random)
    {
        for (int i = 0; i < shown.Length;)
        {
            shown[i] = (chosen[random.Next(0, chosen.Length)], random.Next(0, 4));
            if (Array.IndexOf(shown, shown[i]) == i) i++;                              // else drawn before, and drawn again
        }
        for (int i = 0; i < shown.Length; i++)
        {
            leftCount[i] = omniglot.Drawings[shown[i].Character].Length;
            for (int j = 0; j < leftCount[i]; j++) left[i][j] = j;
        }
    }

    private protected override void Draw(int which, Philox random, Span<float> sample)
    {
        (int character, int quarter) = shown[which];
        ref int drawn = ref left[which][random.Next(0, leftCount[which])];
        float[] drawing = omniglot.Drawings[character][drawn];
        drawn = left[which][--leftCount[which]];                                        // the last one that is left takes its place
        double angle = quarter * Math.PI / 2, dx = 0, dy = 0;
        if (disturbed)
        {
            angle += (2 * random.NextDouble() - 1) * Math.PI / 16;
            (dx, dy) = (3 * random.NextDouble() - 1.5, 3 * random.NextDouble() - 1.5);
        }
        const double centre = (Omniglot.Side - 1) / 2.0;
        (double sin, double cos) = Math.SinCos(angle);
        for (int y = 0; y < Omniglot.Side; y++)
            for (int x = 0; x < Omniglot.Side; x++)
            {
                double u = x - centre - dx, v = y - centre - dy;
                sample[y * Omniglot.Side + x] = At(drawing, cos * u + sin * v + centre, cos * v - sin * u + centre);
            }
    }

    /// <summary>The ink between pixels, by straight lines; paper outside.</summary>
    static float At(float[] drawing, double x, double y)
    {
        int left = (int)Math.Floor(x), top = (int)Math.Floor(y);
        float right = (float)(x - left), down = (float)(y - top);
        return (1 - down) * ((1 - right) * Pixel(left, top) + right * Pixel(left + 1, top)) + down * ((1 - right) * Pixel(left, top + 1) + right * Pixel(left + 1, top + 1));

        float Pixel(int column, int row) => (uint)column < Omniglot.Side && (uint)row < Omniglot.Side ? drawing[row * Omniglot.Side + column] : 0;
    }
}
