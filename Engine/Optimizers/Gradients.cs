using System.Numerics;
using System.Runtime.Intrinsics;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>What is done to all gradients between the backward pass and the step. Nothing here allocates; parameters without a gradient are passed over.</summary>
public static unsafe class Gradients
{
    /// <summary>The most partial sums a tensor is cut into. Their number follows from its size alone, so the sum does not depend on the threads.</summary>
    const int MaxChunks = 256;

    /// <summary>The norm of all gradients together, <c>sqrt(sum g^2)</c>, summed in double.</summary>
    /// <param name="parameters">Leaves: their gradients are contiguous.</param>
    public static double Norm(IReadOnlyList<Tensor> parameters)
    {
        if (Device(parameters) is { } device) return device.ClipGradients(parameters, null, null).Item();
        double sum = 0;
        for (int i = 0; i < parameters.Count; i++)
            if (parameters[i].HasGradient) sum += SquareSum(parameters[i].Gradient);
        return Math.Sqrt(sum);
    }

    /// <summary>
    /// Where the norm of all gradients together exceeds <paramref name="maxNorm"/>, scales them all down to it:
    /// <c>g = g min(1, maxNorm / (norm + 1e-6))</c>.
    /// </summary>
    /// <remarks>Pascanu, Mikolov and Bengio 2013 (arXiv 1211.5063), algorithm 1. If the norm is NaN, so is every gradient afterwards.</remarks>
    /// <param name="parameters">Leaves: their gradients are contiguous.</param>
    /// <param name="maxNorm">The largest norm to leave; not negative.</param>
    /// <returns>The norm before.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxNorm"/> is negative or NaN.</exception>
    public static double ClipNorm(IReadOnlyList<Tensor> parameters, double maxNorm)
    {
        if (!(maxNorm >= 0)) throw new ArgumentOutOfRangeException(nameof(maxNorm), maxNorm, "A number not below 0 was expected.");
        if (Device(parameters) is { } device) return device.ClipGradients(parameters, null, maxNorm).Item();
        double norm = Norm(parameters), coefficient = maxNorm / (norm + 1e-6);
        if (coefficient >= 1) return norm;
        for (int i = 0; i < parameters.Count; i++)
        {
            if (!parameters[i].HasGradient) continue;
            Tensor gradient = parameters[i].Gradient;
            Cpu.For(gradient.DType, gradient.Count, Cpu.Grain, new ScaleKernel(Address(gradient), coefficient));
            GC.KeepAlive(gradient.Body);
        }
        return norm;
    }

    /// <summary>Moves every element of every gradient into [-<paramref name="limit"/>, <paramref name="limit"/>]; NaN stays.</summary>
    /// <param name="parameters">Leaves: their gradients are contiguous.</param>
    /// <param name="limit">The largest magnitude to leave; not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="limit"/> is negative or NaN.</exception>
    public static void ClipValue(IReadOnlyList<Tensor> parameters, double limit)
    {
        if (!(limit >= 0)) throw new ArgumentOutOfRangeException(nameof(limit), limit, "A number not below 0 was expected.");
        if (Device(parameters) is { } device)
        {
            device.ClipGradients(parameters, limit, null);
            return;
        }
        for (int i = 0; i < parameters.Count; i++)
        {
            if (!parameters[i].HasGradient) continue;
            Tensor gradient = parameters[i].Gradient;
            Cpu.For(gradient.DType, gradient.Count, Cpu.Grain, new ClampKernel(Address(gradient), limit));
            GC.KeepAlive(gradient.Body);
        }
    }

    /// <summary>
    /// <see cref="ClipValue"/> and then <see cref="ClipNorm"/>, each where a limit is given, without waiting for the device.
    /// </summary>
    /// <returns>The norm before <see cref="ClipNorm"/>, on the parameters' device: finite if and only if every gradient was. Shape [].</returns>
    public static Tensor Clip(IReadOnlyList<Tensor> parameters, double? limit, double? maxNorm)
    {
        if (Device(parameters) is { } device) return device.ClipGradients(parameters, limit, maxNorm);
        if (limit is { } l) ClipValue(parameters, l);
        return Tensor.Scalar(maxNorm is { } norm ? ClipNorm(parameters, norm) : Norm(parameters));
    }

    /// <summary>The device whose own kernels are needed; null for the CPU.</summary>
    static Backend? Device(IReadOnlyList<Tensor> parameters) => parameters.Count > 0 && parameters[0].Backend is not CpuBackend and { } device ? device : null;

    static void* Address(Tensor gradient) => gradient.IsContiguous ? (void*)gradient.Body.Address
        : throw new ShapeException("Gradients", $"{gradient.Shape} is the gradient of a view, with strides {gradient.Strides}; pass the tensors themselves.");

    static double SquareSum(Tensor gradient)
    {
        int count = gradient.Count, grain = Math.Max(Cpu.Grain, (count + MaxChunks - 1) / MaxChunks);
        double* sums = stackalloc double[MaxChunks];
        if (gradient.DType == DType.Float32) ThreadTeam.For(count, grain, new SquareSum32((float*)Address(gradient), grain, sums));
        else ThreadTeam.For(count, grain, new SquareSum64((double*)Address(gradient), grain, sums));
        GC.KeepAlive(gradient.Body);
        double sum = 0;
        for (int chunk = 0; chunk * (long)grain < count; chunk++) sum += sums[chunk];
        return sum;
    }

    // Eight partial sums in two vectors of fixed size, whatever the machine's are: the same bits everywhere. The square of a float is exact in double.
    readonly struct SquareSum32(float* gradient, int grain, double* sums) : IParallelBody
    {
        public void Run(int start, int end)
        {
            Vector256<double> low = default, high = default;
            int i = start;
            for (; i <= end - 8; i += 8)
            {
                (Vector256<double> a, Vector256<double> b) = Vector256.Widen(Vector256.Load(gradient + i));
                low += a * a;
                high += b * b;
            }
            low += high;
            double sum = low[0] + low[1] + (low[2] + low[3]);
            for (; i < end; i++) sum += (double)gradient[i] * gradient[i];
            sums[start / grain] = sum;
        }
    }

    readonly struct SquareSum64(double* gradient, int grain, double* sums) : IParallelBody
    {
        public void Run(int start, int end)
        {
            double sum = 0;
            for (int i = start; i < end; i++) sum += gradient[i] * gradient[i];
            sums[start / grain] = sum;
        }
    }

    readonly struct ScaleKernel(void* gradient, double coefficient) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> g = new(gradient);
            V scale = V.Constant(coefficient);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                g[i, n] = g[i, n] * scale;
            }
        }
    }

    readonly struct ClampKernel(void* gradient, double limit) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> g = new(gradient);
            V least = V.Constant(-limit), most = V.Constant(limit);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                g[i, n] = V.Max(least, V.Min(g[i, n], most));
            }
        }
    }
}
