namespace NeuralMemory.Tests.Kernels.Cases;

public class ElementwiseCases : ICaseSource
{
    public IEnumerable<OperationCase> Cases =>
    [
        .. Unary("Tanh", x => x.Tanh()),
        .. Unary("AddConstant", x => 2 + (x + 3)),
        .. Unary("Contiguous", x => x.Transpose(0, -1).Contiguous().Reshape(flat)),
        .. Unary("Expand", x => x.Unsqueeze(1).Expand(x.Shape.Insert(1, 3).Insert(0, 2)).Tanh()),
        .. Binary("Add", (a, b) => a + b),
        .. Unary("Neg", x => -x),
        .. Unary("SubConstant", x => 2 - (x - 3)),
        .. Binary("Sub", (a, b) => a - b),
        .. Unary("MulConstant", x => 2 * (x * 3)),
        .. Binary("Mul", (a, b) => a * b),
        .. Unary("DivByConstant", x => x / 3),
        .. Unary("DivConstant", x => 3 / x, 0.5),
        .. Binary("Div", (a, b) => a / b, 0.5),
        .. Unary("Exp", x => x.Exp()),
        .. Unary("Log", x => x.Log(), 0.1, 3),
        .. Unary("Sqrt", x => x.Sqrt(), 0.1, 3),
        .. Unary("Sigmoid", x => x.Sigmoid(), -6, 6),
        .. Unary("Softplus", x => x.Softplus(), -6, 6),
        .. Unary("Relu", x => x.Relu()),
        .. Unary("PowConstant", x => x.Pow(2.5), 0.1, 3),
        .. Unary("PowConstant 0", x => x.Pow(0)),
        .. Binary("Pow", (a, b) => a.Pow(b), 0.1),
        .. Unary("Reciprocal", x => x.Reciprocal(), 0.5),
        .. Unary("Abs", x => x.Abs()),
        .. Unary("Square", x => x.Square()),
        .. Unary("Sin", x => x.Sin(), -7, 7),
        .. Unary("Cos", x => x.Cos(), -7, 7),
        .. Unary("Erf", x => x.Erf(), -4, 4),
        .. Unary("LogSigmoid", x => x.LogSigmoid(), -6, 6),
        .. Unary("LeakyRelu", x => x.LeakyRelu(0.1)),
        .. Unary("Elu", x => x.Elu(1.5), -6, 6),
        .. Unary("Silu", x => x.Silu(), -6, 6),
        .. Unary("Gelu", x => x.Gelu(), -6, 6),
        .. Unary("GeluTanh", x => x.GeluTanh(), -6, 6),
        .. Unary("Clamp", x => x.Clamp(-1, 0.5)),
        .. Binary("Maximum", (a, b) => a.Maximum(b)),
        .. Binary("Minimum", (a, b) => a.Minimum(b)),
        .. Binary("LerpConstant", (a, b) => a.Lerp(b, 0.3)),
        .. Ternary("Lerp", (a, b, w) => a.Lerp(b, w)),
        .. Ternary("Where", (a, b, c) => Tensor.Where(c, a, b)),
        .. Ternary("Where Int32", (a, b, c) => Tensor.Where(c > 0.25, a, b)),
        .. Unary("Dropout", x => x.Dropout(0.3, Rewound)),
    ];

    /// <summary>Written in the lambda, a constant collection would allocate in a debug build, where the JIT does not expand RuntimeHelpers.CreateSpan.</summary>
    static readonly Shape flat = [-1];

    static readonly Philox random = new(7);

    /// <summary>A generator that gives the same numbers to every call.</summary>
    static Philox Rewound
    {
        get
        {
            random.Position = 5;
            return random;
        }
    }

    /// <summary>The sizes that find tails and views: one element, odd ones, a matrix and its transpose, a slice with gaps, nothing at all.</summary>
    internal static IEnumerable<OperationCase> Unary(string name, Func<Tensor, Tensor> function, double low = -2, double high = 2) =>
    [
        new($"{name} [1]", x => function(x[0]), r => [r.Uniform([1], low, high)]),
        new($"{name} [63]", x => function(x[0]), r => [r.Uniform([63], low, high)]),
        new($"{name} [7, 100]", x => function(x[0]), r => [r.Uniform([7, 100], low, high)]),
        new($"{name} transposed", x => function(x[0].T), r => [r.Uniform([5, 33], low, high)]),
        new($"{name} sliced", x => function(x[0].Slice(-1, 1, 20, 3).Slice(0, 1, 4)), r => [r.Uniform([5, 21], low, high)]),
        new($"{name} empty", x => function(x[0]), r => [r.Uniform([0, 3], low, high)]),
        new($"{name} large", x => function(x[0]), r => [r.Uniform([3, 20011], low, high)]),
    ];

    internal static IEnumerable<OperationCase> Binary(string name, Func<Tensor, Tensor, Tensor> function, double low = -2, double high = 2) =>
    [
        new($"{name} [63]", x => function(x[0], x[1]), r => [r.Uniform([63], low, high), r.Uniform([63], low, high)]),
        new($"{name} row", x => function(x[0], x[1]), r => [r.Uniform([7, 33], low, high), r.Uniform([33], low, high)]),
        new($"{name} column", x => function(x[0], x[1]), r => [r.Uniform([7, 1], low, high), r.Uniform([7, 33], low, high)]),
        new($"{name} both", x => function(x[0], x[1]), r => [r.Uniform([4, 1, 5], low, high), r.Uniform([3, 1], low, high)]),
        new($"{name} scalar", x => function(x[0], x[1]), r => [r.Uniform([], low, high), r.Uniform([3, 100], low, high)]),
        new($"{name} transposed", x => function(x[0].T, x[1]), r => [r.Uniform([9, 17], low, high), r.Uniform([17, 9], low, high)]),
        new($"{name} with itself", x => function(x[0], x[0]), r => [r.Uniform([19], low, high)]),
        new($"{name} large", x => function(x[0], x[1]), r => [r.Uniform([700, 65], low, high), r.Uniform([65], low, high)]),
    ];

    internal static IEnumerable<OperationCase> Ternary(string name, Func<Tensor, Tensor, Tensor, Tensor> function, double low = -2, double high = 2)
    {
        OperationCase Case(string shapes, Shape a, Shape b, Shape c) => new(
            $"{name} {shapes}", x => function(x[0], x[1], x[2]), r => [r.Uniform(a, low, high), r.Uniform(b, low, high), r.Uniform(c, low, high)]);
        return
        [
            Case("[63]", [63], [63], [63]),
            Case("rows", [7, 33], [33], [1, 33]),
            Case("columns", [7, 1], [7, 33], [7, 1]),
            Case("scalars", [], [3, 100], [1]),
            Case("outer", [4, 1, 1], [3, 1], [5]),
            Case("large", [700, 65], [65], [700, 1]),
            new($"{name} transposed", x => function(x[0].T, x[1], x[2].T), r => [r.Uniform([9, 17], low, high), r.Uniform([17, 9], low, high), r.Uniform([9, 17], low, high)]),
            new($"{name} with itself", x => function(x[0], x[0], x[0]), r => [r.Uniform([19], low, high)]),
        ];
    }
}
