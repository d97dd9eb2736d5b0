namespace NeuralMemory.Tests.Kernels.Cases;

public class MatMulCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        new("MatMul [63, 100] [100, 65]", x => x[0].MatMul(x[1]), r => [r.Uniform([63, 100], -1, 1), r.Uniform([100, 65], -1, 1)]),
        new("MatMul vectors", x => x[0].MatMul(x[1]), r => [r.Uniform([31]), r.Uniform([31])]),
        new("MatMul transposed", x => x[0].T.MatMul(x[1].T), r => [r.Uniform([9, 17]), r.Uniform([5, 9])]),
        new("MatMul sliced", x => x[0].Slice(0, 1, 5, 2).MatMul(x[1].Slice(1, 2, 9, 3)), r => [r.Uniform([5, 17]), r.Uniform([17, 9])]),
        new("MatMul batched", x => x[0].MatMul(x[1]), r => [r.Uniform([2, 3, 5, 7]), r.Uniform([3, 7, 4])]),
        new("MatMul broadcast", x => x[0].MatMul(x[1]), r => [r.Uniform([5, 7]), r.Uniform([3, 7, 4])]),
        new("MatMul expanded", x => x[0].Expand([3, 5, 7]).MatMul(x[1].Expand([7, 4])), r => [r.Uniform([5, 7]), r.Uniform([1, 4])]),
        new("MatMul empty", x => x[0].MatMul(x[1]), r => [r.Uniform([3, 0]), r.Uniform([0, 4])]),
        new("Linear [32, 100] to 65", x => x[0].Linear(x[1], x[2]), r => [r.Uniform([32, 100], -1, 1), r.Uniform([65, 100], -1, 1), r.Uniform([65])]),
        new("Linear [2, 3, 7] to 5", x => x[0].Linear(x[1], x[2]), r => [r.Uniform([2, 3, 7]), r.Uniform([5, 7]), r.Uniform([5])]),
        new("Linear without bias", x => x[0].Linear(x[1]), r => [r.Uniform([17]), r.Uniform([9, 17])]),
        new("Linear of views", x => x[0].T.Linear(x[1].T, x[2].Slice(0, 1, 11, 2)), r => [r.Uniform([7, 3]), r.Uniform([7, 5]), r.Uniform([11])]),
    ];
}
