using System.Runtime.CompilerServices;
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
readonly struct RnnCell : IRecurrentCell
{
    public static string Name => nameof(RnnScan);
    public static int Gates => 1;
    public static bool HasCell => false;
    public static bool InputApart => false;
    public static bool SeesHidden => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Forward<V>(in Gates<V> x, ref Gates<V> z, V hiddenBefore, V cellBefore, out V hidden, out V cell) where V : struct, ISimd<V>
    {
        hidden = z.A = V.Tanh(z.A);
        cell = V.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Backward<V>(in Gates<V> z, V hiddenBefore, V cellBefore, V cell, ref V dHidden, ref V dCell, out Gates<V> dz, out Gates<V> dx) where V : struct, ISimd<V>
    {
        dz = default;
        dz.A = dHidden * (V.One - z.A * z.A);
        dx = default;
        dHidden = V.Zero;
    }
}
