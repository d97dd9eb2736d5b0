namespace NeuralMemory.Training;

/// <summary>Which of some classes a model names.</summary>
static unsafe class Classification
{
    /// <summary>Whether the largest logit of a row is the label's. NaN is never right.</summary>
    /// <param name="logits">[.., classes], contiguous.</param>
    /// <param name="labels">Int32 [..], contiguous.</param>
    /// <param name="row">Which.</param>
    public static bool IsRight(Tensor logits, Tensor labels, int row)
    {
        int classes = logits.Shape[^1];
        ReadOnlySpan<float> x = new(logits.Pointer<float>() + (long)row * classes, classes);
        int label = labels.Pointer<int>()[row];
        for (int i = 0; i < classes; i++)
            if (!(x[i] < x[label]) && i != label) return false;
        return true;
    }

    /// <summary>How many rows are right.</summary>
    public static int Right(Tensor logits, Tensor labels)
    {
        int right = 0;
        for (int row = 0; row < labels.Count; row++)
            if (IsRight(logits, labels, row)) right++;
        return right;
    }
}
