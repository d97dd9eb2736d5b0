namespace NeuralMemory.Tests.Kernels.Cases;

public class ReductionCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        .. Reduction("Sum", (x, dimensions, keep) => x.Sum(dimensions, keep), emptyAllowed: true),
        .. Reduction("Mean", (x, dimensions, keep) => x.Mean(dimensions, keep)),
        .. Along("Softmax", (x, d) => x.Softmax(d)),
        .. Along("LogSoftmax", (x, d) => x.LogSoftmax(d)),
    ];

    /// <summary>Reductions over several dimensions: of one element, over the first, the last, the middle, all, of views with gaps, of nothing.</summary>
    internal static IEnumerable<OperationCase> Reduction(string name, Func<Tensor, int[], bool, Tensor> function, bool emptyAllowed = false)
    {
        yield return Case("all of [2]", [2], x => x, []);
        yield return Case("all of [63]", [63], x => x, [], keep: true);
        yield return Case("all of [3, 5, 7]", [3, 5, 7], x => x, []);
        yield return Case("last of [7, 100]", [7, 100], x => x, [-1]);
        yield return Case("first of [100, 7]", [100, 7], x => x, [0], keep: true);
        yield return Case("middle of [3, 21, 17]", [3, 21, 17], x => x, [1]);
        yield return Case("outer of [3, 4, 5, 6]", [3, 4, 5, 6], x => x, [0, 2]);
        yield return Case("inner of [3, 4, 5, 6]", [3, 4, 5, 6], x => x, [-3, 3], keep: true);
        yield return Case("first of transposed", [9, 33], x => x.T, [0]);
        yield return Case("last of sliced", [5, 41], x => x.Slice(-1, 1, 40, 3).Slice(0, 1, 4), [1]);
        yield return Case("expanded", [4, 1, 3], x => x.Expand([4, 5, 3]), [1, 2]);
        yield return Case("large", [30, 3001], x => x, [0]);
        if (!emptyAllowed) yield break;
        yield return Case("nothing of [0, 3]", [0, 3], x => x, [0]);
        yield return Case("all of [0]", [0], x => x, []);

        OperationCase Case(string what, Shape shape, Func<Tensor, Tensor> view, int[] dimensions, bool keep = false) =>
            new($"{name} {what}", x => function(view(x[0]), dimensions, keep), r => [r.Uniform(shape)]);
    }

    /// <summary>Functions along one dimension, the last and others, of contiguous tensors and of views with gaps, of none and of empty fibres.</summary>
    internal static IEnumerable<OperationCase> Along(string name, Func<Tensor, int, Tensor> function, Func<Philox, Shape, Tensor>? draw = null, bool emptyAllowed = true)
    {
        draw ??= (random, shape) => random.Uniform(shape);
        yield return Case("[1]", [1], x => x, 0);
        yield return Case("[63]", [63], x => x, 0);
        yield return Case("last of [7, 100]", [7, 100], x => x, -1);
        yield return Case("first of [7, 100]", [7, 100], x => x, 0);
        yield return Case("first of [100, 1]", [100, 1], x => x, 0);
        yield return Case("middle of [3, 5, 21]", [3, 5, 21], x => x, 1);
        yield return Case("last of transposed", [5, 33], x => x.T, 1);
        yield return Case("first of transposed", [33, 5], x => x.T, 0);
        yield return Case("first of sliced", [9, 41], x => x.Slice(-1, 1, 40, 3).Slice(0, 1, 8, 2), 0);
        yield return Case("last of sliced", [5, 41], x => x.Slice(-1, 1, 40, 3).Slice(0, 1, 4), 1);
        yield return Case("expanded", [5, 1], x => x.Expand([3, 5, 4]), 1);
        yield return Case("none of [0, 3]", [0, 3], x => x, 1);
        yield return Case("large", [67, 901], x => x, 0);
        if (emptyAllowed) yield return Case("empty of [3, 0]", [3, 0], x => x, 1);

        OperationCase Case(string what, Shape shape, Func<Tensor, Tensor> view, int dimension) =>
            new($"{name} {what}", x => function(view(x[0]), dimension), r => [draw(r, shape)]);
    }
}
