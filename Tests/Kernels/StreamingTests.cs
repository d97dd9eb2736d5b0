using NUnit.Framework;

namespace NeuralMemory.Tests.Kernels;

/// <summary>Results too large for the cache are written past it, by other instructions and in other places than small ones. They must be the same to the bit.</summary>
public class StreamingTests
{
    static readonly (string Name, Func<Tensor, Tensor> Apply)[] functions =
    [
        ("Exp", x => x.Exp()), ("Gelu", x => x.Gelu()), ("Add", x => x + x), ("Mul", x => x * x), ("Softmax", x => x.Softmax()), ("LogSoftmax", x => x.LogSoftmax()),
        ("LayerNorm", x => x.LayerNorm()), ("RmsNorm", x => x.RmsNorm()), ("LogSumExp", x => x.LogSumExp(keepDimension: true)),
        ("CrossEntropy", x => x.CrossEntropy(Tensor.Zeros([x.Shape[0]], DType.Int32)) * x.Shape[0]),
    ];

    /// <summary>Rows that begin at multiples of a vector's size, and rows that do not.</summary>
    [Test]
    public void Large_results_have_the_bits_of_small_ones([Values(1040, 1031)] int width, [Range(0, 9)] int function)
    {
        const int rows = 2100, few = 7;
        (string name, Func<Tensor, Tensor> f) = functions[function];
        Philox random = new(1);
        Tensor x = Tensor.From([.. Enumerable.Range(0, rows * width).Select(_ => 4 * random.NextSingle() - 2)], [rows, width]).RequireGradient();
        using Tape.Scope step = Tape.Step();
        Tensor y = f(x);
        y.Backward(Tensor.Ones(y.Shape));
        foreach (int first in (int[])[0, 1001, rows - few])
        {
            Tensor part = x.Slice(0, first, first + few).Detach().Keep().RequireGradient(), expected = f(part);
            expected.Backward(Tensor.Ones(expected.Shape));
            if (y.Rank > 0) Assert.That(y.Slice(0, first, first + few).ToArray(), Is.EqualTo(expected.ToArray()), name);
            Assert.That(x.Gradient.Slice(0, first, first + few).ToArray(), Is.EqualTo(part.Gradient.ToArray()), $"the gradient of {name}");
        }
    }
}
