using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public uint NextUInt32()
    {
        if (position % 4 == 0) (r0, r1, r2, r3) = Block(Seed, stream, position / 4);
        return (position++ % 4) switch { 0 => r0, 1 => r1, 2 => r2, _ => r3 };
    }

    /// <summary>Uniform in [0, 1): one of 2^24 equally spaced floats.</summary>
    public float NextSingle() => (NextUInt32() >> 8) * (1f / (1 << 24));

    /// <summary>Uniform in [0, 1): one of 2^53 equally spaced doubles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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

    /// <summary>
    /// The numbers from 4 <paramref name="block"/> on of a sequence, as many as <paramref name="numbers"/> has room for: the same as <see cref="Block"/> gives, several times as fast.
    /// </summary>
    public static void Fill(ulong seed, ulong stream, ulong block, Span<uint> numbers)
    {
        if (Avx2.IsSupported)
            for (; numbers.Length >= 16; numbers = numbers[16..], block += 4) FourBlocks(seed, stream, block, numbers);
        for (; numbers.Length > 0; numbers = numbers[Math.Min(4, numbers.Length)..], block++)
        {
            (uint a, uint b, uint c, uint d) = Block(seed, stream, block);
            numbers[0] = a;
            if (numbers.Length > 1) numbers[1] = b;
            if (numbers.Length > 2) numbers[2] = c;
            if (numbers.Length > 3) numbers[3] = d;
        }
    }

    // Four counters side by side, a word in the lower half of each lane: the product of two lower halves fills the lane, and what is left in upper halves is never looked at.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void FourBlocks(ulong seed, ulong stream, ulong block, Span<uint> numbers)
    {
        // In this order the halves of 128 bits, which instructions that interleave do not mix, come out as neighbours.
        Vector256<ulong> c0 = Vector256.Create(block, block + 2, block + 1, block + 3), c1 = c0 >> 32, c2 = Vector256.Create(stream), c3 = c2 >> 32;
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        for (int round = 0; round < 10; round++)
        {
            Vector256<ulong> p0 = Avx2.Multiply(c0.AsUInt32(), Vector256.Create(0xD2511F53ul).AsUInt32()), p1 = Avx2.Multiply(c2.AsUInt32(), Vector256.Create(0xCD9E8D57ul).AsUInt32());
            (c0, c1, c2, c3) = ((p1 >> 32) ^ c1 ^ Vector256.Create((ulong)k0), p1, (p0 >> 32) ^ c3 ^ Vector256.Create((ulong)k1), p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        Vector256<ulong> word = Vector256.Create((ulong)uint.MaxValue), first = (c0 & word) | (c1 << 32), second = (c2 & word) | (c3 << 32);
        Avx2.UnpackLow(first, second).AsUInt32().CopyTo(numbers);
        Avx2.UnpackHigh(first, second).AsUInt32().CopyTo(numbers[8..]);
    }
}
