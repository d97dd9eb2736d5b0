namespace NeuralMemory.Tests.Engine;

public class PhiloxTests
{
    /// <summary>The known answers that Salmon et al. publish with their library, Random123 (kat_vectors).</summary>
    [Test]
    public void Block_gives_the_known_answers()
    {
        Assert.That(Philox.Block(0, 0, 0), Is.EqualTo((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)));
        Assert.That(Philox.Block(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue), Is.EqualTo((0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)));
        Assert.That(Philox.Block(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88), Is.EqualTo((0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)));
    }

    [TestCase(0ul, 0ul, 0ul)]
    [TestCase(1ul, 0x3ul, 5ul)]
    [TestCase(ulong.MaxValue, ulong.MaxValue, 0xFFFFFFFEul)]                                 // the counter's lower word runs over
    [TestCase(0x0123456789ABCDEFul, 0xFEDCBA9876543210ul, ulong.MaxValue - 6)]               // so does the counter
    public void Fill_gives_what_Block_gives_and_nothing_more(ulong seed, ulong stream, ulong first)
    {
        const uint Guard = 0x12345678;
        for (int length = 0; length <= 70; length++)
        {
            var numbers = new uint[length + 20];
            Array.Fill(numbers, Guard);
            Philox.Fill(seed, stream, first, numbers.AsSpan(0, length));
            for (int i = 0; i < numbers.Length; i++)
            {
                (uint a, uint b, uint c, uint d) = Philox.Block(seed, stream, unchecked(first + (ulong)(i / 4)));
                Assert.That(numbers[i], Is.EqualTo(i >= length ? Guard : (i % 4) switch { 0 => a, 1 => b, 2 => c, _ => d }), $"{i} of {length}");
            }
        }
    }
}
