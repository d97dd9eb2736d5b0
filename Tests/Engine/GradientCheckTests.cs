namespace NeuralMemory.Tests.Engine;

public class GradientCheckTests
{
    /// <summary>y = 2x whose backward pass claims <c>slope</c>.</summary>
    sealed unsafe class Doubled : Operation<Doubled>
    {
        double slope;

        public static Tensor Apply(Tensor x, double slope)
        {
            Tensor y = Tensor.Empty(x.Shape, x.DType);
            for (int i = 0; i < x.Count; i++) y.Pointer<double>()[i] = 2 * x.Pointer<double>()[i];
            Record(y, x)?.slope = slope;
            return y;
        }

        protected override void Backward()
        {
            double* dx = InputGradient(0).Pointer<double>(), dy = OutputGradient().Pointer<double>();
            for (int i = 0; i < Input(0).Count; i++) dx[i] += slope * dy[i];
        }
    }

    [Test]
    public void A_right_gradient_passes_and_a_wrong_one_fails()
    {
        Tensor x = Tensor.From([.3f, -1, 2], [3]);
        Assert.That(GradientCheck.Function(v => Doubled.Apply(v[0], 2), x).Passed, Is.True);
        GradientCheckResult wrong = GradientCheck.Function(v => Doubled.Apply(v[0], 2.0001), x);
        Assert.That(wrong.Passed, Is.False);
        Assert.That(wrong.ThrowIfFailed, Throws.TypeOf<ArithmeticException>().With.Message.Contains("input 0"));
        Assert.That(GradientCheck.Function(v => Doubled.Apply(v[0], 0), x).Passed, Is.False, "a missing gradient");
        Assert.That(GradientCheck.Function(v => Doubled.Apply(v[0], double.NaN), x).Passed, Is.False, "NaN");
    }

    [Test]
    public void A_gradient_that_overwrites_where_it_should_add_fails()
    {
        Tensor x = Tensor.From([.3f, -1, 2], [3]);
        Assert.That(GradientCheck.Function(v => Doubled.Apply(v[0], 2) + v[0].Detach() * v[0], x).Passed, Is.False, "a detached factor loses half of the gradient");
    }

    sealed class Affine : Module
    {
        readonly Tensor weight, bias;

        public Affine()
        {
            Philox random = new(1);
            weight = Parameter("weight", [3, 2], Initializers.Uniform(1), random);
            bias = Parameter("bias", [3], Initializers.Ones, random);
        }

        public Tensor Forward(Tensor x) => x.Linear(weight, bias).Tanh();
    }

    [Test]
    public void Modules_are_checked_in_float64_and_come_back_as_they_were()
    {
        Affine module = new();
        float[][] before = [.. module.Parameters.Select(p => p.ToArray())];
        GradientCheck.Module(module, x => module.Forward(x[0]), Tensor.From([1f, 2, 3, 4], [2, 2])).ThrowIfFailed();
        Assert.That(module.Parameters.Select(p => p.DType), Is.All.EqualTo(DType.Float32));
        Assert.That(module.Parameters.Select(p => p.ToArray()), Is.EqualTo(before));
    }
}
