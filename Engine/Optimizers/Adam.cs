using System.Numerics;
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
public unsafe class Adam : Optimizer
{
    readonly double beta1, beta2, epsilon;
    readonly bool decoupled;
    readonly Tensor[] average, squareAverage;
    readonly Tensor[]? largestSquareAverage;

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
        average = State("average");
        squareAverage = State("square_average");
        largestSquareAverage = amsGrad ? State("largest_square_average") : null;
    }

    /// <inheritdoc/>
    protected override void Update(int index, Tensor parameter, Tensor gradient, double learningRate, double weightDecay, int step) =>
        Cpu.For(parameter.DType, parameter.Count, Cpu.Grain, new Kernel(
            Address(parameter), Address(gradient), Address(average, index), Address(squareAverage, index), Address(largestSquareAverage, index),
            keep: decoupled ? 1 - learningRate * weightDecay : 1, decay: decoupled ? 0 : weightDecay, beta1, beta2, epsilon,
            stepSize: learningRate / (1 - Math.Pow(beta1, step)), correction: 1 / Math.Sqrt(1 - Math.Pow(beta2, step))));

    /// <summary>Adam and AdamW in one: <paramref name="keep"/> scales the weights first, <paramref name="decay"/> adds them to the gradient.</summary>
    readonly struct Kernel(
        void* weight, void* gradient, void* average, void* squareAverage, void* largestSquareAverage,
        double keep, double decay, double beta1, double beta2, double epsilon, double stepSize, double correction) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> w = new(weight), dw = new(gradient), m = new(average), v = new(squareAverage), u = new(largestSquareAverage);
            bool amsGrad = largestSquareAverage != null;
            V b1 = V.Constant(beta1), a1 = V.Constant(1 - beta1), b2 = V.Constant(beta2), a2 = V.Constant(1 - beta2);
            V kept = V.Constant(keep), lambda = V.Constant(decay), minusEta = V.Constant(-stepSize);
            V scale = V.Constant(correction), eps = V.Constant(epsilon);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                V wi = kept * w[i, n];
                V g = V.Fma(lambda, wi, dw[i, n]);
                V mi = V.Fma(a1, g, b1 * m[i, n]);
                V vi = V.Fma(a2 * g, g, b2 * v[i, n]);
                m[i, n] = mi;
                v[i, n] = vi;
                if (amsGrad) u[i, n] = vi = V.Max(u[i, n], vi);
                w[i, n] = V.Fma(minusEta, mi / V.Fma(V.Sqrt(vi), scale, eps), wi);
            }
        }
    }
}
