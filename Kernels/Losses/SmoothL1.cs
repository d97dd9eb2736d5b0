using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The mean over all elements of d^2 / (2 beta) where |d| &lt; beta and |d| - beta / 2 elsewhere, d = x - t: a square near the target, and an absolute value
/// further off, whose slope no outlier exceeds (Girshick 2015, equation 3; Huber 1964). dc/dx = d / beta or the sign of d, dc/dt = -dc/dx.
/// </summary>
/// <param name="beta">Where the square ends.</param>
public readonly struct SmoothL1(double beta) : IPairLoss
{
    /// <inheritdoc/>
    public static string Name => nameof(SmoothL1);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Cost<V>(V x, V t) where V : struct, ISimd<V>
    {
        V distance = V.Abs(x - t), limit = V.Constant(beta), half = V.Constant(0.5);
        return V.IfLess(distance, limit, half * distance * distance / limit, distance - half * limit);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V SlopeX<V>(V x, V t) where V : struct, ISimd<V>
    {
        V d = x - t, limit = V.Constant(beta), sign = V.IfLess(d, V.Zero, -V.One, V.IfEqual(d, V.Zero, V.Zero, V.One));
        return V.IfLess(V.Abs(d), limit, d / limit, sign);
    }

    /// <inheritdoc/>
    public V SlopeT<V>(V x, V t) where V : struct, ISimd<V> => SlopeX(t, x);
}

/// <summary>Adds the smooth absolute error to <see cref="Tensor"/>.</summary>
public static class SmoothL1Operation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The mean over all elements, of any shape, of (x - t)^2 / (2 beta) where |x - t| is less than beta, and of |x - t| - beta / 2 elsewhere: shape [].
        /// </summary>
        /// <param name="targets">t: the same shape and type.</param>
        /// <param name="beta">Where the square passes into the absolute value, at least 0; 0 gives the mean absolute error.</param>
        /// <exception cref="ShapeException">The shapes or types differ, there are no elements, or they are integers.</exception>
        /// <exception cref="ArgumentOutOfRangeException"><paramref name="beta"/> is negative.</exception>
        public Tensor SmoothL1(Tensor targets, double beta = 1)
        {
            if (!(beta >= 0)) throw new ArgumentOutOfRangeException(nameof(beta), beta, "SmoothL1: a beta of at least 0 was expected.");
            return PairLoss<SmoothL1>.Apply(x, targets, new(beta));
        }
    }
}
