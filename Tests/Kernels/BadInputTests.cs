using System.Reflection;
using System.Runtime.CompilerServices;

namespace NeuralMemory.Tests.Kernels;

/// <summary>What every public operation says to input that it cannot take: its name, and what was given.</summary>
public class BadInputTests
{
    static readonly Tensor Integers = Tensor.From([1, 2, 3], [3]), Row = Tensor.Ones([3]), Matrix = Tensor.Ones([2, 3]), Other = Tensor.Ones([4, 5]),
        Double = Tensor.Ones([3], DType.Float64), None = Tensor.Ones([0, 3]), Beyond = Tensor.From([0, 3], [2]);

    static readonly Shape MinusOne = new([7, -1]);

    /// <summary>Each operation by the name of its method, a call that must fail, and what the message must hold.</summary>
    static readonly (string Name, Func<object> Call, string[] Parts)[] cases =
    [
        .. Unary(("Abs", x => x.Abs()), ("Cos", x => x.Cos()), ("Elu", x => x.Elu()), ("Erf", x => x.Erf()), ("Exp", x => x.Exp()), ("Gelu", x => x.Gelu()),
            ("GeluTanh", x => x.GeluTanh()), ("LeakyRelu", x => x.LeakyRelu()), ("Log", x => x.Log()), ("LogSigmoid", x => x.LogSigmoid()), ("Reciprocal", x => x.Reciprocal()),
            ("Relu", x => x.Relu()), ("Sigmoid", x => x.Sigmoid()), ("Silu", x => x.Silu()), ("Sin", x => x.Sin()), ("Softplus", x => x.Softplus()),
            ("Sqrt", x => x.Sqrt()), ("Square", x => x.Square()), ("Tanh", x => x.Tanh()), ("LayerNorm", x => x.LayerNorm()), ("RmsNorm", x => x.RmsNorm()),
            ("Sum", x => x.Sum()), ("Mean", x => x.Mean()), ("Norm", x => x.Norm()), ("Variance", x => x.Variance()), ("StandardDeviation", x => x.StandardDeviation()),
            ("Softmax", x => x.Softmax()), ("LogSoftmax", x => x.LogSoftmax()), ("LogSumExp", x => x.LogSumExp()), ("CumulativeSum", x => x.CumulativeSum()),
            ("CumulativeProduct", x => x.CumulativeProduct()), ("Clamp", x => x.Clamp(0, 1)), ("Pow", x => x.Pow(2)), ("Dropout", x => x.Dropout(.5, new Philox(1))),
            ("Multinomial", x => x.Multinomial(1, new Philox(1)))),

        .. Binary(("Maximum", (a, b) => a.Maximum(b)), ("Minimum", (a, b) => a.Minimum(b)), ("Pow", (a, b) => a.Pow(b)), ("op_Addition", (a, b) => a + b),
            ("op_Subtraction", (a, b) => a - b), ("op_Multiply", (a, b) => a * b), ("op_Division", (a, b) => a / b), ("Lerp", (a, b) => a.Lerp(b, .5)),
            ("Equal", (a, b) => a.Equal(b)), ("NotEqual", (a, b) => a.NotEqual(b)), ("op_LessThan", (a, b) => a < b), ("op_GreaterThan", (a, b) => a > b),
            ("op_LessThanOrEqual", (a, b) => a <= b), ("op_GreaterThanOrEqual", (a, b) => a >= b), ("MeanSquaredError", (a, b) => a.MeanSquaredError(b)),
            ("SmoothL1", (a, b) => a.SmoothL1(b)), ("KullbackLeiblerDivergence", (a, b) => a.KullbackLeiblerDivergence(b)),
            ("BinaryCrossEntropyWithLogits", (a, b) => a.BinaryCrossEntropyWithLogits(b)), ("MatMul", (a, b) => a.MatMul(b)),
            ("CosineSimilarity", (a, b) => a.CosineSimilarity(b))),

        .. Dimension(("Sum", x => x.Sum(2)), ("Mean", x => x.Mean(2)), ("Norm", x => x.Norm(2)), ("Variance", x => x.Variance(2)), ("StandardDeviation", x => x.StandardDeviation(2)),
            ("Softmax", x => x.Softmax(2)), ("LogSoftmax", x => x.LogSoftmax(2)), ("LogSumExp", x => x.LogSumExp(2)), ("CumulativeSum", x => x.CumulativeSum(2)),
            ("CumulativeProduct", x => x.CumulativeProduct(2)), ("Max", x => x.Max(2)), ("Min", x => x.Min(2)), ("ArgMax", x => x.ArgMax(2)), ("ArgMin", x => x.ArgMin(2)),
            ("Sort", x => x.Sort(2).Values), ("ArgSort", x => x.ArgSort(2)), ("TopK", x => x.TopK(1, 2).Values), ("Gather", x => x.Gather(2, Integers)),
            ("IndexSelect", x => x.IndexSelect(2, Integers)), ("Flatten", x => x.Flatten(0, 2)), ("Concat", x => Tensor.Concat(2, x, x)), ("Stack", x => Tensor.Stack(3, x, x))),

        ("Linear", () => Matrix.Linear(Other), ["[2, 3]", "[4, 5]"]),
        ("Linear", () => Matrix.Linear(Tensor.Ones([2, 3], DType.Float64)), ["Float32", "Float64"]),
        ("op_UnaryNegation", () => -Integers, ["[3]", "Int32"]),
        ("Mean", () => None.Mean(), ["[0, 3]"]),
        ("Max", () => None.Max(0), ["[0, 3]"]),
        ("Min", () => None.Min(0), ["[0, 3]"]),
        ("ArgMax", () => None.ArgMax(0), ["[0, 3]"]),
        ("ArgMin", () => None.ArgMin(0), ["[0, 3]"]),
        ("TopK", () => Row.TopK(4).Values, ["4", "[3]"]),
        ("CircularShift", () => Matrix.CircularShift(Tensor.Ones([2, 2])), ["[2, 3]", "[2, 2]"]),
        ("Concat", () => Tensor.Concat(0, Matrix, Other), ["[2, 3]", "[4, 5]"]),
        ("Stack", () => Tensor.Stack(0, Matrix, Other), ["[2, 3]", "[4, 5]"]),
        ("Reshape", () => Matrix.Reshape(MinusOne), ["[2, 3]", "[7, -1]"]),
        ("Contiguous", () => default(Tensor).Contiguous(), ["default"]),
        ("To", () => default(Tensor).To(DType.Float64), ["default"]),
        ("Gather", () => Row.Gather(0, Beyond), ["3", "2"]),
        ("IndexSelect", () => Row.IndexSelect(0, Beyond), ["3", "2"]),
        ("Embedding", () => Matrix.Embedding(Beyond), ["3", "1"]),
        ("EmbeddingBag", () => Matrix.EmbeddingBag(Beyond, Tensor.Ones([2])), ["3", "1"]),
        ("EmbeddingBag", () => Matrix.EmbeddingBag(Integers, Other), ["[3]", "[4, 5]"]),
        ("OneHot", () => Beyond.OneHot(3), ["3", "2"]),
        ("CrossEntropy", () => Matrix.CrossEntropy(Beyond), ["3", "2"]),
        ("CrossEntropy", () => Matrix.CrossEntropy(Integers), ["[2, 3]", "[3]"]),
        ("Multinomial", () => Tensor.From([.5f, -.1f, .6f], [3]).Multinomial(1, new Philox(1)), ["-0.1"]),
        ("Where", () => Tensor.Where(Matrix, Matrix, Other), ["[2, 3]", "[4, 5]"]),
        ("Conv1d", () => Tensor.Ones([1, 3, 5]).Conv1d(Tensor.Ones([2, 4, 3])), ["[1, 3, 5]", "[2, 4, 3]"]),
        ("ScaledDotProductAttention", () => Matrix.ScaledDotProductAttention(Other, Other), ["[2, 3]", "[4, 5]"]),
        ("AttentionWeights", () => Matrix.AttentionWeights(Other), ["[2, 3]", "[4, 5]"]),
    ];

