namespace NeuralMemory;

/// <summary>
/// Random numbers by Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the n-th number is a function of the seed and n,
/// so the state is a counter, and a resumed run draws exactly what the killed one would have drawn.
/// </summary>
public sealed class Philox
{
    readonly ulong stream;
    uint r0, r1, r2, r3;
    ulong position;

    /// <summary>Numbers that depend on nothing but <paramref name="seed"/> and <paramref name="stream"/>; different streams are independent.</summary>
    public Philox(ulong seed, ulong stream = 0) => (Seed, this.stream) = (seed, stream);

    /// <summary>The seed.</summary>
    public ulong Seed { get; }

    /// <summary>Which of the seed's independent sequences this is.</summary>
    public ulong Stream => stream;

    /// <summary>How many 32-bit numbers have been drawn. Setting it continues from there.</summary>
    public ulong Position
    {
        get => position;
        set
        {
            position = value;
            if (position % 4 != 0) (r0, r1, r2, r3) = Block(Seed, stream, position / 4);
        }
    }

    /// <summary>The next 32 random bits.</summary>
    public uint NextUInt32()
    {
        if (position % 4 == 0) (r0, r1, r2, r3) = Block(Seed, stream, position / 4);
        return (position++ % 4) switch { 0 => r0, 1 => r1, 2 => r2, _ => r3 };
    }

    /// <summary>Uniform in [0, 1): one of 2^24 equally spaced floats.</summary>
    public float NextSingle() => (NextUInt32() >> 8) * (1f / (1 << 24));

    /// <summary>Uniform in [0, 1): one of 2^53 equally spaced doubles.</summary>
    public double NextDouble() => (((ulong)NextUInt32() << 21) ^ (NextUInt32() >> 11)) * (1.0 / (1L << 53));

    /// <summary>Uniform in <paramref name="minimum"/> (inclusive) to <paramref name="maximum"/> (exclusive), without bias.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is empty.</exception>
    public int Next(int minimum, int maximum)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(minimum, maximum);
        uint range = (uint)(maximum - minimum), rejected = (uint)(-(int)range) % range;       // Lemire 2019: 2^32 mod range draws are thrown away
        ulong product;
        do product = (ulong)NextUInt32() * range;
        while ((uint)product < rejected);
        return minimum + (int)(product >> 32);
    }

    /// <summary>Standard normal, by Box and Muller's transform of two uniform numbers.</summary>
    public double NextNormal() => Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());

    /// <summary>Puts <paramref name="values"/> in random order, every order equally likely (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> values)
    {
        for (int i = values.Length - 1; i > 0; i--)
        {
            int j = Next(0, i + 1);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }

    /// <summary>What <see cref="NextDouble"/> gives at a <see cref="Position"/>.</summary>
    internal static double DoubleAt(ulong seed, ulong stream, ulong position) =>
        (((ulong)At(seed, stream, position) << 21) ^ (At(seed, stream, position + 1) >> 11)) * (1.0 / (1L << 53));

    static uint At(ulong seed, ulong stream, ulong position)
    {
        (uint a, uint b, uint c, uint d) = Block(seed, stream, position / 4);
        uint lane = (uint)position % 4;
        return lane == 0 ? a : lane == 1 ? b : lane == 2 ? c : d;
    }

    /// <summary>
    /// The numbers 4 <paramref name="block"/> to 4 <paramref name="block"/> + 3 of a sequence, for kernels that draw many at once: ten rounds over the
    /// counter (block, stream) with the key (seed).
    /// </summary>
    public static (uint, uint, uint, uint) Block(ulong seed, ulong stream, ulong block)
    {
        (uint c0, uint c1, uint c2, uint c3) = ((uint)block, (uint)(block >> 32), (uint)stream, (uint)(stream >> 32));
        (uint k0, uint k1) = ((uint)seed, (uint)(seed >> 32));
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53ul * c0, p1 = 0xCD9E8D57ul * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        return (c0, c1, c2, c3);
    }
}
