namespace NeuralMemory.Optimizers;

/// <summary>
/// Adam with decoupled weight decay: the weights shrink by themselves, and the averages see the loss's gradient alone.
/// <code>
/// w = w - eta lambda w
/// w = w - eta (m / (1 - beta1^t)) / (sqrt(u / (1 - beta2^t)) + epsilon)      m and u as in <see cref="Adam"/>, with g = dL/dw
/// </code>
/// </summary>
/// <remarks>Loshchilov and Hutter 2019 (arXiv 1711.05101), algorithm 2, with lambda scaled by the learning rate as is usual.</remarks>
public sealed class AdamW : Adam
{
    /// <summary>Makes the optimiser and its state: <c>average</c>, <c>square_average</c>, and with AMSGrad <c>largest_square_average</c>.</summary>
    /// <param name="parameters">What to optimise.</param>
    /// <param name="learningRate">eta.</param>
    /// <param name="beta1">How much of the gradient's average is kept in a step; in [0, 1).</param>
    /// <param name="beta2">How much of its square's average is kept in a step; in [0, 1).</param>
    /// <param name="epsilon">Keeps the division from zero.</param>
    /// <param name="weightDecay">lambda.</param>
    /// <param name="amsGrad">Whether to divide by the largest average there has been.</param>
    /// <exception cref="ArgumentException">As <see cref="Optimizer(IReadOnlyList{Tensor}, double, double)"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public AdamW(
        IReadOnlyList<Tensor> parameters, double learningRate = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8,
        double weightDecay = 1e-2, bool amsGrad = false)
        : base(parameters, learningRate, beta1, beta2, epsilon, weightDecay, amsGrad, decoupled: true) { }
}
