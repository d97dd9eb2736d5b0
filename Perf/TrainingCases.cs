using NeuralMemory.Layers;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;

namespace NeuralMemory.Perf;

/// <summary>Whole training steps: forward, backward, and the optimiser's step.</summary>
static class TrainingCases
{
    public static IEnumerable<Case> All =>
    [
        Lstm(12, 64, 65, 128), Lstm(1, 22, 29, 100), Lstm(32, 64, 256, 256),
        Gpt(batch: 12, length: 64, symbols: 65, width: 128, heads: 4, layers: 4),
        Ntm(batch: 1, length: 20), Ntm(batch: 32, length: 20),
        Bahdanau(batch: 32, length: 15, symbols: 13, embedding: 32, hidden: 32), Bahdanau(batch: 1, length: 30, symbols: 100, embedding: 100, hidden: 100),
        Dnc(batch: 16, length: 15, new(Hidden: 64, Slots: 16, Width: 16, ReadHeads: 2)), Dnc(batch: 16, length: 15, new(Hidden: 128, Slots: 64, Width: 32, ReadHeads: 4)),
    ];

    /// <summary>An LSTM over vectors, and a linear readout that classifies every step. Shape: batch x length x inputs x hidden; there are as many classes as inputs.</summary>
    static Case Lstm(int batch, int length, int inputs, int hidden)
    {
        double steps = (double)batch * length, products = 3 * 2 * steps * (4.0 * hidden * (inputs + hidden) + hidden * inputs);
        return new("lstm", $"{batch}x{length}x{inputs}x{hidden}", products, 4 * steps * (inputs + 6.0 * hidden), () =>
        {
            Philox random = new(1);
            float[] x = [.. Enumerable.Range(0, batch * length * inputs).Select(_ => 4 * random.NextSingle() - 2)];
            int[] labels = [.. Enumerable.Range(0, batch * length).Select(_ => random.Next(0, inputs))];
            return Train(() => new Classifier(inputs, hidden), module => new Adam(module.Parameters, 1e-3), (module, type) =>
                module.Forward(Values(x, [batch, length, inputs], type)).Reshape([batch * length, inputs]).CrossEntropy(Labels(labels)));
        });
    }

    sealed class Classifier : Layer
    {
        readonly Lstm lstm;
        readonly Layers.Linear readout;

        public Classifier(int inputs, int hidden)
        {
            Philox random = new(2);
            (lstm, readout) = (Child("lstm", new Lstm(inputs, hidden, random)), Child("readout", new Layers.Linear(hidden, inputs, random)));
        }

        public override Tensor Forward(Tensor x) => readout.Forward(lstm.Forward(x));
    }

    /// <summary>A GPT at every position of its context. Shape: batch x length x symbols x width x heads x layers.</summary>
    static Case Gpt(int batch, int length, int symbols, int width, int heads, int layers)
    {
        double positions = (double)batch * length, products = 6 * positions * (layers * 12.0 * width * width + symbols * width + layers * (length + 1.0) * width);
        return new("gpt", $"{batch}x{length}x{symbols}x{width}x{heads}x{layers}", products, 4 * positions * width * layers * 20, () =>
        {
            Philox random = new(1);
            int[] tokens = [.. Enumerable.Range(0, batch * length).Select(_ => random.Next(0, symbols))], labels = [.. tokens.Select(_ => random.Next(0, symbols))];
            return Train(() => new Gpt(new(symbols, length, width, heads, layers, Dropout: 0), new(2)), module => new AdamW(module.Parameters, 1e-3), (module, type) =>
                module.Forward(Labels(tokens).Reshape([batch, length])).Reshape([batch * length, symbols]).CrossEntropy(Labels(labels)));
        });
    }

    /// <summary>A Neural Turing Machine with the copy task's sizes, on sequences of one length. Shape: batch x vectors x slots x width x hidden.</summary>
    static Case Ntm(int batch, int length)
    {
        NtmSizes sizes = Models.Ntm.PaperSizes;
        double steps = batch * (2.0 * length + 2);
        double each = 4.0 * sizes.Hidden * (10 + sizes.Width + sizes.Hidden) + sizes.Hidden * sizes.HeadParameters + 8 * sizes.Slots * sizes.Width;
        return new("ntm", $"{batch}x{length}x{sizes.Slots}x{sizes.Width}x{sizes.Hidden}", 3 * 2 * steps * each, 4 * steps * 2 * sizes.Slots * sizes.Width, () =>
        {
            CopyTask task = new();
            return Copy(task, batch, length, () => new Ntm(task.InputWidth, task.OutputWidth, sizes, new(2)), module => new RmsProp(module.Parameters, 1e-4, alpha: .95, momentum: .9));
        });
    }

