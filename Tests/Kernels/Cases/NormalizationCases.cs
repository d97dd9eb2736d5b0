namespace NeuralMemory.Tests.Kernels.Cases;

public class NormalizationCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        .. Rows("LayerNorm", (x, w, b) => x.LayerNorm(w, b)),
        .. Rows("RmsNorm", (x, w, b) => x.RmsNorm(w + b)),
        new("LayerNorm alone", x => x[0].LayerNorm(), r => [r.Uniform([3, 7, 12])]),
        new("LayerNorm with weight", x => x[0].LayerNorm(x[1]), r => [r.Uniform([7, 21]), r.Uniform([21])]),
        new("LayerNorm with bias", x => x[0].LayerNorm(null, x[1], 0.1), r => [r.Uniform([7, 21]), r.Uniform([21])]),
        new("LayerNorm far from 0", x => (x[0] + 100).LayerNorm(x[1], x[2]), r => [r.Uniform([5, 33]), r.Uniform([33]), r.Uniform([33])]) { Tolerance = 1e-4, GradientTolerance = 1e-3 },
        new("LayerNorm by itself", x => x[0].LayerNorm(x[0].Select(0, 0), x[0].Select(0, 1)), r => [r.Uniform([5, 9])]),
        new("RmsNorm alone", x => x[0].RmsNorm(), r => [r.Uniform([3, 7, 12])]),
    ];

    /// <summary>Rows of a last dimension: one, odd ones, several dimensions, views with gaps, none, more than one thread takes.</summary>
    static IEnumerable<OperationCase> Rows(string name, Func<Tensor, Tensor, Tensor, Tensor> function)
    {
        yield return Case("[2]", [2], 2);
        yield return Case("[5, 3]", [5, 3], 3);
        yield return Case("[1, 63]", [1, 63], 63);
        yield return Case("[2, 7, 100]", [2, 7, 100], 100);
        yield return Case("transposed", [17, 9], 17, x => x.T);
        yield return Case("sliced", [5, 41], 13, x => x.Slice(-1, 1, 40, 3).Slice(0, 1, 4));
        yield return Case("expanded", [1, 9], 9, x => x.Expand([4, 9]));
        yield return Case("none", [0, 5], 5);
        yield return Case("large", [700, 130], 130);
        yield return Case("many short", [900, 3], 3);

        OperationCase Case(string what, Shape shape, int n, Func<Tensor, Tensor>? view = null) =>
            new($"{name} {what}", x => function(view?.Invoke(x[0]) ?? x[0], x[1], x[2].Slice(0, 0, 2 * n, 2)), r => [r.Uniform(shape), r.Uniform([n]), r.Uniform([2 * n])]);
    }
}
