using System.Buffers;

namespace NeuralMemory.Training;

/// <summary>Which of some classes a model names.</summary>
static class Classification
{
    /// <summary>Whether the largest logit of each row is its label's. NaN is never right.</summary>
    /// <param name="logits">[.., classes].</param>
    /// <param name="labels">Int32 [..].</param>
    /// <param name="right">Receives it, a place for each label.</param>
    public static void Judge(Tensor logits, Tensor labels, Span<bool> right)
    {
        int classes = logits.Shape[^1], rows = labels.Count;
        float[] x = ArrayPool<float>.Shared.Rent(logits.Count);
        int[] named = ArrayPool<int>.Shared.Rent(rows);
        logits.CopyTo(x.AsSpan(0, logits.Count));
        labels.CopyTo(named.AsSpan(0, rows));
        for (int row = 0; row < rows; row++) right[row] = IsGreatest(x.AsSpan(row * classes, classes), named[row]);
        ArrayPool<float>.Shared.Return(x);
        ArrayPool<int>.Shared.Return(named);
    }

    /// <summary>How many rows are right.</summary>
    public static int Right(Tensor logits, Tensor labels)
    {
        bool[] rows = ArrayPool<bool>.Shared.Rent(labels.Count);
        Span<bool> right = rows.AsSpan(0, labels.Count);
        Judge(logits, labels, right);
        int count = right.Count(true);
        ArrayPool<bool>.Shared.Return(rows);
        return count;
    }

    static bool IsGreatest(ReadOnlySpan<float> x, int label)
    {
        for (int i = 0; i < x.Length; i++)
            if (!(x[i] < x[label]) && i != label) return false;
        return true;
    }
}
