namespace NeuralMemory.Tests.Kernels.Elementwise;

/// <summary>What the shared checks of <see cref="OperationTests"/> cannot see: special values, ties, errors, integers.</summary>
public class ElementwiseTests
{
    static (double Value, double Slope) At(Func<Tensor, Tensor> function, double x, DType type = DType.Float32)
    {
        using (Tape.Step())
        {
            Tensor leaf = Tensor.Scalar(x, type).RequireGradient(), y = function(leaf);
            y.Backward();
            return (y.Item(), leaf.Gradient.Item());
        }
    }

    static (double A, double B) Slopes(Func<Tensor, Tensor, Tensor> function, double a, double b)
    {
        using (Tape.Step())
        {
            Tensor left = Tensor.Scalar(a).RequireGradient(), right = Tensor.Scalar(b).RequireGradient();
            function(left, right).Backward();
            return (left.Gradient.Item(), right.Gradient.Item());
        }
    }

    static readonly (string Name, Func<Tensor, Tensor> Function)[] bounded =
    [
        ("Tanh", x => x.Tanh()), ("Sigmoid", x => x.Sigmoid()), ("LogSigmoid", x => x.LogSigmoid()), ("Softplus", x => x.Softplus()),
        ("Relu", x => x.Relu()), ("LeakyRelu", x => x.LeakyRelu()), ("Elu", x => x.Elu()), ("Silu", x => x.Silu()), ("Gelu", x => x.Gelu()),
        ("GeluTanh", x => x.GeluTanh()), ("Erf", x => x.Erf()), ("Clamp", x => x.Clamp(-1, 1)), ("Abs", x => x.Abs()),
    ];

    [Test]
    public void Activations_and_their_slopes_are_finite_far_out([Values(-1e30, -1000, -100, 0, 100, 1000, 1e30)] double x, [Values(DType.Float32, DType.Float64)] DType type)
    {
        foreach ((string name, Func<Tensor, Tensor> function) in bounded)
        {
            (double value, double slope) = At(function, x, type);
            Assert.That(double.IsFinite(value) && double.IsFinite(slope), $"{name}({x}) = {value}, slope {slope}");
        }
    }

    [Test]
    public void Nan_goes_through_activations([Values(DType.Float32, DType.Float64)] DType type)
    {
        foreach ((string name, Func<Tensor, Tensor> function) in bounded) Assert.That(At(function, double.NaN, type).Value, Is.NaN, name);
    }

    [Test]
    public void Slopes_where_they_jump_are_those_of_PyTorch()
    {
        Assert.That(At(x => x.Abs(), 0), Is.EqualTo((0.0, 0.0)));
        Assert.That(At(x => x.Relu(), 0), Is.EqualTo((0.0, 0.0)));
        Assert.That(At(x => x.LeakyRelu(0.5), 0), Is.EqualTo((0.0, 0.5)));
        Assert.That(At(x => x.Elu(), 0), Is.EqualTo((0.0, 1.0)));
        Assert.That(At(x => x.Clamp(0, 1), 0), Is.EqualTo((0.0, 1.0)));
        Assert.That(At(x => x.Clamp(0, 1), 1), Is.EqualTo((1.0, 1.0)));
        Assert.That(At(x => x.Sqrt(), 0), Is.EqualTo((0.0, double.PositiveInfinity)));
        Assert.That(Slopes((a, b) => a.Maximum(b), 3, 3), Is.EqualTo((0.5, 0.5)));
        Assert.That(Slopes((a, b) => a.Minimum(b), 3, 3), Is.EqualTo((0.5, 0.5)));
        Assert.That(Slopes((a, b) => a.Maximum(b), 3, 2), Is.EqualTo((1.0, 0.0)));
        Assert.That(Slopes((a, b) => a.Minimum(b), 3, 2), Is.EqualTo((0.0, 1.0)));
    }

