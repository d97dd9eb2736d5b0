using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// Lion. Steps by the sign of a running average of the gradient: every weight moves by eta, and only one average is kept.
/// <code>
/// c = beta1 m + (1 - beta1) g                   g = dL/dw
/// w = w - eta (sign(c) + lambda w)
/// m = beta2 m + (1 - beta2) g
/// </code>
/// </summary>
/// <remarks>
/// Chen et al. 2023 (arXiv 2302.06675), algorithm 2; weight decay is decoupled. The paper's rates are 3 to 10 times smaller than AdamW's, its lambda as
/// many times larger.
/// </remarks>
public sealed class Lion : Optimizer<Lion.Rule>
{
    readonly double beta1, beta2;

    /// <summary>Makes the optimiser and its state: <c>average</c>.</summary>
    /// <param name="parameters">What to optimise.</param>
    /// <param name="learningRate">eta.</param>
    /// <param name="beta1">How much of the average goes into a step; in [0, 1).</param>
    /// <param name="beta2">How much of the average is kept in a step; in [0, 1).</param>
    /// <param name="weightDecay">lambda.</param>
    /// <exception cref="ArgumentException">As <see cref="Optimizer(IReadOnlyList{Tensor}, double, double)"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public Lion(IReadOnlyList<Tensor> parameters, double learningRate = 1e-4, double beta1 = 0.9, double beta2 = 0.99, double weightDecay = 0)
        : base(parameters, learningRate, weightDecay)
    {
        this.beta1 = Hyperparameter.BelowOne(beta1);
        this.beta2 = Hyperparameter.BelowOne(beta2);
        State(0, "average");
    }

    /// <inheritdoc/>
    protected override Rule RuleOf(double learningRate, double weightDecay, int step) => new(learningRate, weightDecay, beta1, beta2);

    /// <summary>The equations above; the state is m.</summary>
    public readonly struct Rule(double learningRate, double weightDecay, double beta1, double beta2) : IUpdateRule
    {
        /// <inheritdoc/>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V>
        {
            V mean = V.Fma(V.Constant(1 - beta1), g, V.Constant(beta1) * a);
            V sign = V.IfLess(V.Zero, mean, V.One, V.IfLess(mean, V.Zero, -V.One, mean));           // 0 and NaN stay what they are
            w = V.Fma(V.Constant(-learningRate), V.Fma(V.Constant(weightDecay), w, sign), w);
            a = V.Fma(V.Constant(1 - beta2), g, V.Constant(beta2) * a);
        }
    }
}
