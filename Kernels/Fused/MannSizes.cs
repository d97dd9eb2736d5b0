namespace NeuralMemory;

/// <summary>The sizes and constants of a memory-augmented neural network (Santoro et al. 2016): all shapes follow from them.</summary>
/// <param name="Hidden">Units of the controller, an LSTM.</param>
/// <param name="Slots">N: rows of the memory.</param>
/// <param name="Width">M: columns of the memory.</param>
/// <param name="Heads">Heads, each of which reads and writes.</param>
/// <param name="Decay">gamma: what is left of a slot's usage after a step.</param>
/// <param name="KeyStrength">
/// What the similarity of key and slot is multiplied by before the softmax. Cosines lie within -1 and 1: without it, which is 1, no slot among many can stand out.
/// </param>
/// <param name="WritesKey">
/// Whether what a head writes is its key, as in equation (8); else the controller has a vector of its own for it, as most implementations have, and what is stored need not resemble what is
/// looked for.
/// </param>
public readonly record struct MannSizes(int Hidden, int Slots, int Width, int Heads, double Decay = .99, double KeyStrength = 10, bool WritesKey = false)
{
    /// <summary>Gates of the controller.</summary>
    public int Gates => 4 * Hidden;

    /// <summary>What all heads read together.</summary>
    public int Reads => Heads * Width;

    /// <summary>What the controller tells the heads: every head's key; what each writes, unless it is the key; every head's gate.</summary>
    public int HeadParameters => GateOffset + Heads;

    internal int PaddedSlots => Recurrence.Pad(Slots);

    /// <summary>Where, among <see cref="HeadParameters"/>, what is written begins.</summary>
    public int WrittenOffset => WritesKey ? 0 : Reads;

    /// <summary>Where the gates begin.</summary>
    public int GateOffset => WrittenOffset + Reads;

    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, a constant is out of its range, or there are more heads than slots.</exception>
    public void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Hidden, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Slots, Heads);
        if (!(Decay is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(Decay), Decay, "A number from 0 to 1 was expected.");
        if (!(KeyStrength > 0)) throw new ArgumentOutOfRangeException(nameof(KeyStrength), KeyStrength, "A number above 0 was expected.");
    }
}