    [Test]
    public void Powers_at_zero_have_finite_slopes()
    {
        Assert.That(Slopes((a, b) => a.Pow(b), 0, 2), Is.EqualTo((0.0, 0.0)));
        Assert.That(Slopes((a, b) => a.Pow(b), 0, 1), Is.EqualTo((1.0, 0.0)));
        Assert.That(Slopes((a, b) => a.Pow(b), 0, 0), Is.EqualTo((0.0, 0.0)));
        Assert.That(At(x => x.Pow(0), 0), Is.EqualTo((1.0, 0.0)));
        Assert.That(At(x => x.Pow(2), 0), Is.EqualTo((0.0, 0.0)));
        Assert.That(At(x => x.Pow(3), -2), Is.EqualTo((-8.0, 12.0)));
    }

    [Test]
    public void Where_lets_nothing_of_the_other_choice_through()
    {
        using (Tape.Step())
        {
            Tensor a = Tensor.From([1f, 2], [2]).RequireGradient(), b = Tensor.From([float.NaN, 5], [2]).RequireGradient();
            Tensor c = Tensor.From([7f, 0], [2]).RequireGradient();
            Tensor y = Tensor.Where(c, a, b);
            y.Backward(Tensor.Ones([2]));
            Assert.That(y.ToArray(), Is.EqualTo([1f, 5f]));
            Assert.That(a.Gradient.ToArray(), Is.EqualTo([1f, 0f]));
            Assert.That(b.Gradient.ToArray(), Is.EqualTo([0f, 1f]));
            Assert.That(c.HasGradient, Is.False);
        }
    }

    [Test]
    public void Comparisons_of_every_type()
    {
        foreach (DType type in Enum.GetValues<DType>())
        {
            Tensor a = Tensor.From([1f, 2, 3], [3, 1]).To(type), b = Tensor.From([2f, 3], [2]).To(type);
            Assert.That((a < b).ToArray<int>(), Is.EqualTo([1, 1, 0, 1, 0, 0]), $"{type} <");
            Assert.That((a <= b).ToArray<int>(), Is.EqualTo([1, 1, 1, 1, 0, 1]), $"{type} <=");
            Assert.That((a > b).ToArray<int>(), Is.EqualTo([0, 0, 0, 0, 1, 0]), $"{type} >");
            Assert.That((a >= b).ToArray<int>(), Is.EqualTo([0, 0, 1, 0, 1, 1]), $"{type} >=");
            Assert.That(a.Equal(b).ToArray<int>(), Is.EqualTo([0, 0, 1, 0, 0, 1]), $"{type} =");
            Assert.That(a.NotEqual(b).ToArray<int>(), Is.EqualTo([1, 1, 0, 1, 1, 0]), $"{type} not =");
            Assert.That((a.T > 1).ToArray<int>(), Is.EqualTo([0, 1, 1]), $"{type} > 1");
            Assert.That(a.Equal(2).DType, Is.EqualTo(DType.Int32));
        }
        Tensor nan = Tensor.Scalar(double.NaN), one = Tensor.Scalar(1);
        Assert.That(((nan < one).Item(), (nan >= one).Item(), nan.Equal(nan).Item(), nan.NotEqual(nan).Item()), Is.EqualTo((0.0, 0.0, 0.0, 1.0)));
        Assert.That(() => Tensor.Range(0, 3) > 0.5, Throws.TypeOf<ShapeException>().With.Message.Contain("Greater").And.Message.Contain("0.5"));
        Assert.That(() => Tensor.Range(0, 3).Equal(nan), Throws.TypeOf<ShapeException>().With.Message.Contain("Int32 [3]"));
    }

