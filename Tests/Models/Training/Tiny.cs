using NeuralMemory.Checkpoints;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Tests.Models.Training;

/// <summary>
/// A network without memory, which learns that nothing is said before the output starts, and no more; small enough for thousands of updates a second.
/// </summary>
sealed class Tiny : SequenceModel
{
    readonly Tensor inner, bias, outer;

    public Tiny(ulong seed = 1, int hidden = 5, bool extra = false)
    {
        Philox random = new(seed, RandomStreams.Initialization);
        inner = Parameter("inner.weight", [hidden, 5], Initializers.FanInUniform, random);
        bias = Parameter("inner.bias", [hidden], Initializers.Zeros, random);
        outer = Child("outer", new Outer(hidden, random)).Weight;
        if (extra) Parameter("extra", [2], Initializers.Ones, random);
    }

    sealed class Outer : NeuralMemory.Module
    {
        public Outer(int hidden, Philox random) => Weight = Parameter("weight", [3, hidden], Initializers.FanInUniform, random);

        public Tensor Weight { get; }
    }

    /// <summary>Called with every input: for what happens at a moment of a test's choosing.</summary>
    public Action<Tensor>? OnForward { get; set; }

    /// <summary>An operation on the hidden layer.</summary>
    public Func<Tensor, Tensor>? OnHidden { get; set; }

    /// <summary>What the model draws from while it is trained.</summary>
    public Philox? Noise { get; set; }

    public override int Inputs => 5;
    public override int Outputs => 3;

    public override Tensor Forward(Tensor input)
    {
        OnForward?.Invoke(input);
        Tensor hidden = input.Linear(inner, bias).Tanh();           // [time, batch, hidden]
        if (Noise is { } noise) hidden = hidden + Tensor.Full([], noise.NextSingle());
        return (OnHidden?.Invoke(hidden) ?? hidden).Linear(outer);
    }

    public byte[] Bits => [.. Parameters.SelectMany(p => p.ToArray().SelectMany(BitConverter.GetBytes))];

    public static SequenceTask Task => new CopyTask(width: 3, maxLength: 6);
}

/// <summary>The identity, whose gradient is a constant: wrong on purpose.</summary>
sealed class WrongGradient : Operation<WrongGradient>
{
    double gradient;

    public static Tensor Apply(Tensor x, double gradient)
    {
        Tensor y = Tensor.Empty(x.Shape);
        y.CopyFrom(x);
        Record(y, x)?.gradient = gradient;
        return y;
    }

    protected override void Backward() => InputGradient(0).Fill(gradient);
}

/// <summary>A run of the tiny network, and what became of it.</summary>
sealed class TinyRun
{
    public TinyRun(TrainerOptions options, ulong seed = 1, Action<Tiny>? prepare = null, int hidden = 5, Func<Tiny, Optimizer>? optimizer = null)
    {
        Model = new(seed, hidden);
        prepare?.Invoke(Model);
        Optimizer = optimizer?.Invoke(Model) ?? new RmsProp(Model.Parameters, 0.01, 0.95, momentum: 0.9);
        Trainer = new(Model, Tiny.Task, Optimizer, options);
    }

    public Tiny Model { get; }
    public Optimizer Optimizer { get; }
    public Trainer Trainer { get; }

    /// <summary>Parameters, optimiser and position in the stream of episodes.</summary>
    public byte[] Bits =>
        [.. Model.Bits, .. Optimizer.NamedState().SelectMany(s => s.Tensor.ToArray<double>().SelectMany(BitConverter.GetBytes)), (byte)Optimizer.StepCount];

    public static string[] Metrics(string folder) =>
        [.. new RunFolder(folder).ReadMetrics().Select(m => (m with { Elapsed = default, SequencesPerSecond = 0, TimeStepsPerSecond = 0 }).ToString())];
}
