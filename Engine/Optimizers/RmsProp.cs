using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// RMSprop. Divides the gradient by the root of a running average of its square, or of its variance (centred; Graves 2013).
/// <code>
/// g = dL/dw + lambda w
/// s = alpha s + (1 - alpha) g^2
/// m = alpha m + (1 - alpha) g           centred only; otherwise m = 0
/// d = g / (sqrt(s - m^2) + epsilon)
/// b = mu b + d                          with momentum; otherwise b = d
/// w = w - eta b
/// </code>
/// </summary>
/// <remarks>
/// Tieleman and Hinton 2012, lecture 6.5; centred, Graves 2013 (arXiv 1308.0850), equations 38 to 41, with epsilon outside the root. The Neural Turing
/// Machine was trained with it: alpha 0.95, momentum 0.9.
/// </remarks>
public sealed class RmsProp : Optimizer<RmsProp.Rule>
{
    readonly double alpha, epsilon, momentum;
    readonly bool centered;

    /// <summary>Makes the optimiser and its state: <c>square_average</c>, and where asked for <c>average</c> and <c>momentum_buffer</c>.</summary>
    /// <param name="parameters">What to optimise.</param>
    /// <param name="learningRate">eta.</param>
    /// <param name="alpha">How much of the averages is kept in a step; in [0, 1).</param>
    /// <param name="epsilon">Keeps the division from zero.</param>
    /// <param name="weightDecay">lambda, added to the gradient.</param>
    /// <param name="momentum">mu; 0 for none.</param>
    /// <param name="centered">Whether to divide by the deviation instead of the root mean square.</param>
    /// <exception cref="ArgumentException">As <see cref="Optimizer(IReadOnlyList{Tensor}, double, double)"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public RmsProp(
        IReadOnlyList<Tensor> parameters, double learningRate = 1e-2, double alpha = 0.99, double epsilon = 1e-8, double weightDecay = 0,
        double momentum = 0, bool centered = false)
        : base(parameters, learningRate, weightDecay)
    {
        this.alpha = Hyperparameter.BelowOne(alpha);
        this.epsilon = Hyperparameter.NotNegative(epsilon);
        this.momentum = Hyperparameter.NotNegative(momentum);
        this.centered = centered;
        State(0, "square_average");
        if (centered) State(1, "average");
        if (momentum > 0) State(2, "momentum_buffer");
    }

    /// <inheritdoc/>
    protected override Rule RuleOf(double learningRate, double weightDecay, int step) => new(learningRate, weightDecay, alpha, epsilon, momentum, centered ? 1 : 0);

    /// <summary>The equations above; the state is s, m and b.</summary>
    public readonly struct Rule(double learningRate, double weightDecay, double alpha, double epsilon, double momentum, int centered) : IUpdateRule
    {
        /// <inheritdoc/>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V>
        {
            V keep = V.Constant(alpha), add = V.Constant(1 - alpha);
            g = V.Fma(V.Constant(weightDecay), w, g);
            a = V.Fma(add * g, g, keep * a);
            V s = a;
            if (centered != 0)
            {
                b = V.Fma(add, g, keep * b);
                s = V.Max(s - b * b, V.Zero);                       // rounding must not make a variance negative, and its root NaN
            }
            V d = g / (V.Sqrt(s) + V.Constant(epsilon));
            if (momentum != 0) c = d = V.Fma(V.Constant(momentum), c, d);
            w = V.Fma(V.Constant(-learningRate), d, w);
        }
    }
}
