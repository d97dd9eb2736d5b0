using System.Numerics;
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
public sealed unsafe class RmsProp : Optimizer
{
    readonly double alpha, epsilon, momentum;
    readonly Tensor[] squareAverage;
    readonly Tensor[]? average, momentumBuffer;

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
        squareAverage = State("square_average");
        average = centered ? State("average") : null;
        momentumBuffer = momentum > 0 ? State("momentum_buffer") : null;
    }

    /// <inheritdoc/>
    protected override void Update(int index, Tensor parameter, Tensor gradient, double learningRate, double weightDecay, int step) =>
        Cpu.For(parameter.DType, parameter.Count, Cpu.Grain, new Kernel(
            Address(parameter), Address(gradient), Address(squareAverage, index), Address(average, index), Address(momentumBuffer, index),
            learningRate, weightDecay, alpha, epsilon, momentum));

    readonly struct Kernel(
        void* weight, void* gradient, void* squareAverage, void* average, void* momentumBuffer,
        double learningRate, double weightDecay, double alpha, double epsilon, double momentum) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> w = new(weight), dw = new(gradient), s = new(squareAverage), m = new(average), b = new(momentumBuffer);
            bool centered = average != null, hasMomentum = momentumBuffer != null;
            V keep = V.Constant(alpha), add = V.Constant(1 - alpha), eps = V.Constant(epsilon), mu = V.Constant(momentum);
            V lambda = V.Constant(weightDecay), minusEta = V.Constant(-learningRate);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                V wi = w[i, n];
                V g = V.Fma(lambda, wi, dw[i, n]);
                V si = V.Fma(add * g, g, keep * s[i, n]);
                s[i, n] = si;
                if (centered)
                {
                    V mi = V.Fma(add, g, keep * m[i, n]);
                    m[i, n] = mi;
                    si = V.Max(si - mi * mi, V.Zero);               // rounding must not make a variance negative, and its root NaN
                }
                V d = g / (V.Sqrt(si) + eps);
                if (hasMomentum) b[i, n] = d = V.Fma(mu, b[i, n], d);
                w[i, n] = V.Fma(minusEta, d, wi);
            }
        }
    }
}
