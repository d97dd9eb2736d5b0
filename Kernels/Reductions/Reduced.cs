namespace NeuralMemory;

/// <summary>The shape rule of reductions over several dimensions.</summary>
/// <param name="operation">The operation's name.</param>
/// <param name="shape">What is reduced.</param>
/// <param name="dimensions">Over which dimensions; none at all means over every one.</param>
readonly ref struct Reduced(string operation, Shape shape, ReadOnlySpan<int> dimensions)
{
    readonly ReadOnlySpan<int> dimensions = dimensions;
    readonly int mask = Mask(operation, shape, dimensions);

    /// <summary>The shape with every reduced dimension of size 1.</summary>
    public Shape Kept
    {
        get
        {
            Shape kept = shape;
            for (int d = 0; d < shape.Rank; d++)
                if ((mask >> d & 1) != 0) kept = kept.With(d, 1);
            return kept;
        }
    }

    /// <summary>The shape without the reduced dimensions.</summary>
    public Shape Dropped
    {
        get
        {
            Shape dropped = shape;
            for (int d = shape.Rank - 1; d >= 0; d--)
                if ((mask >> d & 1) != 0) dropped = dropped.Without(d);
            return dropped;
        }
    }

    /// <summary>How many elements make one of the result.</summary>
    public int Terms
    {
        get
        {
            int terms = 1;
            for (int d = 0; d < shape.Rank; d++)
                if ((mask >> d & 1) != 0) terms *= shape[d];
            return terms;
        }
    }

    /// <exception cref="ShapeException">There are too few elements to make one of the result.</exception>
    public void RequireTerms(int least)
    {
        if (Terms < least)
            throw new ShapeException(operation, $"{shape} over {Dimensions()}: {Terms} elements for each result; {least} at least {(least == 1 ? "was" : "were")} expected.");
    }

    string Dimensions() => dimensions.IsEmpty ? "all dimensions" : $"dimensions [{string.Join(", ", dimensions.ToArray())}]";

    static int Mask(string operation, Shape shape, ReadOnlySpan<int> dimensions)
    {
        if (dimensions.IsEmpty) return (1 << shape.Rank) - 1;
        int mask = 0;
        foreach (int dimension in dimensions)
        {
            int bit = 1 << shape.Dimension(dimension, operation);
            if ((mask & bit) != 0) throw new ShapeException(operation, $"dimension {dimension} of {shape} was named twice.");
            mask |= bit;
        }
        return mask;
    }
}
