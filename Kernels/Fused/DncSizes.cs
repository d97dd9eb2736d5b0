namespace NeuralMemory;

/// <summary>The sizes of a Differentiable Neural Computer, in the paper's letters: N slots of width W, R read heads, one write head. Its controller is an LSTM.</summary>
/// <param name="Hidden">Units of the controller.</param>
/// <param name="Slots">Rows of the memory, N.</param>
/// <param name="Width">Columns of the memory, W.</param>
/// <param name="ReadHeads">Heads that read, R.</param>
/// <param name="Links">Whether reading can follow the order of writing. Without, the heads read by content alone, and have no read modes.</param>
/// <param name="FreeGates">Whether what has been read can be freed, to be written to again. Without, usage never falls.</param>
public readonly record struct DncSizes(int Hidden, int Slots, int Width, int ReadHeads, bool Links = true, bool FreeGates = true)
{
    /// <summary>Numbers read in one step by all heads.</summary>
    public int Reads => ReadHeads * Width;

    /// <summary>Pre-activations of the controller: four gates.</summary>
    public int Gates => 4 * Hidden;

    /// <summary>Slots that have links and a precedence: all, or none.</summary>
    public int LinkedSlots => Links ? Slots : 0;

    /// <summary>
    /// Parameters of the interface: W R + 3 W + 5 R + 3, or R fewer without free gates and 3 R fewer without links. They lie in the paper's order: read keys [R, W], read strengths [R],
    /// write key [W], write strength, erase [W], write vector [W], free gates [R], allocation gate, write gate, read modes [R, 3].
    /// </summary>
    public int InterfaceParameters => ReadModes + (Links ? 3 * ReadHeads : 0);

    internal int ReadStrengths => Reads;
    internal int WriteKey => ReadStrengths + ReadHeads;
    internal int WriteStrength => WriteKey + Width;
    internal int Erase => WriteStrength + 1;
    internal int WriteVector => Erase + Width;
    internal int FirstGate => WriteVector + Width;
    internal int AllocationGate => FirstGate + (FreeGates ? ReadHeads : 0);
    internal int WriteGate => AllocationGate + 1;
    internal int ReadModes => WriteGate + 1;

    /// <summary>Rows of the links in whole fours, which are computed together.</summary>
    internal int LinkRows => (LinkedSlots + 3) / 4 * 4;

    /// <summary>Rows of the memory, transposed, and of the links below it.</summary>
    internal int StateRows => Width + LinkRows;

    /// <summary>Slots in whole vectors.</summary>
    internal int PaddedSlots => Recurrence.Pad(Slots);

    /// <exception cref="ShapeException">A size is not positive.</exception>
    internal void Check(string operation)
    {
        if (Hidden < 1 || Slots < 1 || Width < 1 || ReadHeads < 1)
            throw new ShapeException(operation, $"{this}: hidden units, slots, width and read heads must be at least 1.");
    }
}
