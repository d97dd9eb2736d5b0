namespace NeuralMemory.Tests.Kernels.Cases;

public class ReductionCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        .. Reduction("Sum", (x, dimensions, keep) => x.Sum(dimensions, keep), emptyAllowed: true),
        .. Reduction("Mean", (x, dimensions, keep) => x.Mean(dimensions, keep)),
        .. Along("Softmax", (x, d) => x.Softmax(d)),
        .. Along("LogSoftmax", (x, d) => x.LogSoftmax(d)),
        .. Reduction("Variance", (x, dimensions, keep) => x.Variance(dimensions, true, keep)),
        .. Reduction("Biased variance", (x, dimensions, keep) => x.Variance(dimensions, false, keep)),
        .. Reduction("StandardDeviation", (x, dimensions, keep) => x.StandardDeviation(dimensions, true, keep)),
        .. Reduction("Norm", (x, dimensions, keep) => x.Norm(dimensions, keep), emptyAllowed: true),
        .. Along("LogSumExp", (x, d) => x.LogSumExp(d)),
        new("LogSumExp kept", x => x[0].LogSumExp(0, keepDimension: true), r => [r.Uniform([9, 21])]),
        .. Along("Max", (x, d) => x.Max(d), emptyAllowed: false),
        .. Along("Min", (x, d) => x.Min(d), emptyAllowed: false),
        .. Along("ArgMax", (x, d) => x.ArgMax(d), emptyAllowed: false),
        .. Along("ArgMin", (x, d) => x.ArgMin(d, keepDimension: true), emptyAllowed: false),
        new("Max kept", x => x[0].Max(0, keepDimension: true), r => [r.Uniform([9, 21])]),
        new("Min kept", x => x[0].Min(-1, keepDimension: true), r => [r.Uniform([9, 21])]),
        .. Along("CumulativeSum", (x, d) => x.CumulativeSum(d)),
        .. Along("CumulativeProduct", (x, d) => x.CumulativeProduct(d)),
        .. Along("CumulativeProduct of some zeros", (x, d) => x.CumulativeProduct(d), SomeZeros),
        .. Cosine(),
    ];

    static Tensor SomeZeros(Philox random, Shape shape)
    {
        Tensor x = random.Uniform(shape, 0.5, 1.5);
        float[] values = x.ToArray();
        foreach (ref float value in values.AsSpan())
            if (random.Next(0, 5) == 0) value = 0;
        return Tensor.From(values, shape);
    }

    static IEnumerable<OperationCase> Cosine() =>
    [
        new("CosineSimilarity [1]", x => x[0].CosineSimilarity(x[1]), r => [r.Uniform([1], 1, 2), r.Uniform([1], 1, 2)]),
        new("CosineSimilarity [63]", x => x[0].CosineSimilarity(x[1]), r => [r.Uniform([63]), r.Uniform([63])]),
        new("CosineSimilarity memory and key", x => x[0].CosineSimilarity(x[1].Unsqueeze(1)), r => [r.Uniform([3, 7, 20]), r.Uniform([3, 20])]),
        new("CosineSimilarity memory and keys", x => x[0].Unsqueeze(1).CosineSimilarity(x[1].Unsqueeze(2)), r => [r.Uniform([3, 7, 20]), r.Uniform([3, 4, 20])]),
        new("CosineSimilarity columns", x => x[0].CosineSimilarity(x[1], 0), r => [r.Uniform([5, 33]), r.Uniform([5, 33])]),
        new("CosineSimilarity column and columns", x => x[0].CosineSimilarity(x[1], -2), r => [r.Uniform([5, 1]), r.Uniform([2, 5, 33])]),
        new("CosineSimilarity views", x => x[0].T.CosineSimilarity(x[1].Slice(1, 0, 25, 4)), r => [r.Uniform([7, 5]), r.Uniform([5, 28])]),
        new("CosineSimilarity with itself", x => x[0].CosineSimilarity(x[0].Slice(0, 0, 1)), r => [r.Uniform([4, 9])]),
        new("CosineSimilarity of none", x => x[0].CosineSimilarity(x[1]), r => [r.Uniform([0, 5]), r.Uniform([5])]),
        new("CosineSimilarity large", x => x[0].CosineSimilarity(x[1].Unsqueeze(1)), r => [r.Uniform([4, 128, 40]), r.Uniform([4, 40])]),
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
        yield return Case("expanded", [4, 1, 3], x => x.Expand(x.Shape.With(1, 5)), [1, 2]);
        yield return Case("all of expanded", [4, 1], x => x.Expand(x.Shape.With(1, 21)), []);
        yield return Case("outer of expanded", [4, 3, 1], x => x.Expand(x.Shape.With(2, 21)), [0, 2]);
        yield return Case("large", [20, 1001], x => x, [0]);
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
        yield return Case("expanded", [5, 1], x => x.Expand(x.Shape.With(1, 4).Insert(0, 3)), 1);
        yield return Case("last of expanded", [5, 1], x => x.Expand(x.Shape.With(1, 21)), 1);
        yield return Case("none of [0, 3]", [0, 3], x => x, 1);
        yield return Case("large", [37, 501], x => x, 0);
        if (emptyAllowed) yield return Case("empty of [3, 0]", [3, 0], x => x, 1);

        OperationCase Case(string what, Shape shape, Func<Tensor, Tensor> view, int dimension) =>
            new($"{name} {what}", x => function(view(x[0]), dimension), r => [draw(r, shape)]);
    }
}
