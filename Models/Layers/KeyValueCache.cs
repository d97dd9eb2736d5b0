namespace NeuralMemory.Layers;

/// <summary>
/// The keys and values of what a <see cref="MultiHeadAttention"/> has already seen, so that the next positions need not compute them again. It takes no part in differentiation and
/// belongs to one sequence, or one batch of them.
/// </summary>
/// <param name="capacity">The most positions it can hold.</param>
public sealed class KeyValueCache(int capacity)
{
    Tensor keys, values;                        // [batch, heads, capacity, width / heads]

    /// <summary>The most positions it can hold.</summary>
    public int Capacity { get; } = capacity > 0 ? capacity : throw new ArgumentOutOfRangeException(nameof(capacity), capacity, "At least 1 was expected.");

    /// <summary>Positions that it holds.</summary>
    public int Length { get; private set; }

    /// <summary>Forgets everything.</summary>
    public void Clear() => Length = 0;

    /// <summary>Puts positions behind those it holds.</summary>
    /// <param name="k">[batch, heads, time, width / heads].</param>
    /// <param name="v">Likewise.</param>
    /// <returns>All keys and values so far, as views of the cache.</returns>
    /// <exception cref="ShapeException">There is not room for them, or their shape is not that of the positions before.</exception>
    /// <exception cref="InvalidOperationException">A gradient is wanted, which a cache has none of.</exception>
    internal (Tensor Keys, Tensor Values) Append(Tensor k, Tensor v)
    {
        if (k.RequiresGradient || v.RequiresGradient) throw new InvalidOperationException("KeyValueCache: a cache has no gradient. Use it within Tape.NoGradient.");
        int end = Length + k.Shape[2];
        if (end > Capacity) throw new ShapeException(nameof(KeyValueCache), $"{k.Shape[2]} positions behind {Length} are more than the {Capacity} that there is room for.");
        if (!keys.IsAlive) (keys, values) = (Tensor.Persistent(k.Shape.With(2, Capacity), k.DType), Tensor.Persistent(v.Shape.With(2, Capacity), v.DType));
        if (keys.Shape != k.Shape.With(2, Capacity) || keys.DType != k.DType)
            throw new ShapeException(nameof(KeyValueCache), $"keys {k.DType} {k.Shape} behind {keys.DType} {keys.Shape.With(2, Length)}: only the third dimension may differ.");
        Transfer.Copy(k, keys.Slice(2, Length, end));
        Transfer.Copy(v, values.Slice(2, Length, end));
        Length = end;
        return (keys.Slice(2, 0, end), values.Slice(2, 0, end));
    }
}
