namespace NeuralMemory.Tests.Engine;

public sealed class InitializerTests
{
    static float[] Draw(Initializer initializer, Shape shape)
    {
        float[] values = new float[shape.Count];
        initializer(values, shape, new Philox(3));
        return values;
    }

    static double Deviation(float[] values) => Math.Sqrt(values.Sum(v => (double)v * v) / values.Length);

    /// <summary>A convolution's weight [60, 40, 5]: 200 inputs and 300 outputs.</summary>
    static readonly object[] Deviations =
    [
        new object[] { Initializers.XavierUniform(3), 3 * Math.Sqrt(2.0 / 500) },
        new object[] { Initializers.XavierNormal(3), 3 * Math.Sqrt(2.0 / 500) },
        new object[] { Initializers.KaimingUniform(), Math.Sqrt(2.0 / 200) },
        new object[] { Initializers.KaimingNormal(), Math.Sqrt(2.0 / 200) },
        new object[] { Initializers.KaimingUniform(5, FanMode.FanOut), 5 / Math.Sqrt(300) },
        new object[] { Initializers.KaimingNormal(5, FanMode.FanOut), 5 / Math.Sqrt(300) },
        new object[] { Initializers.FanInUniform, 1 / Math.Sqrt(3 * 200) },
        new object[] { Initializers.TruncatedNormal(2, 100), 2.0 },
        new object[] { Initializers.TruncatedNormal(2), 2 * 0.8796256610342398 },
        new object[] { Initializers.Orthogonal(7), 7 / Math.Sqrt(200) },
    ];

    [TestCaseSource(nameof(Deviations))]
    public void Has_the_deviation_of_its_paper(Initializer initializer, double expected) =>
        Assert.That(Deviation(Draw(initializer, [60, 40, 5])), Is.EqualTo(expected).Within(2).Percent);

    [Test]
    public void Uniform_ones_stay_within_their_bounds()
    {
        Assert.That(Draw(Initializers.KaimingUniform(), [60, 200]).Max(Math.Abs), Is.EqualTo(Math.Sqrt(6.0 / 200)).Within(1).Percent);
        Assert.That(Draw(Initializers.TruncatedNormal(0.5, 1), [60, 200]).Max(Math.Abs), Is.EqualTo(0.5).Within(1).Percent);
    }

    [TestCase(7, 7)]
    [TestCase(5, 33)]
    [TestCase(63, 4)]
    public void Orthogonal_rows_or_columns_are_orthonormal(int rows, int columns)
    {
        using (Tape.Step())
        {
            Tensor w = Tensor.From(Draw(Initializers.Orthogonal(2), [rows, columns]), [rows, columns]);
            Tensor product = rows <= columns ? w.MatMul(w.T) : w.T.MatMul(w);
            for (int i = 0; i < product.Shape[0]; i++)
                for (int j = 0; j < product.Shape[0]; j++) Assert.That(product[i, j], Is.EqualTo(i == j ? 4 : 0).Within(1e-5));
        }
    }

    [TestCase("linear", 1.0)]
    [TestCase("sigmoid", 1.0)]
    [TestCase("tanh", 1.6666666666666667)]
    [TestCase("relu", 1.4142135623730951)]
    [TestCase("leaky_relu", 1.4141428569978354)]
    [TestCase("selu", 0.75)]
    public void Gains_are_PyTorchs(string nonlinearity, double expected) => Assert.That(Initializers.Gain(nonlinearity), Is.EqualTo(expected).Within(1e-12));

    [Test]
    public void Knows_each_by_name_and_refuses_others()
    {
        Assert.That(Draw(Initializers.ByName("xavier_uniform", 3), [5, 7]), Is.EqualTo(Draw(Initializers.XavierUniform(3), [5, 7])));
        foreach (string name in new[] { "zeros", "ones", "normal", "uniform", "truncated_normal", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal" })
            Assert.That(Draw(Initializers.ByName(name), [5, 7]), Is.All.Matches<float>(float.IsFinite), name);
        Assert.That(() => Initializers.ByName("glorot"), Throws.ArgumentException.With.Message.Contains("'glorot' is not known"));
        Assert.That(() => Initializers.Gain("softplus"), Throws.ArgumentException.With.Message.Contains("'softplus' is not known"));
        Assert.That(() => Draw(Initializers.Orthogonal(), [5]), Throws.TypeOf<ShapeException>().With.Message.EqualTo("Orthogonal: [5]: at least two dimensions were expected."));
        Assert.That(() => Initializers.TruncatedNormal(1, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