    static IEnumerable<(string, Func<object>, string[])> Unary(params (string Name, Func<Tensor, Tensor> Call)[] operations) =>
        operations.Select(o => (o.Name, (Func<object>)(() => o.Call(Integers)), new[] { "[3]", "Int32" }));

    static IEnumerable<(string, Func<object>, string[])> Binary(params (string Name, Func<Tensor, Tensor, Tensor> Call)[] operations) => operations.SelectMany(o => new[]
    {
        (o.Name, (Func<object>)(() => o.Call(Matrix, Other)), new[] { "[2, 3]", "[4, 5]" }),
        (o.Name, () => o.Call(Row, Double), ["Float32", "Float64"]),
    });

    static IEnumerable<(string, Func<object>, string[])> Dimension(params (string Name, Func<Tensor, Tensor> Call)[] operations) =>
        operations.Select(o => (o.Name, (Func<object>)(() => o.Call(Matrix)), new[] { "dimension", "[2, 3]" }));

    public static IEnumerable<TestCaseData> Cases => cases.Select((c, i) => new TestCaseData(c.Call, c.Parts).SetArgDisplayNames(c.Name, $"{i}"));

    [TestCaseSource(nameof(Cases))]
    public void Says_what_was_given_and_what_was_expected(Func<object> call, string[] parts)
    {
        Exception thrown = Assert.Catch(() => call())!;
        Assert.That(thrown, Is.InstanceOf<ArgumentException>().Or.InstanceOf<InvalidOperationException>());
        foreach (string part in parts) Assert.That(thrown.Message, Does.Contain(part));
    }

    [Test]
    public void No_public_operation_is_left_out()
    {
        Type[] scans = [typeof(LstmScan), typeof(GruScan), typeof(RnnScan), typeof(MannComposed), typeof(DncComposed), typeof(AlignmentComposed)];   // whole sequences: refused in tests of their own
        IEnumerable<string> methods = from type in typeof(Tanh).Assembly.GetExportedTypes()
                                      where type.IsAbstract && type.IsSealed && !type.IsGenericType && !scans.Contains(type) && type != typeof(Gemm)
                                      from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static)
                                      where !method.IsDefined(typeof(CompilerGeneratedAttribute)) && method.GetParameters().Any(p => p.ParameterType == typeof(Tensor))
                                      select method.Name;
        Assert.That(methods.Distinct().Except(cases.Select(c => c.Name)), Is.Empty);
        Assert.That(methods, Has.Member("Tanh").And.Member("op_Addition").And.Member("MatMul"));
    }
}
