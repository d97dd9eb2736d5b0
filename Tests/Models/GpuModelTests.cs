using NeuralMemory.Layers;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Tests.Kernels.Gpu;
using NeuralMemory.Training;
using LinearLayer = NeuralMemory.Layers.Linear;

namespace NeuralMemory.Tests.Models;

/// <summary>
/// Whole training steps on a GPU beside the CPU. Both compute in float32 and add in different orders: each result is off by some rounding errors of 2^-24 relative to the terms that were
/// added, and a gradient is the sum of up to some thousands of them. A wrong kernel is off by far more than the tolerances here, 1e-5 for a loss and 1e-4 of the largest element for a gradient.
/// </summary>
[NonParallelizable]
public class GpuModelTests
{
    const double LossTolerance = 1e-5, GradientTolerance = 1e-4;

    /// <summary>A model and one training step of it.</summary>
    interface ITraining
    {
        Module Model { get; }

        Tensor Loss();

        Optimizer Optimizer { get; }
    }

    /// <summary>The copy task, two sequences side by side.</summary>
    sealed class CopyTraining : ITraining
    {
        readonly CopyTask task = new(minLength: 3, maxLength: 5);
        readonly Philox episodes = new(1, 1);
        readonly SequenceModel model;

        public CopyTraining(Backend backend, Func<int, int, SequenceModel> make)
        {
            model = make(task.InputWidth, task.OutputWidth);
            model.To(backend);
            Optimizer = new RmsProp(model.Parameters, 1e-3, 0.95, 1e-6, momentum: 0.9);
        }

        public Module Model => model;

        public Optimizer Optimizer { get; }

        public Tensor Loss()
        {
            Episode episode = task.Next(episodes, 2);
            return episode.Output(model.Forward(episode.Inputs)).BinaryCrossEntropyWithLogits(episode.Output(episode.Targets));
        }
    }

    /// <summary>Characters predicted from those before them, by two causal layers of four heads.</summary>
    sealed class TransformerTraining : ITraining
    {
        const int Vocabulary = 19, Width = 32, Length = 21, Batch = 3;

        readonly Network network;
        readonly Philox text = new(1, 1);
        readonly int[] inputs = new int[Batch * Length], targets = new int[Batch * Length];

        public TransformerTraining(Backend backend)
        {
            network = new(new Philox(1));
            network.To(backend);
            Optimizer = new AdamW(network.Parameters, 3e-3, weightDecay: 0.1);
        }

        public Module Model => network;

        public Optimizer Optimizer { get; }

        public Tensor Loss()
        {
            for (int i = 0; i < inputs.Length; i++) (inputs[i], targets[i]) = (text.Next(0, Vocabulary), text.Next(0, Vocabulary));
            Tensor logits = network.Forward(Tensor.From(inputs, [Batch, Length]));
            return logits.Reshape([Batch * Length, Vocabulary]).CrossEntropy(Tensor.From(targets, [Batch * Length]));
        }

        sealed class Network : Module
        {
            readonly Embedding embedding;
            readonly LearnedPositions positions;
            readonly TransformerEncoderLayer[] layers;
            readonly LinearLayer output;

            public Network(Philox random)
            {
                embedding = Child("embedding", new Embedding(Vocabulary, Width, random));
                positions = Child("positions", new LearnedPositions(Length, Width, random));
                layers = [.. Enumerable.Range(0, 2).Select(i => Child($"layer{i}", new TransformerEncoderLayer(Width, 4, 4 * Width, random)))];
                output = Child("output", new LinearLayer(Width, Vocabulary, random));
            }

            public Tensor Forward(Tensor characters)
            {
                Tensor x = positions.Forward(embedding.Forward(characters));
                foreach (TransformerEncoderLayer layer in layers) x = layer.Forward(x, null, causal: true);
                return output.Forward(x);
            }
        }
    }

    static ITraining Make(string model, Backend backend)
    {
        using (Backend.Use(backend))
            return model switch
            {
                "NTM" => new CopyTraining(backend, (inputs, outputs) => new Ntm(inputs, outputs, Ntm.PaperSizes, new Philox(1))),
                "NTM, memory too large for a group" => new CopyTraining(
                    backend, (inputs, outputs) => new Ntm(inputs, outputs, Ntm.PaperSizes with { Hidden = 10, Slots = 1000, Width = 12, WriteHeads = 2 }, new Philox(1))),
                "DNC" => new CopyTraining(backend, (inputs, outputs) => new Dnc(inputs, outputs, new(16, 6, 4, 2), new Philox(1))),
                "Transformer on episodes" => new CopyTraining(backend, (inputs, outputs) => new SequenceTransformer(inputs, outputs, new(16, 2, 24, 2), new Philox(1))),
                _ => new TransformerTraining(backend),
            };
    }

