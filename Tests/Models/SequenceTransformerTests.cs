using NeuralMemory.Models;
using NeuralMemory.Tests.Kernels;

namespace NeuralMemory.Tests.Models;

public sealed class SequenceTransformerTests
{
    static SequenceTransformer Make(int layers = 2, bool positions = true) => new(3, 2, new(8, 2, 12, layers, positions), new Philox(1));

    [Test]
    public void Passes_the_gradient_check_and_every_parameter_takes_part()
    {
        SequenceTransformer model = Make();
        GradientCheck.Module(model, x => model.Forward(x[0]), KernelTesting.Random([5, 2, 3], 1)).ThrowIfFailed();
        using (Tape.Step())
        {
            Tensor y = model.Forward(KernelTesting.Random([5, 2, 3], 1));
            y.Backward(KernelTesting.Random([5, 2, 2], 2));
            foreach ((string name, Tensor parameter) in model.NamedParameters()) Assert.That(parameter.Gradient.ToArray(), Has.Some.Not.Zero.And.All.Matches<float>(float.IsFinite), name);
        }
    }

    [Test]
    public void A_step_sees_itself_and_those_before_it_of_its_own_sequence()
    {
        SequenceTransformer model = Make();
        Tensor input = KernelTesting.Random([6, 4, 3], 1), other = KernelTesting.Random([6, 4, 3], 2);
        using (Tape.Step())
        {
            float[] whole = model.Forward(input).Slice(0, 0, 4).ToArray();
            Tensor changed = Tensor.Concat(0, input.Slice(0, 0, 4), other.Slice(0, 4, 6));
            Assert.That(model.Forward(changed).Slice(0, 0, 4).ToArray(), Is.EqualTo(whole).Within(1e-6), "the steps after");
            Assert.That(model.Forward(changed).Slice(0, 4, 6).ToArray(), Is.Not.EqualTo(model.Forward(input).Slice(0, 4, 6).ToArray()).Within(1e-3));
            for (int b = 0; b < 4; b++)
                Assert.That(model.Forward(input.Slice(1, b, b + 1)).ToArray(), Is.EqualTo(model.Forward(input).Slice(1, b, b + 1).ToArray()).Within(1e-6), "the other sequences");
        }
    }

    [Test]
    public void What_it_looked_at_sums_to_one_and_explains_the_output()
    {
        SequenceTransformer model = Make();
        Tensor input = KernelTesting.Random([7, 3, 3], 1);
        using (Tape.Step())
        {
            (Tensor output, Tensor[] attention) = model.Run(input);
            Assert.That(output.ToArray(), Is.EqualTo(model.Forward(input).ToArray()).Within(1e-5));
            Assert.That(attention, Has.Length.EqualTo(2));
            foreach (Tensor weights in attention)
            {
                Assert.That(weights.Shape, Is.EqualTo(new Shape([3, 2, 7, 7])));
                Assert.That(weights.Sum([-1]).ToArray(), Is.All.EqualTo(1).Within(1e-5));
                Assert.That(weights.Select(2, 2).Slice(-1, 3, 7).ToArray(), Is.All.Zero, "step 2 sees none after it");
            }
        }
    }

    [Test]
    public void Without_positions_one_layer_sees_a_set()
    {
        Tensor input = KernelTesting.Random([5, 1, 3], 1), mixed;
        using (Tape.Step())
        {
            mixed = Tensor.Concat(0, input.Slice(0, 2, 4), input.Slice(0, 0, 2), input.Slice(0, 4, 5));
            foreach (bool positions in (bool[])[false, true])
            {
                SequenceTransformer model = Make(layers: 1, positions);
                float[] last = model.Forward(input).Select(0, 4).ToArray(), lastOfMixed = model.Forward(mixed).Select(0, 4).ToArray();
                Assert.That(lastOfMixed, positions ? Is.Not.EqualTo(last).Within(1e-3) : Is.EqualTo(last).Within(1e-5));
            }
        }
    }

    [Test]
    public void Refuses_sizes_and_inputs_that_do_not_fit()
    {
        foreach (SequenceTransformerSizes sizes in (SequenceTransformerSizes[])[new(7, 1, 4, 1), new(8, 3, 4, 1), new(8, 2, 0, 1), new(8, 2, 4, 0)])
            Assert.That(() => new SequenceTransformer(3, 2, sizes, new Philox(1)), Throws.TypeOf<ArgumentOutOfRangeException>(), $"{sizes}");
        Assert.That(() => Make().Forward(Tensor.Zeros([5, 2, 4])),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("SequenceTransformer: the input is [5, 2, 4]; [time, batch, 3] was expected."));
    }
}
