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
    ];
}
