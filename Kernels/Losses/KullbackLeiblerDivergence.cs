using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The sum of t (ln t - x) over all elements, divided by the size of the first dimension: how far distributions t are from those whose logarithms are x, in
/// nats (Kullback and Leibler 1951). dc/dx = -t, dc/dt = ln t + 1 - x.
/// </summary>
/// <remarks>Where t is 0, so is the cost, whatever x; the slope along t, which is infinite there, is taken to be 0.</remarks>
public readonly unsafe struct KullbackLeiblerDivergence : IPairLoss
{
    /// <inheritdoc/>
    public static string Name => nameof(KullbackLeiblerDivergence);

    /// <inheritdoc/>
    public static int Divisor(Shape shape) => shape.Rank == 0 ? 1 : shape[0];

    /// <inheritdoc/>
    public V Cost<V>(V x, V t) where V : struct, ISimd<V> => V.IfEqual(t, V.Zero, V.Zero, t * (V.Log(t) - x));

    /// <inheritdoc/>
    public V SlopeX<V>(V x, V t) where V : struct, ISimd<V> => -t;

    /// <inheritdoc/>
    public V SlopeT<V>(V x, V t) where V : struct, ISimd<V> => V.IfEqual(t, V.Zero, V.Zero, V.Log(t) + V.One - x);

    /// <summary>On a GPU nothing is checked, which would copy to the host.</summary>
    /// <exception cref="ShapeException">A probability is negative.</exception>
    internal static void Check(Tensor targets)
    {
        if (GpuBackend.Current is not null) return;
        if (targets.DType == DType.Float32) Check<float>(targets);
        else if (targets.DType == DType.Float64) Check<double>(targets);
    }

    static void Check<T>(Tensor targets) where T : unmanaged, INumber<T>
    {
        StridedLoop loop = new(targets.Shape, targets.Strides);
        int stride = loop.InnerStride(0);
        for (int start = 0, length; start < loop.Count; start += length)
        {
            length = loop.Locate(start, out long offset, out _, out _, out _);
            T* p = targets.Pointer<T>() + offset;
            for (int i = 0; i < length; i++)
                if (p[(long)i * stride] < T.Zero)
                    throw new ShapeException(Name, $"probability {p[(long)i * stride]} at {Indices.Position(targets.Shape, start + i)} of the targets {targets.Shape}: none may be negative.");
        }
    }
}

/// <summary>Adds the Kullback-Leibler divergence to <see cref="Tensor"/>.</summary>
public static class KullbackLeiblerDivergenceOperation
{
    extension(Tensor logProbabilities)
    {
        /// <summary>
        /// The Kullback-Leibler divergence, in nats, of the distributions <paramref name="targets"/> from those whose logarithms these are (such as
        /// <c>LogSoftmax</c> gives): the sum of t (ln t - x) over all elements, divided by the size of the first dimension: shape [].
        /// </summary>
        /// <param name="targets">Probabilities t, none negative: the same shape, [batch, ..], and type. 0 costs nothing. On a GPU a negative one is not reported, and the result is NaN.</param>
        /// <exception cref="ShapeException">The shapes or types differ; a probability is negative; there are no elements, or they are integers.</exception>
        public Tensor KullbackLeiblerDivergence(Tensor targets)
        {
            NeuralMemory.KullbackLeiblerDivergence.Check(targets);
            return PairLoss<KullbackLeiblerDivergence>.Apply(logProbabilities, targets);
        }
    }
}
