namespace NeuralMemory.Layers;

/// <summary>Adds to the vector at position t row t of a trained table (Gehring et al. 2017).</summary>
public sealed class LearnedPositions : Layer
{
    /// <summary>A table of random vectors, normal with deviation 0.02.</summary>
    /// <param name="length">Rows: the most positions there can be.</param>
    /// <param name="width">Elements of a vector.</param>
    /// <param name="random">Where they are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public LearnedPositions(int length, int width, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        Weight = Parameter("weight", [length, width], Initializers.Normal(0.02), random);
    }

    /// <summary>The table: [length, width].</summary>
    public Tensor Weight { get; }

    /// <param name="x">[.., time, width], from position 0 on.</param>
    /// <exception cref="ShapeException">The vectors have another width, or a position is beyond the table.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, 0);

    /// <summary>As <see cref="Forward(Tensor)"/>, from position <paramref name="first"/> on.</summary>
    public Tensor Forward(Tensor x, int first)
    {
        PositionTable.Check(nameof(LearnedPositions), x, Weight.Shape[1], first);
        int end = first + x.Shape[^2];
        if (end > Weight.Shape[0]) throw new ShapeException(nameof(LearnedPositions), $"x {x.Shape} from position {first} on reaches position {end - 1}; the table has {Weight.Shape[0]} rows.");
        return x + Weight.Slice(0, first, end);
    }
}
