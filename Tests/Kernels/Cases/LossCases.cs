namespace NeuralMemory.Tests.Kernels.Cases;

public class LossCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        .. Elementwise("BinaryCrossEntropyWithLogits", (x, t) => x.BinaryCrossEntropyWithLogits(t), low: 0, high: 1),
        .. Elementwise("MeanSquaredError", (x, t) => x.MeanSquaredError(t)),
        .. Elementwise("SmoothL1", (x, t) => x.SmoothL1(t)),
        .. Elementwise("SmoothL1 of 2.5", (x, t) => x.SmoothL1(t, 2.5)),
        .. Elementwise("KullbackLeiblerDivergence", (x, t) => x.KullbackLeiblerDivergence(t), low: 0.1, high: 1),
        .. Labels("CrossEntropy", (x, t) => x.CrossEntropy(t)),
        .. Labels("CrossEntropy ignoring", (x, t) => x.CrossEntropy(t, ignoreIndex: 2)),
        .. Labels("CrossEntropy smoothed", (x, t) => x.CrossEntropy(t, labelSmoothing: 0.3)),
        .. Labels("CrossEntropy ignoring and smoothed", (x, t) => x.CrossEntropy(t, 3, 0.1)),
    ];

    /// <summary>Losses of a row of logits for each label, of 9 classes or more: one row, odd ones, several dimensions, views with gaps, more than one thread takes.</summary>
    static IEnumerable<OperationCase> Labels(string name, Func<Tensor, Tensor, Tensor> function)
    {
        yield return Case("[9]", [9], []);
        yield return Case("[1, 63]", [1, 63], [1]);
        yield return Case("[21, 11]", [21, 11], [21]);
        yield return Case("[3, 7, 100]", [3, 7, 100], [3, 7]);
        yield return Case("transposed logits", [9, 17], [17], x => x.T);
        yield return Case("transposed labels", [4, 5, 33], [5, 4], null, t => t.T);
        yield return Case("sliced", [9, 41], [8], x => x.Slice(-1, 1, 40, 3).Slice(0, 1, 8, 2), t => t.Slice(0, 0, 8, 2));
        yield return Case("expanded logits", [1, 9], [5], x => x.Expand([5, 9]));
        yield return Case("large", [301, 333], [301]);

        OperationCase Case(string what, Shape logits, Shape labels, Func<Tensor, Tensor>? view = null, Func<Tensor, Tensor>? viewLabels = null) =>
            new($"{name} {what}", x => function(view?.Invoke(x[0]) ?? x[0], viewLabels?.Invoke(x[1]) ?? x[1]),
                r => [r.Uniform(logits, -6, 6), FirstNot(r.Indices(labels, 9), 4)]);
    }

    /// <summary>So that at least one label counts.</summary>
    static Tensor FirstNot(Tensor labels, int first)
    {
        int[] values = labels.ToArray<int>();
        values[0] = first;
        return Tensor.From(values, labels.Shape);
    }

    /// <summary>Losses of one number for each target: of one element, odd ones, views with gaps of either, more elements than one thread takes.</summary>
    internal static IEnumerable<OperationCase> Elementwise(string name, Func<Tensor, Tensor, Tensor> function, double low = -2, double high = 2)
    {
        yield return Case("[1]", [1], [1]);
        yield return Case("[63]", [63], [63]);
        yield return Case("[7, 100]", [7, 100], [7, 100]);
        yield return Case("transposed logits", [5, 33], [33, 5], x => x.T);
        yield return Case("transposed targets", [33, 5], [5, 33], view: null, t => t.T);
        yield return Case("last steps of a sequence", [9, 3, 8], [9, 3, 8], x => x.Slice(0, 4, 9), t => t.Slice(0, 4, 9));
        yield return Case("sliced", [5, 41], [4, 13], x => x.Slice(-1, 1, 40, 3).Slice(0, 1, 5));
        yield return Case("expanded logits", [1, 5], [3, 5], x => x.Expand([3, 5]));
        yield return Case("large", [30, 3001], [30, 3001]);
        yield return new($"{name} with itself", x => function(x[0], x[0]), r => [r.Uniform([19], low, high)]);

        OperationCase Case(string what, Shape logits, Shape targets, Func<Tensor, Tensor>? view = null, Func<Tensor, Tensor>? viewTargets = null) =>
            new($"{name} {what}", x => function(view?.Invoke(x[0]) ?? x[0], viewTargets?.Invoke(x[1]) ?? x[1]),
                r => [r.Uniform(logits, -6, 6), r.Uniform(targets, low, high)]);
    }
}
