using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The binary cross-entropy, in nats, of independent bits whose probabilities are the logistic function of x: the mean over all elements of
/// <c>-t ln sigmoid(x) - (1 - t) ln(1 - sigmoid(x)) = max(x, 0) - x t + ln(1 + e^-|x|)</c>, in which no exponential overflows.
/// </summary>
public sealed unsafe class BinaryCrossEntropyWithLogits : Operation<BinaryCrossEntropyWithLogits>
{
    /// <summary>Computes <c>x.BinaryCrossEntropyWithLogits(targets)</c>.</summary>
    public static Tensor Apply(Tensor x, Tensor targets)
    {
        const string name = nameof(BinaryCrossEntropyWithLogits);
        Require.SameFloat(name, x, targets);
        Require.SameShape(name, x, targets);
        if (x.Count == 0) throw new ShapeException(name, $"{x.Shape} has no elements, and their mean is not defined.");
        Tensor costs = Tensor.Empty(x.Shape, x.DType), sum = Tensor.Zeros([], x.DType), y = Tensor.Zeros([], x.DType);
        Cpu.For(x.DType, x.Count, Cpu.Grain, new Forward(x, targets, costs));
        Summation.AddInto(costs, sum);
        Transfer.Add(sum, y, 1.0 / x.Count);
        Record(y, x, targets);
        return y;
    }

    readonly struct Forward(Tensor x, Tensor targets, Tensor costs) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, targets.Strides, costs.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int strideX = loop.InnerStride(0), strideT = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out long ot, out long oc, out _), end - start);
                T* px = x.Pointer<T>() + ox, pt = targets.Pointer<T>() + ot, cost = costs.Pointer<T>() + oc;
                for (int i = 0; i < length; i += V.Count)
                {
                    V xi = Lanes.Load<V, T>(px + (long)i * strideX, strideX, length - i), ti = Lanes.Load<V, T>(pt + (long)i * strideT, strideT, length - i);
                    Lanes.Store(cost + i, 1, V.Max(xi, V.Zero) - xi * ti + V.Softplus(-V.Abs(xi)), length - i);
                }
            }
        }
    }

    /// <summary>dL/dx += (sigmoid(x) - t) / n dL/dy, dL/dt += -x / n dL/dy.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), t = Input(1);
        double scale = OutputGradient().Item() / x.Count;
        if (NeedsGradient(0)) Cpu.For(x.DType, x.Count, Cpu.Grain, new LogitSlope(x, t, InputGradient(0), scale));
        if (NeedsGradient(1)) Transfer.Add(x, InputGradient(1), -scale);
    }

    readonly struct LogitSlope(Tensor x, Tensor targets, Tensor dx, double scale) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, targets.Strides, dx.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V factor = V.Constant(scale);
            int strideX = loop.InnerStride(0), strideT = loop.InnerStride(1), strideDx = loop.InnerStride(2);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out long ot, out long odx, out _), end - start);
                T* px = x.Pointer<T>() + ox, pt = targets.Pointer<T>() + ot, pdx = dx.Pointer<T>() + odx;
                for (int i = 0; i < length; i += V.Count)
                {
                    int count = length - i;
                    V xi = Lanes.Load<V, T>(px + (long)i * strideX, strideX, count), ti = Lanes.Load<V, T>(pt + (long)i * strideT, strideT, count);
                    V old = Lanes.Load<V, T>(pdx + (long)i * strideDx, strideDx, count);
                    Lanes.Store(pdx + (long)i * strideDx, strideDx, V.Fma(factor, V.Sigmoid(xi) - ti, old), count);
                }
            }
        }
    }
}

/// <summary>Adds the binary cross-entropy to <see cref="Tensor"/>.</summary>
public static class BinaryCrossEntropyWithLogitsOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The mean binary cross-entropy, in nats, of logits of any shape: shape []. The logistic function is part of it, so that no logit overflows.
        /// </summary>
        /// <param name="targets">The probability of a one, 0 to 1, for every logit: the same shape and type.</param>
        /// <exception cref="ShapeException">The shapes or types differ, there are no elements, or they are integers.</exception>
        public Tensor BinaryCrossEntropyWithLogits(Tensor targets) => NeuralMemory.BinaryCrossEntropyWithLogits.Apply(x, targets);
    }
}
