namespace NeuralMemory.Layers;

/// <summary>
/// The angles t / base^(2i / width) of positions t and pairs of elements i, of which Vaswani et al. 2017 and Su et al. 2021 take sines and cosines. The table is
/// kept, and grows when a longer sequence comes.
/// </summary>
/// <param name="width">An even number.</param>
/// <param name="period">The base: 10000 in both papers.</param>
sealed class PositionTable(int width, double period)
{
    Tensor sines, cosines;

    /// <summary>Sines and cosines of the positions from <paramref name="first"/> on: [count, width / 2] each.</summary>
    public (Tensor Sines, Tensor Cosines) Rows(int first, int count, DType type)
    {
        if (!sines.IsAlive || sines.Shape[0] < first + count || sines.DType != type) Make(Math.Max(first + count, sines.IsAlive ? 2 * sines.Shape[0] : 64), type);
        return (sines.Slice(0, first, first + count), cosines.Slice(0, first, first + count));
    }

    void Make(int rows, DType type)
    {
        int pairs = width / 2;
        double[] sine = new double[rows * pairs], cosine = new double[rows * pairs];
        for (int t = 0; t < rows; t++)
            for (int i = 0; i < pairs; i++) (sine[t * pairs + i], cosine[t * pairs + i]) = Math.SinCos(t / Math.Pow(period, 2.0 * i / width));
        (sines, cosines) = (Tensor.Persistent([rows, pairs], type), Tensor.Persistent([rows, pairs], type));
        sines.CopyFrom<double>(sine);
        cosines.CopyFrom<double>(cosine);
    }

    /// <exception cref="ArgumentOutOfRangeException">The width is not a positive even number.</exception>
    public static int Even(int width) => width > 0 && width % 2 == 0 ? width
        : throw new ArgumentOutOfRangeException(nameof(width), width, "A positive even number was expected: sine and cosine come in pairs.");

    /// <exception cref="ShapeException">x is not [.., time, width].</exception>
    public static void Check(string name, Tensor x, int width, int first)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        if (x.Rank < 2 || x.Shape[^1] != width) throw new ShapeException(name, $"x is {x.Shape}; [.., time, {width}] was expected.");
    }
}