    static double Step(ITraining training, Backend backend)
    {
        using (Backend.Use(backend))
        using (Tape.Step())
        {
            Tensor loss = training.Loss();
            training.Optimizer.ZeroGradient();
            loss.Backward();
            training.Optimizer.Step(Gradients.Clip(training.Model.Parameters, 10, 1));
            return loss.Item();
        }
    }

    [Test]
    public void A_step_has_the_CPUs_loss_and_gradients([Values("NTM", "NTM, memory too large for a group", "DNC", "Transformer", "Transformer on episodes")] string model)
    {
        float[][] Gradients(Backend backend, out double loss)
        {
            ITraining training = Make(model, backend);
            using (Backend.Use(backend))
            using (Tape.Step())
            {
                Tensor l = training.Loss();
                l.Backward();
                loss = l.Item();
                return [.. training.Model.Parameters.Select(p => p.Gradient.ToArray())];
            }
        }
        float[][] expected = Gradients(CpuBackend.Instance, out double expectedLoss), actual = Gradients(GpuTesting.Device, out double loss);
        Assert.That(loss, Is.EqualTo(expectedLoss).Within(LossTolerance));
        for (int i = 0; i < expected.Length; i++)
        {
            double largest = expected[i].Max(Math.Abs);
            Assert.That(largest, Is.GreaterThan(0), $"parameter {i} has a gradient");
            for (int j = 0; j < expected[i].Length; j++)
                if (!(Math.Abs(actual[i][j] - expected[i][j]) <= GradientTolerance * largest)) Assert.Fail($"parameter {i}, element {j}: {actual[i][j]}, but {expected[i][j]} on the CPU");
        }
    }

    /// <summary>Rounding errors grow as training goes on; over ten steps they stay below a hundredth of what the loss changes by.</summary>
    [Test]
    public void Ten_steps_have_the_CPUs_curve([Values("NTM", "DNC", "Transformer")] string model)
    {
        double[] Curve(Backend backend)
        {
            ITraining training = Make(model, backend);
            return [.. Enumerable.Range(0, 10).Select(_ => Step(training, backend))];
        }
        double[] expected = Curve(CpuBackend.Instance), actual = Curve(GpuTesting.Device);
        Assert.That(expected.Max() - expected.Min(), Is.GreaterThan(0.01), "the loss changes");
        Assert.That(actual, Is.EqualTo(expected).Within(1e-4));
    }

    [TestCase("NTM", 70)]
    [TestCase("DNC", 2800)]
    [TestCase("Transformer", 220)]
    public void A_step_copies_nothing_but_the_loss_and_takes_nothing_from_the_driver(string model, int mostLaunches)
    {
        GpuBackend gpu = GpuTesting.Device;
        ITraining training = Make(model, gpu);
        for (int i = 0; i < 4; i++) Step(training, gpu);
        (long copies, long allocations, long launches) = (gpu.CopiesToHost, gpu.Allocations, gpu.Launches);
        for (int i = 0; i < 3; i++) Step(training, gpu);
        Assert.That(gpu.CopiesToHost - copies, Is.EqualTo(3), "the loss, once a step");
        Assert.That(gpu.Allocations - allocations, Is.Zero);
        TestContext.Out.WriteLine($"{(gpu.Launches - launches) / 3.0:f1} launches a step");
        Assert.That(gpu.Launches - launches, Is.LessThanOrEqualTo(3 * mostLaunches));
    }

    [Test]
    public void A_model_goes_to_a_device_and_back_and_its_checkpoint_with_it()
    {
        GpuBackend gpu = GpuTesting.Device;
        LinearLayer linear = new(3, 2, new Philox(1));
        float[] weights = linear.Parameters[0].ToArray();
        linear.To(gpu);
        Assert.That(linear.Backend, Is.SameAs(gpu));
        Assert.That(linear.Parameters[0].ToArray(), Is.EqualTo(weights));
        string path = Path.GetTempFileName();
        try
        {
            linear.Save(path);
            linear.Parameters[0].Fill(0);
            linear.Load(path);
            Assert.That(linear.Parameters[0].ToArray(), Is.EqualTo(weights));
        }
        finally
        {
            File.Delete(path);
        }
        linear.To(CpuBackend.Instance);
        Assert.That(linear.Forward(Tensor.Ones([1, 3])).Shape, Is.EqualTo(new Shape([1, 2])));
    }

    [Test]
    public void A_tensor_of_another_device_is_refused_by_name()
    {
        GpuBackend gpu = GpuTesting.Device;
        Tensor here = Tensor.Ones([2]), there = here.On(gpu);
        Assert.That(() => here + there, Throws.InvalidOperationException.With.Message.Contains($"is on {gpu.Name}").And.Message.Contains("runs on cpu"));
        using (Backend.Use(gpu))
        {
            Assert.That(() => here + there, Throws.InvalidOperationException.With.Message.Contains("is on cpu").And.Message.Contains($"runs on {gpu.Name}"));
            Assert.That(() => Tensor.Zeros([2], DType.Float64), Throws.TypeOf<NotSupportedException>().With.Message.Contains("computes in Float32"));
        }
    }
}
