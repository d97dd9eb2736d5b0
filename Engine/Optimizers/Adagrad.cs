using System.Numerics;
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
public sealed unsafe class Adagrad : Optimizer
{
    readonly double learningRateDecay, epsilon;
    readonly Tensor[] squareSum;

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
        squareSum = State("square_sum", Hyperparameter.NotNegative(initialSquareSum));
    }

    /// <inheritdoc/>
    protected override void Update(int index, Tensor parameter, Tensor gradient, double learningRate, double weightDecay, int step) =>
        Cpu.For(parameter.DType, parameter.Count, Cpu.Grain, new Kernel(
            Address(parameter), Address(gradient), Address(squareSum, index),
            stepSize: learningRate / (1 + (step - 1) * learningRateDecay), weightDecay, epsilon));

    readonly struct Kernel(void* weight, void* gradient, void* squareSum, double stepSize, double weightDecay, double epsilon) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> w = new(weight), dw = new(gradient), s = new(squareSum);
            V lambda = V.Constant(weightDecay), eps = V.Constant(epsilon), minusEta = V.Constant(-stepSize);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                V wi = w[i, n];
                V g = V.Fma(lambda, wi, dw[i, n]);
                V si = V.Fma(g, g, s[i, n]);
                s[i, n] = si;
                w[i, n] = V.Fma(minusEta, g / (V.Sqrt(si) + eps), wi);
            }
        }
    }
}
