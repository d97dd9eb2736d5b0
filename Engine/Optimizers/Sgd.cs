using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// Stochastic gradient descent, with momentum where asked for.
/// <code>
/// g = dL/dw + lambda w
/// b = mu b + (1 - tau) g          at a parameter's first update b = g; without momentum always
/// w = w - eta b                   Nesterov: w = w - eta (g + mu b)
/// </code>
/// </summary>
/// <remarks>Momentum: Polyak 1964. Nesterov's as in Sutskever, Martens, Dahl and Hinton 2013, equations 3 and 4, in the form where w is the look-ahead.</remarks>
public sealed class Sgd : Optimizer<Sgd.Rule>
{
    readonly double momentum, dampening;
    readonly bool nesterov;

    /// <summary>Makes the optimiser and, with momentum, its state: <c>momentum_buffer</c>.</summary>
    /// <param name="parameters">What to optimise.</param>
    /// <param name="learningRate">eta.</param>
    /// <param name="momentum">mu; 0 for none.</param>
    /// <param name="dampening">tau: how much less of the gradient goes into the buffer.</param>
    /// <param name="weightDecay">lambda, added to the gradient.</param>
    /// <param name="nesterov">Whether the step looks ahead along the momentum; it needs momentum and no dampening.</param>
    /// <exception cref="ArgumentException">As <see cref="Optimizer(IReadOnlyList{Tensor}, double, double)"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public Sgd(
        IReadOnlyList<Tensor> parameters, double learningRate = 1e-3, double momentum = 0, double dampening = 0, double weightDecay = 0,
        bool nesterov = false)
        : base(parameters, learningRate, weightDecay)
    {
        this.momentum = Hyperparameter.NotNegative(momentum);
        this.dampening = double.IsFinite(dampening) ? dampening : throw new ArgumentOutOfRangeException(nameof(dampening), dampening, "A finite number was expected.");
        if (nesterov && momentum == 0) throw new ArgumentOutOfRangeException(nameof(momentum), momentum, "Nesterov's method needs momentum.");
        if (nesterov && dampening != 0) throw new ArgumentOutOfRangeException(nameof(dampening), dampening, "Nesterov's method has no dampening.");
        this.nesterov = nesterov;
        if (momentum > 0) State(0, "momentum_buffer");
    }

    /// <inheritdoc/>
    protected override Rule RuleOf(double learningRate, double weightDecay, int step) =>
        new(learningRate, weightDecay, momentum, taken: step == 1 ? 1 : 1 - dampening, hasMomentum: momentum > 0 ? 1 : 0, looksAhead: nesterov ? 1 : 0);

    /// <summary>The equations above.</summary>
    public readonly struct Rule(double learningRate, double weightDecay, double momentum, double taken, int hasMomentum, int looksAhead) : IUpdateRule
    {
        /// <inheritdoc/>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V>
        {
            g = V.Fma(V.Constant(weightDecay), w, g);
            if (hasMomentum != 0)
            {
                a = V.Fma(V.Constant(taken), g, V.Constant(momentum) * a);           // at the first update b is still 0
                g = looksAhead != 0 ? V.Fma(V.Constant(momentum), a, g) : a;
            }
            w = V.Fma(V.Constant(-learningRate), g, w);
        }
    }
}
