namespace NeuralMemory;

/// <summary>What computes the heads' parameters from the input and the vectors read.</summary>
public enum NtmController
{
    /// <summary>A long short-term memory: it has a memory of its own beside the external one.</summary>
    Lstm,

    /// <summary>One layer, h = tanh(W [x, r] + b): all that is remembered must be written.</summary>
    FeedForward,
}

/// <summary>The sizes of a Neural Turing Machine.</summary>
/// <param name="Hidden">Units of the controller.</param>
/// <param name="Slots">Rows of the memory, N.</param>
/// <param name="Width">Columns of the memory, M.</param>
/// <param name="ReadHeads">Heads that read.</param>
/// <param name="WriteHeads">Heads that write.</param>
/// <param name="Shifts">The positions that a head can shift by in one step: an odd number, centred at no shift.</param>
/// <param name="Controller">The kind of controller.</param>
public readonly record struct NtmSizes(int Hidden, int Slots, int Width, int ReadHeads, int WriteHeads, int Shifts, NtmController Controller)
{
    /// <summary>All heads: those that read come first.</summary>
    public int Heads => ReadHeads + WriteHeads;

    /// <summary>Numbers read in one step by all heads.</summary>
    public int Reads => ReadHeads * Width;

    /// <summary>Pre-activations of the controller: four gates, or one layer.</summary>
    public int Gates => Controller == NtmController.Lstm ? 4 * Hidden : Hidden;

    /// <summary>Parameters that address: key [width], strength, gate, shift [shifts], sharpening.</summary>
    public int AddressParameters => Width + Shifts + 3;

    /// <summary>Parameters of all heads: each one's address; a writing head's erase [width] and add [width] vectors follow it.</summary>
    public int HeadParameters => Heads * AddressParameters + WriteHeads * 2 * Width;

    /// <summary>Where a head's parameters begin.</summary>
    public int HeadOffset(int head) => head * AddressParameters + Math.Max(0, head - ReadHeads) * 2 * Width;

    /// <summary>Slots in whole vectors.</summary>
    internal int PaddedSlots => Recurrence.Pad(Slots);

    /// <exception cref="ShapeException">A size is not positive, or the shifts are even or more than the slots.</exception>
    internal void Check(string operation)
    {
        if (Hidden < 1 || Slots < 1 || Width < 1 || ReadHeads < 1 || WriteHeads < 0)
            throw new ShapeException(operation, $"{this}: hidden units, slots, width and read heads must be at least 1, write heads at least 0.");
        if (Shifts < 1 || Shifts % 2 == 0 || Shifts > Slots)
            throw new ShapeException(operation, $"{Shifts} shifts for {Slots} slots: an odd number, at most the slots, was expected.");
    }
}
