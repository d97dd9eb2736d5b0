namespace NeuralMemory.Models;

/// <summary>A network that answers every step of a sequence. Its state begins anew at each call.</summary>
public abstract class SequenceModel : Module
{
    /// <summary>The channels of an input.</summary>
    public abstract int Inputs { get; }

    /// <summary>The channels of an output.</summary>
    public abstract int Outputs { get; }

    /// <summary>The logits for every step, [time, batch, outputs], given the whole sequence, [time, batch, inputs].</summary>
    /// <exception cref="ShapeException">The input has another shape.</exception>
    public abstract Tensor Forward(Tensor input);
}
