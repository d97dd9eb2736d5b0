using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// A simple recurrent network over a whole sequence (Elman 1990), fused, with a backward pass by hand: h_t = tanh(x_t + W_h h_t-1), where x_t = W_x input_t + b is one
/// product for the whole sequence, made before.
/// </summary>
public static class RnnScan
{
    /// <summary>Runs the network over a sequence.</summary>
    /// <param name="x">Input projections: [time, batch, hidden].</param>
    /// <param name="recurrent">W_h: [hidden, hidden].</param>
    /// <param name="hidden">h before the first step: [batch, hidden].</param>
    /// <param name="lengths">As for <see cref="LstmScan.Apply"/>.</param>
    /// <param name="reverse">As for <see cref="LstmScan.Apply"/>.</param>
    /// <returns>h at every step, [time, batch, hidden], and after the last, [batch, hidden].</returns>
    /// <exception cref="ShapeException">The shapes or types do not fit, or a length is out of range.</exception>
    public static (Tensor Output, Tensor Hidden) Apply(Tensor x, Tensor recurrent, Tensor hidden, Tensor? lengths = null, bool reverse = false)
    {
        (Tensor output, Tensor last, _) = RecurrentScan<RnnCell>.Apply(x, recurrent, default, hidden, default, lengths, reverse);
        return (output, last);
    }
}

/// <summary>One step of <see cref="RnnScan"/>.</summary>
readonly unsafe struct RnnCell : IRecurrentCell
{
    public static string Name => nameof(RnnScan);
    public static int Gates => 1;
    public static bool HasCell => false;
    public static bool InputApart => false;

    public static void Forward<V, T>(T* x, T* z, T* hiddenBefore, T* cellBefore, T* hidden, T* cell, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            V h = V.Tanh(Lanes.Load<V, T>(z + j, 1, size - j));
            Lanes.Store(z + j, 1, h, size - j);
            Lanes.Store(hidden + j, 1, h, size - j);
        }
    }

    public static void Backward<V, T>(T* z, T* hiddenBefore, T* cellBefore, T* cell, T* dHidden, T* dCell, T* dz, T* dx, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            V h = Lanes.Load<V, T>(z + j, 1, size - j);
            Lanes.Store(dz + j, 1, Lanes.Load<V, T>(dHidden + j, 1, size - j) * (V.One - h * h), size - j);
        }
        Recurrence.Add<V, T>(dz, dx, size);
        new Span<T>(dHidden, size).Clear();
    }
}