    [Test]
    public void Conversions_copy_views_too()
    {
        Tensor x = Tensor.From([1.7f, -1.7f, 2, 3], [2, 2]);
        Assert.That(x.T.To(DType.Int32).ToArray<int>(), Is.EqualTo([1, 2, -1, 3]));
        Assert.That(x.To(DType.Float64).DType, Is.EqualTo(DType.Float64));
        Assert.That(Tensor.Range(0, 6).Reshape([2, 3]).T.Reshape([6]).ToArray<int>(), Is.EqualTo([0, 3, 1, 4, 2, 5]));
    }

    [Test]
    public void Dropout_keeps_the_mean_and_the_share()
    {
        Tensor x = Tensor.Ones([100_000]), y = x.Dropout(0.3, new Philox(1));
        float[] values = y.ToArray();
        Assert.That(values.Count(v => v == 0) / 1e5, Is.EqualTo(0.3).Within(0.005));
        Assert.That(values.Where(v => v != 0), Has.All.EqualTo((float)(1 / 0.7)));
        Assert.That(x.Dropout(0.3, new Philox(1), training: false).ToArray(), Has.All.EqualTo(1f));
        Assert.That(x.Dropout(0, new Philox(1)).ToArray(), Has.All.EqualTo(1f));
        Assert.That(() => x.Dropout(1, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Dropout_depends_on_the_element_and_on_nothing_else()
    {
        Tensor x = Tensor.Ones([30, 50]);
        Philox random = new(5) { Position = 3 };
        float[] first = x.Dropout(0.5, random).ToArray();
        Assert.That(random.Position, Is.EqualTo(4 + 1500));
        Philox numbers = new(5) { Position = 4 };
        for (int i = 0; i < first.Length; i++) Assert.That(first[i] != 0, Is.EqualTo(numbers.NextUInt32() >= 0x80000000), $"element {i}");

        Assert.That(Tensor.Ones([50, 30]).T.Dropout(0.5, new Philox(5) { Position = 4 }).ToArray(), Is.EqualTo(first), "a view with other strides");
        Assert.That(x.To(DType.Float64).Dropout(0.5, new Philox(5) { Position = 4 }).ToArray(), Is.EqualTo(first), "another type");
        Assert.That(x.Dropout(0.5, random).ToArray(), Is.Not.EqualTo(first), "the next call");
    }

    [Test]
    public void Errors_name_the_operation_and_both_shapes()
    {
        Tensor a = Tensor.Ones([2, 3]), b = Tensor.Ones([4]), i = Tensor.Range(0, 3), d = Tensor.Ones([3], DType.Float64);
        AssertRefused(() => a * b, "Mul", "[2, 3]", "[4]", "neither is 1");
        AssertRefused(() => a.Maximum(b), "Maximum", "[2, 3]", "[4]");
        AssertRefused(() => a.Lerp(a, b), "Lerp", "[2, 3]", "[4]");
        AssertRefused(() => Tensor.Where(b, a, a), "Where", "[2, 3]", "[4]");
        AssertRefused(() => a / d, "Div", "Float32 [2, 3]", "Float64 [3]");
        AssertRefused(() => a.Lerp(a, d), "Lerp", "Float32 [2, 3]", "Float64 [3]");
        AssertRefused(() => a - i, "Sub", "[2, 3]", "Int32 [3]");
        AssertRefused(() => i.Exp(), "Exp", "[3]", "Int32");
        AssertRefused(() => -i, "Neg", "[3]", "Int32");
        AssertRefused(() => i.Dropout(0.5, new Philox(1)), "Dropout", "[3]", "Int32");
        Assert.That(() => a.Clamp(1, 0), Throws.ArgumentException.With.Message.Contain("Clamp"));
        Assert.That(() => a.Clamp(double.NaN, 0), Throws.ArgumentException);
    }

    static void AssertRefused(Func<Tensor> call, string operation, params string[] parts)
    {
        ShapeException? error = Assert.Throws<ShapeException>(() => call());
        Assert.That(error!.Operation, Is.EqualTo(operation));
        foreach (string part in parts) Assert.That(error.Message, Does.Contain(part));
    }
}
