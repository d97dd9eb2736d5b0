using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// Adam. Steps by the running average of the gradient over the root of that of its square, both corrected for having started at zero.
/// <code>
/// g = dL/dw + lambda w
/// m = beta1 m + (1 - beta1) g
/// v = beta2 v + (1 - beta2) g^2
/// u = max(u, v)                                 AMSGrad only; otherwise u = v
/// w = w - eta (m / (1 - beta1^t)) / (sqrt(u / (1 - beta2^t)) + epsilon)
/// </code>
/// </summary>
/// <remarks>Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1. AMSGrad: Reddi, Kale and Kumar 2018, algorithm 2. t counts this parameter's updates.</remarks>
public class Adam : Optimizer<Adam.Rule>
{
    readonly double beta1, beta2, epsilon;
    readonly bool amsGrad, decoupled;

    /// <summary>Makes the optimiser and its state: <c>average</c>, <c>square_average</c>, and with AMSGrad <c>largest_square_average</c>.</summary>
    /// <param name="parameters">What to optimise.</param>
    /// <param name="learningRate">eta.</param>
    /// <param name="beta1">How much of the gradient's average is kept in a step; in [0, 1).</param>
    /// <param name="beta2">How much of its square's average is kept in a step; in [0, 1).</param>
    /// <param name="epsilon">Keeps the division from zero.</param>
    /// <param name="weightDecay">lambda, added to the gradient. <see cref="AdamW"/> decays the weights themselves.</param>
    /// <param name="amsGrad">Whether to divide by the largest average there has been.</param>
    /// <exception cref="ArgumentException">As <see cref="Optimizer(IReadOnlyList{Tensor}, double, double)"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public Adam(
        IReadOnlyList<Tensor> parameters, double learningRate = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8,
        double weightDecay = 0, bool amsGrad = false)
        : this(parameters, learningRate, beta1, beta2, epsilon, weightDecay, amsGrad, decoupled: false) { }

    private protected Adam(
        IReadOnlyList<Tensor> parameters, double learningRate, double beta1, double beta2, double epsilon, double weightDecay, bool amsGrad,
        bool decoupled)
        : base(parameters, learningRate, weightDecay)
    {
        this.beta1 = Hyperparameter.BelowOne(beta1);
        this.beta2 = Hyperparameter.BelowOne(beta2);
        this.epsilon = Hyperparameter.NotNegative(epsilon);
        this.decoupled = decoupled;
        this.amsGrad = amsGrad;
        State(0, "average");
        State(1, "square_average");
        if (amsGrad) State(2, "largest_square_average");
    }

    /// <inheritdoc/>
    protected override Rule RuleOf(double learningRate, double weightDecay, int step) => new(
        keep: decoupled ? 1 - learningRate * weightDecay : 1, decay: decoupled ? 0 : weightDecay, beta1, beta2, epsilon,
        stepSize: learningRate / (1 - Math.Pow(beta1, step)), correction: 1 / Math.Sqrt(1 - Math.Pow(beta2, step)), amsGrad ? 1 : 0);

    /// <summary>
    /// Adam and AdamW in one: <paramref name="keep"/> scales the weights first, <paramref name="decay"/> adds them to the gradient. The state is m, v and u.
    /// </summary>
    public readonly struct Rule(
        double keep, double decay, double beta1, double beta2, double epsilon, double stepSize, double correction, int amsGrad) : IUpdateRule
    {
        /// <inheritdoc/>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V>
        {
            w = V.Constant(keep) * w;
            g = V.Fma(V.Constant(decay), w, g);
            a = V.Fma(V.Constant(1 - beta1), g, V.Constant(beta1) * a);
            b = V.Fma(V.Constant(1 - beta2) * g, g, V.Constant(beta2) * b);
            V u = b;
            if (amsGrad != 0) c = u = V.Max(c, u);
            w = V.Fma(V.Constant(-stepSize), a / V.Fma(V.Sqrt(u), V.Constant(correction), V.Constant(epsilon)), w);
        }
    }
}
