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
}
