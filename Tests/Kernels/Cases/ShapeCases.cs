namespace NeuralMemory.Tests.Kernels.Cases;

public class ShapeCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        new("Concat one", x => Tensor.Concat(0, x[0]), r => [r.Uniform([63])]),
        new("Concat first", x => Tensor.Concat(0, x[0], x[1], x[2]), r => [r.Uniform([2, 33]), r.Uniform([1, 33]), r.Uniform([5, 33])]),
        new("Concat last", x => Tensor.Concat(-1, x[0], x[1]), r => [r.Uniform([3, 7, 63]), r.Uniform([3, 7, 1])]),
        new("Concat middle", x => Tensor.Concat(1, x[0], x[1]), r => [r.Uniform([3, 7, 5]), r.Uniform([3, 2, 5])]),
        new("Concat views", x => Tensor.Concat(1, x[0].T, x[1].Slice(1, 1, 20, 3)), r => [r.Uniform([9, 4]), r.Uniform([4, 21])]),
        new("Concat with nothing", x => Tensor.Concat(0, x[0], x[1]), r => [r.Uniform([0, 4]), r.Uniform([3, 4])]),
        new("Concat with itself", x => Tensor.Concat(1, x[0], x[0], x[0]), r => [r.Uniform([3, 4])]),
        new("Concat five", x => Tensor.Concat(0, x[0], x[1], x[0], x[1], x[0]), r => [r.Uniform([3]), r.Uniform([4])]),
        new("Concat large", x => Tensor.Concat(1, x[0], x[1]), r => [r.Uniform([70, 301]), r.Uniform([70, 130])]),
        new("Concat integers", x => Tensor.Concat(1, x[0].T, x[1]), r => [r.Indices([3, 2], 9), r.Indices([2, 5], 9)]),
        new("Stack one", x => Tensor.Stack(0, x[0]), r => [r.Uniform([63])]),
        new("Stack numbers", x => Tensor.Stack(0, x[0], x[1]), r => [r.Uniform([]), r.Uniform([])]),
        new("Stack first", x => Tensor.Stack(0, x[0], x[1], x[0]), r => [r.Uniform([3, 5]), r.Uniform([3, 5])]),
        new("Stack last", x => Tensor.Stack(-1, x[0], x[1]), r => [r.Uniform([7, 33]), r.Uniform([7, 33])]),
        new("Stack middle", x => Tensor.Stack(1, x[0].T, x[1]), r => [r.Uniform([33, 7]), r.Uniform([7, 33])]),
        .. Picking(),
        .. Sorting(),
        .. Shifting(),
        new("OneHot", x => x[0].OneHot(9), r => [r.Indices([7, 5], 9)]),
        new("OneHot transposed", x => x[0].T.OneHot(9), r => [r.Indices([7, 5], 9)]),
        new("OneHot of none", x => x[0].OneHot(3), r => [r.Indices([0], 9)]),
        new("Contiguous integers", x => x[0].T.Contiguous(), r => [r.Indices([7, 5], 9)]),
    ];

    static IEnumerable<OperationCase> Picking() =>
    [
        new("Gather one", x => x[0].Gather(0, x[1]), r => [r.Uniform([1]), r.Indices([1], 1)]),
        new("Gather last", x => x[0].Gather(-1, x[1]), r => [r.Uniform([7, 63]), r.Indices([7, 100], 63)]),
        new("Gather first", x => x[0].Gather(0, x[1]), r => [r.Uniform([9, 33]), r.Indices([21, 33], 9)]),
        new("Gather middle of fewer", x => x[0].Gather(1, x[1]), r => [r.Uniform([3, 7, 5]), r.Indices([2, 4, 3], 7)]),
        new("Gather views", x => x[0].T.Gather(1, x[1].T.Slice(1, 0, 8, 3)), r => [r.Uniform([9, 4]), r.Indices([8, 4], 9)]),
        new("Gather expanded", x => x[0].Expand(x[0].Shape.Insert(0, 3)).Gather(2, x[1].Expand(x[1].Shape.Insert(0, 3))), r => [r.Uniform([4, 5]), r.Indices([4, 2], 5)]),
        new("Gather none", x => x[0].Gather(1, x[1]), r => [r.Uniform([3, 5]), r.Indices([3, 0], 5)]),
        new("Gather integers", x => x[0].Gather(1, x[1]), r => [r.Indices([3, 5], 90), r.Indices([3, 4], 5)]),
        new("Gather large", x => x[0].Gather(1, x[1]), r => [r.Uniform([70, 301]), r.Indices([70, 300], 301)]),
        new("IndexSelect one", x => x[0].IndexSelect(0, x[1]), r => [r.Uniform([1]), r.Indices([1], 1)]),
        new("IndexSelect first", x => x[0].IndexSelect(0, x[1]), r => [r.Uniform([7, 33]), r.Indices([63], 7)]),
        new("IndexSelect last", x => x[0].IndexSelect(-1, x[1]), r => [r.Uniform([7, 63]), r.Indices([100], 63)]),
        new("IndexSelect middle", x => x[0].IndexSelect(1, x[1]), r => [r.Uniform([3, 7, 5]), r.Indices([9], 7)]),
        new("IndexSelect views", x => x[0].T.IndexSelect(0, x[1].Slice(0, 0, 20, 3)), r => [r.Uniform([9, 4]), r.Indices([20], 4)]),
        new("IndexSelect of expanded", x => x[0].Expand(x[0].Shape.Insert(0, 3)).IndexSelect(1, x[1]), r => [r.Uniform([5]), r.Indices([4], 5)]),
        new("IndexSelect none", x => x[0].IndexSelect(0, x[1]), r => [r.Uniform([3, 5]), r.Indices([0], 3)]),
        new("IndexSelect integers", x => x[0].IndexSelect(1, x[1]), r => [r.Indices([3, 5], 90), r.Indices([8], 5)]),
        new("IndexSelect large", x => x[0].IndexSelect(0, x[1]), r => [r.Uniform([50, 301]), r.Indices([70], 50)]),
        new("Embedding [3, 7]", x => x[0].Embedding(x[1]), r => [r.Uniform([17, 12]), r.Indices([3, 7], 17)]),
        new("Embedding transposed", x => x[0].T.Embedding(x[1].T), r => [r.Uniform([12, 17]), r.Indices([3, 7], 17)]),
        new("Embedding of one", x => x[0].Embedding(x[1]), r => [r.Uniform([5, 3]), r.Indices([], 5)]),
        new("EmbeddingBag [3, 7, 4]", x => x[0].EmbeddingBag(x[1], x[2]), r => [r.Uniform([17, 63]), r.Indices([3, 7, 4], 17), r.Uniform([3, 7, 4])]),
        new("EmbeddingBag views", x => x[0].T.EmbeddingBag(x[1].T, x[2].Slice(1, 0, 9, 2)), r => [r.Uniform([20, 7]), r.Indices([5, 6], 7), r.Uniform([6, 9])]),
        new("EmbeddingBag of expanded", x => x[0].Expand(x[0].Shape.With(0, 4)).EmbeddingBag(x[1], x[2].Expand(x[1].Shape)), r => [r.Uniform([1, 5]), r.Indices([6, 3], 4), r.Uniform([3])]),
        new("EmbeddingBag of one", x => x[0].EmbeddingBag(x[1], x[2]), r => [r.Uniform([5, 1]), r.Indices([1], 5), r.Uniform([1])]),
        new("EmbeddingBag of none", x => x[0].EmbeddingBag(x[1], x[2]), r => [r.Uniform([5, 16]), r.Indices([4, 0], 5), r.Uniform([4, 0])]),
        new("EmbeddingBag with nothing in it", x => x[0].EmbeddingBag(x[1], x[2].Relu()), r => [r.Uniform([5, 16]), r.Indices([4, 3], 5), r.Uniform([4, 3])]),
        new("EmbeddingBag large", x => x[0].EmbeddingBag(x[1], x[2]), r => [r.Uniform([50, 301]), r.Indices([40, 20], 50), r.Uniform([40, 20])]),
    ];

    static IEnumerable<OperationCase> Sorting() =>
    [
        .. ReductionCases.Along("Sort", (x, d) => x.Sort(d).Values),
        .. ReductionCases.Along("Sort descending", (x, d) => x.Sort(d, descending: true).Values),
        .. ReductionCases.Along("ArgSort", (x, d) => x.ArgSort(d)),
        .. ReductionCases.Along("TopK", (x, d) => x.TopK(Math.Min(3, x.Shape[d < 0 ? d + x.Rank : d]), d).Values),
        new("TopK all", x => x[0].TopK(100).Values, r => [r.Uniform([3, 100])]),
        new("TopK none", x => x[0].TopK(0).Values, r => [r.Uniform([3, 5])]),
        new("TopK indices", x => x[0].TopK(2, 0).Indices, r => [r.Uniform([7, 5])]),
    ];

    static IEnumerable<OperationCase> Shifting() =>
    [
        new("CircularShift [1]", x => x[0].CircularShift(x[1]), r => [r.Uniform([1]), r.Uniform([1])]),
        new("CircularShift [3] by 3", x => x[0].CircularShift(x[1]), r => [r.Uniform([3]), r.Uniform([3])]),
        new("CircularShift [63] by 5", x => x[0].CircularShift(x[1]), r => [r.Uniform([63]), r.Uniform([5])]),
        new("CircularShift [4, 100] by 3", x => x[0].CircularShift(x[1]), r => [r.Uniform([4, 100]), r.Uniform([4, 3])]),
        new("CircularShift [2, 3, 21] by 21", x => x[0].CircularShift(x[1]), r => [r.Uniform([2, 3, 21]), r.Uniform([2, 3, 21])]),
        new("CircularShift views", x => x[0].T.CircularShift(x[1].Slice(1, 1, 10, 4)), r => [r.Uniform([17, 5]), r.Uniform([5, 12])]),
        new("CircularShift expanded", x => x[0].Expand(x[0].Shape.Insert(0, 4)).CircularShift(x[1].Expand(x[1].Shape.Insert(0, 4))), r => [r.Uniform([9]), r.Uniform([3])]),
        new("CircularShift by one repeated", x => x[0].CircularShift(x[1].Expand(x[1].Shape.With(1, 5))), r => [r.Uniform([2, 9]), r.Uniform([2, 1])]),
        new("CircularShift by itself", x => x[0].CircularShift(x[0]), r => [r.Uniform([2, 9])]),
        new("CircularShift of none", x => x[0].CircularShift(x[1]), r => [r.Uniform([0, 9]), r.Uniform([0, 3])]),
        new("CircularShift large", x => x[0].CircularShift(x[1]), r => [r.Uniform([150, 128]), r.Uniform([150, 3])]),
    ];
}
