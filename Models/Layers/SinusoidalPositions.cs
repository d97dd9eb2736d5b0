namespace NeuralMemory.Layers;

/// <summary>
/// Adds to the vector at position t sin(t / 10000^(2i / width)) at its element 2i and the cosine of the same at 2i + 1 (Vaswani et al. 2017, section 3.5).
/// </summary>
/// <param name="width">Elements of a vector, an even number.</param>
public sealed class SinusoidalPositions(int width) : Layer
{
    readonly int width = PositionTable.Even(width);
    readonly PositionTable table = new(width, 10_000);

    /// <param name="x">[.., time, width], from position 0 on.</param>
    /// <exception cref="ShapeException">The vectors have another width.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, 0);

    /// <summary>As <see cref="Forward(Tensor)"/>, from position <paramref name="first"/> on.</summary>
    public Tensor Forward(Tensor x, int first)
    {
        PositionTable.Check(nameof(SinusoidalPositions), x, width, first);
        (Tensor sines, Tensor cosines) = table.Rows(first, x.Shape[^2], x.DType);
        return x + Tensor.Stack(-1, sines, cosines).Reshape([x.Shape[^2], width]);               // [time, width / 2, 2] to [time, width]
    }
}
