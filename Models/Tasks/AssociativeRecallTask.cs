namespace NeuralMemory.Tasks;

/// <summary>
/// Section 4.3, Associative recall: a list of items, each a few binary vectors between delimiters; then one of them is shown again, and the network is to
/// say the one that came after it.
/// </summary>
/// <remarks>
/// Length n: the number of items; the paper trains on 2 to 6 items of three six-bit vectors and tests up to 20. An item's right delimiter is the left one
/// of what follows; those of the query have a channel of their own. The query is any item but the last, each equally likely. Items are drawn
/// independently, so with very few bits an item may come twice and the answer be ambiguous; with the paper's 18 that is rare.
/// <code>
/// input     | item 1 | item 2 | ... | item n ? query ?
/// target                                              the item after the query
/// </code>
/// Input channels: the bits, the item delimiter (|), the query delimiter (?).
/// <para>
/// Chance: half of the 18 bits wrong and a cost of 18 bits; a network that says any item but the query gets 9 (n - 2) / (n - 1) wrong. With two items
/// there is nothing to choose.
/// </para>
/// </remarks>
/// <param name="width">Bits a vector.</param>
/// <param name="vectors">Vectors an item.</param>
/// <param name="minLength">The fewest items in training, at least 2.</param>
/// <param name="maxLength">The most.</param>
public sealed class AssociativeRecallTask(int width = 6, int vectors = 3, int minLength = 2, int maxLength = 6)
    : SequenceTask(AtLeast(1, width) + 2, width, minLength, maxLength, shortest: 2)
{
    /// <inheritdoc/>
    public override string Name => "recall";

    /// <summary>Vectors an item.</summary>
    public int Vectors { get; } = AtLeast(1, vectors);

    /// <inheritdoc/>
    public override Episode Next(Philox random, int batch, int length)
    {
        int width = OutputWidth, delimiter = width, queryDelimiter = width + 1;
        long stride = Vectors + 1L;                                                         // a delimiter and an item
        Begin((length + 1L) * stride + 1 + Vectors, batch, length);
        int query = (int)(length * stride), outputStart = query + (int)stride + 1;
        for (int b = 0; b < batch; b++)
        {
            for (int item = 0; item < length; item++)
            {
                int at = (int)(item * stride);
                Input(at, b)[delimiter] = 1;
                for (int v = 1; v <= Vectors; v++) DrawBits(random, Input(at + v, b)[..width]);
            }
            int asked = (int)(Uniform(random, 0, length - 2) * stride), answer = asked + (int)stride;
            Input(query, b)[queryDelimiter] = 1;
            Input(outputStart - 1, b)[queryDelimiter] = 1;
            for (int v = 1; v <= Vectors; v++)
            {
                Input(asked + v, b)[..width].CopyTo(Input(query + v, b));
                Input(answer + v, b)[..width].CopyTo(Target(outputStart + v - 1, b));
            }
        }
        return End(outputStart, length);
    }
}
