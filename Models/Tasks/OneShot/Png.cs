using System.Buffers.Binary;
using System.IO.Compression;

namespace NeuralMemory.Tasks;

/// <summary>Reads the PNG images (ISO/IEC 15948) that line drawings come as: grey, 1 or 8 bits a pixel, not interlaced.</summary>
static class Png
{
    static readonly byte[] signature = [0x89, .. "PNG\r\n"u8, 0x1A, (byte)'\n'];

    /// <summary>The image's pixels from 0, black, to 1, white, row after row.</summary>
    /// <param name="file">The bytes of the file.</param>
    /// <param name="name">What it is called, for errors.</param>
    /// <exception cref="InvalidDataException">It is damaged, no PNG, or of a kind that is not read.</exception>
    public static (int Width, int Height, float[] Pixels) Read(ReadOnlySpan<byte> file, string name)
    {
        if (!file.StartsWith(signature)) throw Bad("it does not begin as a PNG image does");
        int width = 0, height = 0, depth = 0;
        using MemoryStream compressed = new();
        for (int at = 8; ;)
        {
            if (file.Length - at < 12) throw Bad($"it ends at byte {file.Length}, within a chunk; its end was expected in a chunk IEND");
            uint length = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
            if (length > file.Length - at - 12) throw Bad($"the chunk at byte {at} is {length} bytes long, more than are left");
            ReadOnlySpan<byte> type = file.Slice(at + 4, 4), data = file.Slice(at + 8, (int)length);
            if (Crc(file.Slice(at + 4, 4 + (int)length)) != BinaryPrimitives.ReadUInt32BigEndian(file[(at + 8 + (int)length)..])) throw Bad($"the checksum of the chunk at byte {at} is wrong");
            if (type.SequenceEqual("IHDR"u8))
            {
                if (length != 13) throw Bad($"its header is {length} bytes long; 13 were expected");
                (width, height, depth) = (BinaryPrimitives.ReadInt32BigEndian(data), BinaryPrimitives.ReadInt32BigEndian(data[4..]), data[8]);
                if (width is < 1 or > 4096 || height is < 1 or > 4096) throw Bad($"it is {width} x {height} pixels; 1 to 4096 were expected");
                if (depth is not (1 or 8) || data[9] != 0 || data[12] != 0) throw Bad($"{depth} bits, colour type {data[9]}, interlace {data[12]}; grey of 1 or 8 bits, not interlaced, was expected");
            }
            else if (type.SequenceEqual("IDAT"u8)) compressed.Write(data);
            else if (type.SequenceEqual("IEND"u8)) break;
            at += 12 + (int)length;
        }
        if (width == 0) throw Bad("it has no header");
        int stride = (width * depth + 7) / 8;
        byte[] rows = new byte[height * (stride + 1)];
        compressed.Position = 0;
        try
        {
            using ZLibStream inflated = new(compressed, CompressionMode.Decompress);
            inflated.ReadExactly(rows);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new InvalidDataException($"{name}: its pixels cannot be decompressed: {e.Message}", e);
        }
        float[] pixels = new float[width * height];
        Span<byte> previous = new byte[stride];
        for (int y = 0; y < height; y++)
        {
            Span<byte> row = rows.AsSpan(y * (stride + 1) + 1, stride);
            Unfilter(rows[y * (stride + 1)], row, previous);
            for (int x = 0; x < width; x++) pixels[y * width + x] = depth == 8 ? row[x] / 255f : row[x / 8] >> (7 - x % 8) & 1;
            previous = row;
        }
        return (width, height, pixels);

        InvalidDataException Bad(string what) => new($"{name}: {what}.");

        // Section 9 of the standard; a pixel is one byte or less.
        void Unfilter(byte filter, Span<byte> row, ReadOnlySpan<byte> above)
        {
            for (int i = 0; i < row.Length; i++)
            {
                int left = i > 0 ? row[i - 1] : 0, up = above[i], corner = i > 0 ? above[i - 1] : 0;
                row[i] += (byte)(filter switch
                {
                    0 => 0,
                    1 => left,
                    2 => up,
                    3 => (left + up) / 2,
                    4 => Paeth(left, up, corner),
                    _ => throw Bad($"a row has filter {filter}; 0 to 4 was expected"),
                });
            }
        }
    }

    static int Paeth(int left, int up, int corner)
    {
        int p = left + up - corner, a = Math.Abs(p - left), b = Math.Abs(p - up), c = Math.Abs(p - corner);
        return a <= b && a <= c ? left : b <= c ? up : corner;
    }

    static uint Crc(ReadOnlySpan<byte> data)
    {
        uint crc = ~0u;
        foreach (byte b in data)
        {
            crc ^= b;
            for (int k = 0; k < 8; k++) crc = (crc & 1) != 0 ? 0xEDB88320 ^ crc >> 1 : crc >> 1;
        }
        return ~crc;
    }
}
