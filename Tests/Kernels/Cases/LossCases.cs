namespace NeuralMemory.Tests.Kernels.Cases;

public class LossCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases => Elementwise("BinaryCrossEntropyWithLogits", (x, t) => x.BinaryCrossEntropyWithLogits(t), low: 0, high: 1);

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
