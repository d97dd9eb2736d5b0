namespace NeuralMemory.Optimizers;

/// <summary>Parameters that share a learning rate and a weight decay. Made by <see cref="Optimizer.Group"/>.</summary>
public sealed class ParameterGroup
{
    internal ParameterGroup(double learningRateScale, double weightDecay) => (LearningRateScale, WeightDecay) = (learningRateScale, weightDecay);

    /// <summary>
    /// This group's learning rate is <see cref="Optimizer.LearningRate"/> times this: 1 at first. It is a factor so that a schedule, which sets the
    /// optimiser's rate, moves all groups in proportion.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative or not finite.</exception>
    public double LearningRateScale { get; set => field = Hyperparameter.NotNegative(value, nameof(LearningRateScale)); }

    /// <summary>The weight decay lambda of this group: at first, that of the group its parameters came from.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative or not finite.</exception>
    public double WeightDecay { get; set => field = Hyperparameter.NotNegative(value, nameof(WeightDecay)); }
}
