namespace NeuralMemory.Tests.Kernels.Cases;

public class AttentionCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        Case("of one", [1, 1], [1, 1], [1, 1]),
        Case("[9, 8] over [13, 8]", [9, 8], [13, 8], [13, 8]),
        Case("[3, 2, 9, 8] over [3, 2, 13, 8]", [3, 2, 9, 8], [3, 2, 13, 8], [3, 2, 13, 5]),
        Case("causal", [2, 33, 7], [2, 33, 7], [2, 33, 7], causal: true),
        Case("causal with a cache", [2, 5, 7], [2, 33, 7], [2, 33, 3], causal: true),
        Case("causal with fewer keys", [2, 9, 7], [2, 5, 7], [2, 5, 3], causal: true),
        Case("over nothing", [2, 3, 7], [2, 0, 7], [2, 0, 3]),
        Case("of nothing", [2, 0, 7], [2, 3, 7], [2, 3, 3]),
        Case("of several blocks", [1, 201, 17], [1, 300, 17], [1, 300, 9]),
        Case("of several blocks, causal", [3, 211, 16], [3, 211, 16], [3, 211, 16], causal: true),
        Case("in a window", [2, 33, 7], [2, 33, 7], [2, 33, 7], window: 5),
        Case("in a window, causal", [2, 33, 7], [2, 33, 7], [2, 33, 7], causal: true, window: 5),
        Case("in a window of one", [2, 9, 7], [2, 9, 7], [2, 9, 7], causal: true, window: 1),
        Case("in a window with a cache", [2, 5, 7], [2, 33, 7], [2, 33, 3], causal: true, window: 6),
        Case("in a window with fewer keys", [2, 19, 7], [2, 5, 7], [2, 5, 3], window: 4),
        Case("in a window of several blocks", [1, 301, 8], [1, 301, 8], [1, 301, 8], window: 70),
        Case("in a window of several blocks, causal", [2, 301, 8], [2, 301, 8], [2, 301, 5], causal: true, window: 70),
        Case("of grouped queries", [2, 6, 9, 4], [2, 2, 11, 4], [2, 2, 11, 5], causal: true),
        Case("of many queries to a key", [2, 3, 70, 4], [2, 1, 70, 4], [2, 1, 70, 4]),
        Masked("of grouped queries, masked", [2, 4, 9, 4], [2, 2, 11, 4], r => r.Indices([2, 1, 9, 11], 2)),
        Masked("of grouped queries, a mask a head", [2, 4, 9, 4], [2, 2, 11, 4], r => r.Indices([4, 9, 11], 2)),
        Padded("of grouped queries, padding", [2, 4, 9, 4], [2, 2, 11, 4], r => r.Indices([2, 11], 3)),
        Case("of wide heads", [1, 2, 70, 128], [1, 2, 65, 128], [1, 2, 65, 128]),
        Case("of heads of 100 and 72", [2, 9, 100], [2, 13, 100], [2, 13, 72], causal: true),
        new("AttentionWeights in a window", x => x[0].AttentionWeights(x[1], causal: true, window: 4), r => [r.Uniform([2, 9, 8]), r.Uniform([2, 13, 8])]),
        Masked("keys seen or not", [2, 3, 9, 8], [2, 3, 13, 8], r => r.Indices([2, 1, 9, 13], 2)),
        Masked("rows seen or not", [2, 3, 9, 8], [2, 3, 13, 8], r => r.Indices([9, 1], 2)),
        new("Attention transposed mask", x => x[0].ScaledDotProductAttention(x[1], x[2], x[3].T), r => [r.Uniform([2, 9, 8]), r.Uniform([2, 13, 8]), r.Uniform([2, 13, 8]), r.Indices([13, 9], 2)]),
        Masked("added", [2, 3, 9, 8], [2, 3, 13, 8], r => r.Indices([3, 1, 13], 5), mask => mask * 0.7),
        Masked("added, transposed, causal", [2, 130, 8], [2, 130, 8], r => r.Indices([130, 130], 5), mask => mask.T * 0.7, causal: true),
        Padded("padding", [2, 3, 9, 8], [2, 3, 133, 8], r => r.Indices([2, 133], 2)),
        Padded("padding in floats", [3, 9, 8], [3, 13, 8], r => r.Indices([3, 13], 2), asFloats: true),
        Padded("padding, causal", [2, 3, 100, 8], [2, 3, 100, 8], r => r.Indices([2, 100], 3), causal: true),
        new("Attention of heads side by side", x => Heads(x[0]).ScaledDotProductAttention(Heads(x[1]), Heads(x[2])), r => [r.Uniform([2, 9, 24]), r.Uniform([2, 7, 24]), r.Uniform([2, 7, 24])]),
        new("Attention transposed", x => x[0].T.ScaledDotProductAttention(x[1].T, x[2].T, causal: true), r => [r.Uniform([2, 5, 19]), r.Uniform([2, 5, 19]), r.Uniform([2, 3, 19])]),
        new("Attention of shared keys", x => x[0].ScaledDotProductAttention(x[1].Expand([2, 3, 7, 4]), x[2].Expand([2, 3, 7, 4])), r => [r.Uniform([2, 3, 5, 4]), r.Uniform([2, 1, 7, 4]), r.Uniform([7, 4])]),
        new("Attention to itself", x => x[0].ScaledDotProductAttention(x[0], x[0]), r => [r.Uniform([2, 11, 5])]),
        new("AttentionWeights", x => x[0].AttentionWeights(x[1], causal: true, keyPadding: x[2]), r => [r.Uniform([2, 3, 9, 8]), r.Uniform([2, 3, 13, 8]), r.Indices([2, 13], 2)]),
    ];

    static Tensor Heads(Tensor x)
    {
        x.TryView([x.Shape[0], x.Shape[1], 3, 8], out Tensor heads);
        return heads.Transpose(1, 2);
    }

    static OperationCase Case(string what, Shape q, Shape k, Shape v, bool causal = false, int? window = null) =>
        new($"Attention {what}", x => x[0].ScaledDotProductAttention(x[1], x[2], causal: causal, window: window), r => [r.Uniform(q), r.Uniform(k), r.Uniform(v)]);

    /// <summary>The mask is drawn as integers, which have no gradient; with <paramref name="added"/> it becomes numbers of the type of q.</summary>
    static OperationCase Masked(string what, Shape q, Shape k, Func<Philox, Tensor> draw, Func<Tensor, Tensor>? added = null, bool causal = false) =>
        new($"Attention {what}", x => x[0].ScaledDotProductAttention(x[1], x[2], added is null ? x[3] : added(x[3].To(x[0].DType)), causal),
            r => [r.Uniform(q), r.Uniform(k), r.Uniform(k), draw(r)]);

    static OperationCase Padded(string what, Shape q, Shape k, Func<Philox, Tensor> draw, bool causal = false, bool asFloats = false) =>
        new($"Attention {what}", x => x[0].ScaledDotProductAttention(x[1], x[2], null, causal, asFloats ? x[3].To(x[0].DType) : x[3]),
            r => [r.Uniform(q), r.Uniform(k), r.Uniform(k), draw(r)]);
}
