namespace NeuralMemory.Tests.Kernels.Cases;

public class ConvolutionCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        Case("[1, 1, 1] by [1, 1, 1]", [1, 1, 1], [1, 1, 1]),
        Case("[3, 12, 7] by [6, 12, 3]", [3, 12, 7], [6, 12, 3], padding: 1),
        Case("of one step", [2, 3, 5], [4, 3, 5]),
        Case("padded beyond the kernel", [2, 3, 4], [4, 3, 2], padding: 5),
        Case("strided", [2, 5, 21], [7, 5, 4], stride: 3, padding: 2),
        Case("dilated", [2, 5, 21], [7, 5, 4], padding: 4, dilation: 3),
        Case("strided and dilated", [2, 5, 63], [7, 5, 3], stride: 2, padding: 1, dilation: 4),
        Case("in groups", [2, 6, 33], [9, 2, 3], padding: 1, groups: 3),
        Case("in groups, strided", [2, 6, 33], [4, 3, 3], stride: 2, groups: 2),
        Case("depthwise causal", [3, 12, 7], [12, 1, 4], padding: 3, groups: 12),
        Case("depthwise, several for each", [2, 3, 63], [6, 1, 5], padding: 2, groups: 3),
        Case("depthwise strided and dilated", [2, 3, 100], [3, 1, 4], stride: 2, padding: 3, dilation: 2, groups: 3),
        Case("of one channel", [2, 1, 33], [4, 1, 3]),
        Case("of none", [0, 3, 7], [4, 3, 3]),
        Case("large", [3, 33, 500], [40, 33, 5], padding: 2),
        Case("depthwise large", [4, 65, 700], [65, 1, 4], padding: 3, groups: 65),
        new("Conv1d without bias", x => x[0].Conv1d(x[1], padding: 1), r => [r.Uniform([2, 3, 9]), r.Uniform([4, 3, 3])]),
        new("Conv1d views", x => x[0].Transpose(1, 2).Conv1d(x[1].Permute(2, 0, 1), x[2].Slice(0, 0, 8, 2), 2, 1), r => [r.Uniform([2, 19, 5]), r.Uniform([5, 3, 4]), r.Uniform([8])]),
        new("Conv1d depthwise views", x => x[0].Transpose(1, 2).Conv1d(x[1].Slice(2, 0, 6, 2), x[2], 1, 2, groups: 5), r => [r.Uniform([2, 19, 5]), r.Uniform([5, 1, 6]), r.Uniform([5])]),
        new("Conv1d expanded", x => x[0].Expand([3, 4, 9]).Conv1d(x[1].Expand([5, 4, 3])), r => [r.Uniform([4, 9]), r.Uniform([4, 3])]),
        new("Conv1d first steps", x => x[0].Conv1d(x[1], padding: 3, groups: 4).Slice(2, 0, 9), r => [r.Uniform([2, 4, 9]), r.Uniform([4, 1, 4])]),
        new("Conv1d by itself", x => x[0].Conv1d(x[0]), r => [r.Uniform([3, 3, 3])]),
    ];

    static OperationCase Case(string what, Shape x, Shape weight, int stride = 1, int padding = 0, int dilation = 1, int groups = 1) =>
        new($"Conv1d {what}", t => t[0].Conv1d(t[1], t[2], stride, padding, dilation, groups), r => [r.Uniform(x), r.Uniform(weight), r.Uniform([weight[0]])]);
}
