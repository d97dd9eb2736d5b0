namespace NeuralMemory.Layers;

/// <summary>
/// While the module is trained, every element becomes 0 with a probability p and is divided by 1 - p otherwise (Srivastava et al. 2014); else nothing changes.
/// </summary>
/// <param name="probability">p, from 0 to less than 1.</param>
/// <param name="random">Decides.</param>
public sealed class Dropout(double probability, Philox random) : Layer
{
    /// <summary>p.</summary>
    public double Probability { get; } = probability is >= 0 and < 1 ? probability
        : throw new ArgumentOutOfRangeException(nameof(probability), probability, "Dropout: a probability from 0 to less than 1 was expected.");

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => x.Dropout(Probability, random, IsTraining);
}
