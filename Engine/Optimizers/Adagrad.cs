using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// Adagrad. Divides the gradient by the root of the sum of all its squares so far, so that rare features learn faster.
/// <code>
/// g = dL/dw + lambda w
/// s = s + g^2
/// w = w - eta / (1 + (t - 1) gamma) g / (sqrt(s) + epsilon)
/// </code>
/// </summary>
/// <remarks>Duchi, Hazan and Singer 2011, with the diagonal matrix of section 1.3. t counts this parameter's updates.</remarks>
public sealed class Adagrad : Optimizer<Adagrad.Rule>
{
    readonly double learningRateDecay, epsilon;

    /// <summary>Makes the optimiser and its state: <c>square_sum</c>.</summary>
    /// <param name="parameters">What to optimise.</param>
    /// <param name="learningRate">eta.</param>
    /// <param name="learningRateDecay">gamma.</param>
    /// <param name="weightDecay">lambda, added to the gradient.</param>
    /// <param name="initialSquareSum">s at first.</param>
    /// <param name="epsilon">Keeps the division from zero.</param>
    /// <exception cref="ArgumentException">As <see cref="Optimizer(IReadOnlyList{Tensor}, double, double)"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative or not finite.</exception>
    public Adagrad(
        IReadOnlyList<Tensor> parameters, double learningRate = 1e-2, double learningRateDecay = 0, double weightDecay = 0,
        double initialSquareSum = 0, double epsilon = 1e-10)
        : base(parameters, learningRate, weightDecay)
    {
        this.learningRateDecay = Hyperparameter.NotNegative(learningRateDecay);
        this.epsilon = Hyperparameter.NotNegative(epsilon);
        State(0, "square_sum", Hyperparameter.NotNegative(initialSquareSum));
    }

    /// <inheritdoc/>
    protected override Rule RuleOf(double learningRate, double weightDecay, int step) => new(learningRate / (1 + (step - 1) * learningRateDecay), weightDecay, epsilon);

    /// <summary>The equations above; the state is s.</summary>
    public readonly struct Rule(double stepSize, double weightDecay, double epsilon) : IUpdateRule
    {
        /// <inheritdoc/>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V>
        {
            g = V.Fma(V.Constant(weightDecay), w, g);
            a = V.Fma(g, g, a);
            w = V.Fma(V.Constant(-stepSize), g / (V.Sqrt(a) + V.Constant(epsilon)), w);
        }
    }
}
