using NeuralMemory.Models;
using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models;

public sealed class LstmModelTests
{
    [Test]
    public void Passes_the_gradient_check_and_every_parameter_takes_part()
    {
        LstmModel model = new(3, 2, 5, 2, new Philox(1));
        GradientCheck.Module(model, x => model.Forward(x[0]), KernelTesting.Random([4, 3, 3], 1)).ThrowIfFailed();
        using (Tape.Step())
        {
            model.Forward(KernelTesting.Random([4, 3, 3], 1)).Sum().Backward();
            foreach ((string name, Tensor parameter) in model.NamedParameters()) Assert.That(parameter.Gradient.ToArray().Any(g => g != 0), name);
        }
    }

    [Test]
    public void Has_the_parameters_of_three_layers_and_one_output()
    {
        Assert.That(new LstmModel(9, 8, 256, 3, new Philox(1)).ParameterCount, Is.EqualTo(4 * 256 * (9 + 256 + 1) + 2 * 4 * 256 * (512 + 1) + 8 * 257));
    }

    [Test]
    public void Answers_every_sequence_alone()
    {
        LstmModel model = new(3, 2, 7, 3, new Philox(1));
        Tensor input = KernelTesting.Random([6, 5, 3], 1);
        using (Tape.Step())
        {
            Tensor all = model.Forward(input);
            for (int b = 0; b < 5; b++)
                Assert.That(model.Forward(input.Slice(1, b, b + 1)).ToArray(), Is.EqualTo(all.Slice(1, b, b + 1).ToArray()).Within(1e-6));
        }
    }

    [Test]
    public void Refuses_sizes_and_inputs_that_do_not_fit()
    {
        Assert.That(() => new LstmModel(3, 2, 0, 1, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new LstmModel(3, 2, 4, 0, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new LstmModel(3, 2, 4, 1, new Philox(1)).Forward(Tensor.Zeros([5, 2, 4])),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("LstmModel: the input is [5, 2, 4]; [time, batch, 3] was expected."));
    }
}
