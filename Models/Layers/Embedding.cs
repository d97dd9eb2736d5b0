namespace NeuralMemory.Layers;

/// <summary>A vector for each of a vocabulary's symbols: indices [..] to [.., width].</summary>
public sealed class Embedding : Layer
{
    /// <summary>A table of random vectors, normal with deviation 1.</summary>
    /// <param name="symbols">Rows of the table.</param>
    /// <param name="width">Elements of a vector.</param>
    /// <param name="random">Where they are drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public Embedding(int symbols, int width, Philox random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(symbols, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        Weight = Parameter("weight", [symbols, width], Initializers.Normal(1), random);
    }

    /// <summary>The table: [symbols, width].</summary>
    public Tensor Weight { get; }

    /// <param name="x">Int32 of any shape, each from 0 to symbols - 1.</param>
    /// <exception cref="ShapeException">An index is out of range, or they are not integers.</exception>
    public override Tensor Forward(Tensor x) => Weight.Embedding(x);
}
