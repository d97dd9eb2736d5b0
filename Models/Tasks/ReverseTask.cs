using NeuralMemory.Models;

namespace NeuralMemory.Tasks;

/// <summary>
/// Reverse: a sequence of symbols, each drawn alike, is to be said from its end to its start. Sequences of a batch have lengths of their own, so that shorter ones are padded. Nothing about
/// a symbol tells where it stands, so attention must know positions.
/// </summary>
/// <remarks>A task keeps the buffers that it writes batches in, so threads do not share one.</remarks>
public sealed class ReverseTask
{
    int[] source = [], lengths = [], inputs = [], labels = [];

    /// <summary>A task.</summary>
    /// <param name="alphabet">How many symbols there are to be reversed.</param>
    /// <param name="minLength">The shortest sequence in training.</param>
    /// <param name="maxLength">The longest.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive, or the longest is shorter than the shortest.</exception>
    public ReverseTask(int alphabet = 10, int minLength = 1, int maxLength = 10)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(alphabet, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(minLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, minLength);
        (Alphabet, MinLength, MaxLength) = (alphabet, minLength, maxLength);
    }

    /// <summary>How many symbols there are to be reversed.</summary>
    public int Alphabet { get; }

    /// <summary>The shortest sequence in training.</summary>
    public int MinLength { get; }

    /// <summary>The longest sequence in training; longer ones test generalisation.</summary>
    public int MaxLength { get; }

    /// <summary>The alphabet and the three special symbols before it.</summary>
    public int Symbols => Alphabet + EncoderDecoder.End + 1;

    /// <summary>The next batch, lengths uniform in <see cref="MinLength"/> to <see cref="MaxLength"/>.</summary>
    public Translation Next(Philox random, int batch) => Next(random, batch, MinLength, MaxLength);

    /// <summary>The next batch, all of one length.</summary>
    public Translation Next(Philox random, int batch, int length) => Next(random, batch, length, length);

    Translation Next(Philox random, int batch, int least, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(least, 1);
        if (((long)most + 1) * batch > Array.MaxLength) throw new ArgumentOutOfRangeException(nameof(most), most, $"Reverse: {batch} sequences of {most} symbols are more than a tensor can hold.");
        Resize(ref lengths, batch);
        int longest = 0;
        for (int b = 0; b < batch; b++) longest = Math.Max(longest, lengths[b] = random.Next(least, most + 1));
        int time = longest + 1;
        Resize(ref source, batch * longest);
        Resize(ref inputs, batch * time);
        Resize(ref labels, batch * time);
        // source    3 1 2 . .           a sequence of 3 among those of up to 5
        // inputs    begin 2 1 3 . .
        // labels    2 1 3 end . .
        for (int b = 0; b < batch; b++)
        {
            int length = lengths[b];
            Span<int> x = source.AsSpan(b * longest, longest), y = labels.AsSpan(b * time, time), before = inputs.AsSpan(b * time, time);
            for (int i = 0; i < length; i++) x[i] = y[length - 1 - i] = random.Next(EncoderDecoder.End + 1, Symbols);
            y[length] = EncoderDecoder.End;
            before[0] = EncoderDecoder.Begin;
            y[..length].CopyTo(before[1..]);
        }
        return new(Tensor.From(source.AsSpan(0, batch * longest), [batch, longest]), Tensor.From(lengths.AsSpan(0, batch), [batch]),
            Tensor.From(inputs.AsSpan(0, batch * time), [batch, time]), Tensor.From(labels.AsSpan(0, batch * time), [batch, time]));
    }

    /// <summary>Makes room, filled with padding.</summary>
    static void Resize(ref int[] buffer, int count)
    {
        if (buffer.Length < count) buffer = new int[count];
        else Array.Clear(buffer, 0, count);
    }
}
