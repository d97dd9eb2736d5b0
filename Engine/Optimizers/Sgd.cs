using System.Numerics;
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
public sealed unsafe class Sgd : Optimizer
{
    readonly double momentum, dampening;
    readonly bool nesterov;
    readonly Tensor[]? momentumBuffer;

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
        momentumBuffer = momentum > 0 ? State("momentum_buffer") : null;
    }

    /// <inheritdoc/>
    protected override void Update(int index, Tensor parameter, Tensor gradient, double learningRate, double weightDecay, int step) =>
        Cpu.For(parameter.DType, parameter.Count, Cpu.Grain, new Kernel(
            Address(parameter), Address(gradient), Address(momentumBuffer, index), learningRate, weightDecay,
            momentum, taken: step == 1 ? 1 : 1 - dampening, nesterov));

    readonly struct Kernel(
        void* weight, void* gradient, void* momentumBuffer,
        double learningRate, double weightDecay, double momentum, double taken, bool nesterov) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> w = new(weight), dw = new(gradient), b = new(momentumBuffer);
            bool hasMomentum = momentumBuffer != null, looksAhead = nesterov;
            V mu = V.Constant(momentum), share = V.Constant(taken), lambda = V.Constant(weightDecay), minusEta = V.Constant(-learningRate);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                V wi = w[i, n];
                V g = V.Fma(lambda, wi, dw[i, n]);
                if (hasMomentum)
                {
                    V bi = V.Fma(share, g, mu * b[i, n]);           // at the first update b is still 0
                    b[i, n] = bi;
                    g = looksAhead ? V.Fma(mu, bi, g) : bi;
                }
                w[i, n] = V.Fma(minusEta, g, wi);
            }
        }
    }
}
