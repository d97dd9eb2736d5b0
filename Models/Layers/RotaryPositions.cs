namespace NeuralMemory.Layers;

/// <summary>
/// Turns each pair of elements (2i, 2i + 1) of the query or key at position t by the angle t / 10000^(2i / width), so that their products depend on the distance
/// between positions alone (Su et al. 2021, section 3.2).
/// </summary>
/// <param name="width">Elements of a query, an even number.</param>
/// <param name="period">The base of the angles.</param>
public sealed class RotaryPositions(int width, double period = 10_000) : Layer
{
    readonly int width = PositionTable.Even(width);
    readonly PositionTable table = new(width, period);

    /// <param name="x">[.., time, width], from position 0 on.</param>
    /// <exception cref="ShapeException">The vectors have another width.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, 0);

    /// <summary>As <see cref="Forward(Tensor)"/>, from position <paramref name="first"/> on.</summary>
    public Tensor Forward(Tensor x, int first)
    {
        PositionTable.Check(nameof(RotaryPositions), x, width, first);
        (Tensor sine, Tensor cosine) = table.Rows(first, x.Shape[^2], x.DType);                  // [time, width / 2]
        Tensor a = x.Slice(-1, 0, width, 2), b = x.Slice(-1, 1, width, 2);                       // [.., time, width / 2]
        return Tensor.Stack(-1, a * cosine - b * sine, a * sine + b * cosine).Reshape(x.Shape);
    }
}