    /// <summary>
    /// An encoder and a decoder that looks back at it, with the reversing task's sizes, on sequences of one length. Shape: batch x length x symbols x embedding x hidden; the alignment model has as many
    /// units as the decoder, and the output's layer half of them.
    /// </summary>
    static Case Bahdanau(int batch, int length, int symbols, int embedding, int hidden)
    {
        int maxout = hidden / 2 + 1, time = length + 1;
        double each = 2.0 * 3 * hidden * (embedding + hidden) + 2.0 * hidden * hidden;                                                             // a position of the source
        double said = hidden * (3.0 * embedding + 10.0 * hidden + 3.0 * length) + 2.0 * maxout * (3 * hidden + embedding) + maxout * symbols;      // one of the target
        return new("bahdanau", $"{batch}x{length}x{symbols}x{embedding}x{hidden}", 3 * 2 * batch * (length * each + time * said), 4.0 * batch * (length * 8 + time * (20.0 + 2 * length)) * hidden, () =>
        {
            ReverseTask task = new(symbols - EncoderDecoder.End - 1, length, length);
            return Train(() => new AttentionSeq2Seq(symbols, embedding, hidden, alignment: hidden, maxout, new(2)), module => new Adam(module.Parameters, 1e-3), (module, _) =>
            {
                Translation pairs = task.Next(new(1), batch);
                return module.Run(pairs.Source, pairs.Lengths, pairs.Inputs).Logits.CrossEntropy(pairs.Labels, EncoderDecoder.Padding);
            });
        });
    }

    /// <summary>A Differentiable Neural Computer on the copy task, on sequences of one length. Shape: batch x vectors x slots x width x read heads x hidden.</summary>
    static Case Dnc(int batch, int length, DncSizes sizes)
    {
        double steps = batch * (2.0 * length + 2), links = (double)sizes.Slots * sizes.Slots, memory = sizes.Slots * sizes.Width;
        double each = 4.0 * sizes.Hidden * (10 + sizes.Reads + sizes.Hidden) + sizes.Hidden * sizes.InterfaceParameters + (2 * sizes.ReadHeads + 3) * (links + memory);
        return new("dnc", $"{batch}x{length}x{sizes.Slots}x{sizes.Width}x{sizes.ReadHeads}x{sizes.Hidden}", 3 * 2 * steps * each, 4 * steps * 2 * (links + memory), () =>
        {
            CopyTask task = new();
            return Copy(task, batch, length, () => new Dnc(task.InputWidth, task.OutputWidth, sizes, new(2)), module => new Adam(module.Parameters, 1e-4));
        });
    }

    static Prepared Copy<M>(CopyTask task, int batch, int length, Func<M> make, Func<M, Optimizer> optimizer) where M : SequenceModel => Train(make, optimizer, (module, type) =>
    {
        Episode episode = task.Next(new(1), batch, length);
        Tensor inputs = type == DType.Float32 ? episode.Inputs : episode.Inputs.To(type), targets = type == DType.Float32 ? episode.Targets : episode.Targets.To(type);
        return episode.Output(module.Forward(inputs)).BinaryCrossEntropyWithLogits(episode.Output(targets));
    });

    /// <summary>A model's training step. It is checked against the same model in float64: the loss and every gradient.</summary>
    static Prepared Train<M>(Func<M> make, Func<M, Optimizer> optimizer, Func<M, DType, Tensor> loss) where M : Module
    {
        M model = make();
        Optimizer updates = optimizer(model);
        return new(() =>
        {
            using Tape.Scope step = Tape.Step();
            updates.ZeroGradient();
            loss(model, DType.Float32).Backward();
            updates.Step();
        }, () =>
        {
            M reference = make();
            reference.To(DType.Float64);
            using Tape.Scope step = Tape.Step();
            Tensor single = loss(model, DType.Float32), real = loss(reference, DType.Float64);
            single.Backward();
            real.Backward();
            double worst = Math.Abs(single.Item() - real.Item()) / Math.Abs(real.Item());
            double largest = reference.Parameters.Where(p => p.HasGradient).Max(p => p.Gradient.ToArray<double>().Max(Math.Abs));
            foreach ((Tensor one, Tensor other) in model.Parameters.Zip(reference.Parameters))
                if (other.HasGradient) worst = Math.Max(worst, one.Gradient.ToArray().Zip(other.Gradient.ToArray<double>()).Max(pair => Math.Abs(pair.First - pair.Second)) / largest);
            return worst;
        });
    }

    static Tensor Values(float[] values, Shape shape, DType type)
    {
        Tensor x = Tensor.From(values, shape);
        return type == DType.Float32 ? x : x.To(type);
    }

    static Tensor Labels(int[] labels) => Tensor.From(labels, [labels.Length]);
}
