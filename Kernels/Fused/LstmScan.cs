using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// A long short-term memory over a whole sequence (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000), fused, with a backward pass by hand. Gates are
/// in the order of PyTorch's weights:
/// <code>
/// [i, f, g, o] = x_t + W_h h_t-1            x_t = W_x input_t + b is one product for the whole sequence, made before
/// c_t = sigmoid(f) c_t-1 + sigmoid(i) tanh(g)
/// h_t = sigmoid(o) tanh(c_t)
/// </code>
/// </summary>
public static class LstmScan
{
    /// <summary>Runs the network over a sequence.</summary>
    /// <param name="x">Input projections: [time, batch, 4 * hidden].</param>
    /// <param name="recurrent">W_h: [4 * hidden, hidden].</param>
    /// <param name="hidden">h before the first step: [batch, hidden].</param>
    /// <param name="cell">c before the first step: [batch, hidden].</param>
    /// <param name="lengths">How long each sequence of the batch is, Int32 [batch] from 0 to time; its state stays as it is after that, and its output is zero.
    /// Without, all have the full length.</param>
    /// <param name="reverse">Whether to walk from each sequence's own last step to its first. Output t belongs to input t all the same.</param>
    /// <returns>h at every step, [time, batch, hidden], and h and c after the last, [batch, hidden].</returns>
    /// <exception cref="ShapeException">The shapes or types do not fit, or a length is out of range.</exception>
    public static (Tensor Output, Tensor Hidden, Tensor Cell) Apply(Tensor x, Tensor recurrent, Tensor hidden, Tensor cell, Tensor? lengths = null, bool reverse = false) =>
        RecurrentScan<LstmCell>.Apply(x, recurrent, default, hidden, cell, lengths, reverse);
}

/// <summary>One step of <see cref="LstmScan"/>: the gates i, f, g, o are A, B, C, D.</summary>
readonly struct LstmCell : IRecurrentCell
{
    public static string Name => nameof(LstmScan);
    public static int Gates => 4;
    public static bool HasCell => true;
    public static bool InputApart => false;
    public static bool SeesHidden => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Forward<V>(in Gates<V> x, ref Gates<V> z, V hiddenBefore, V cellBefore, out V hidden, out V cell) where V : struct, ISimd<V>
    {
        z.A = V.Sigmoid(z.A);
        z.B = V.Sigmoid(z.B);
        z.C = V.Tanh(z.C);
        z.D = V.Sigmoid(z.D);
        cell = V.Fma(z.B, cellBefore, z.A * z.C);
        hidden = z.D * V.Tanh(cell);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Backward<V>(in Gates<V> z, V hiddenBefore, V cellBefore, V cell, ref V dHidden, ref V dCell, out Gates<V> dz, out Gates<V> dx) where V : struct, ISimd<V>
    {
        V tanh = V.Tanh(cell), dc = V.Fma(dHidden * z.D, V.One - tanh * tanh, dCell);              // dL/dc += dL/dh o (1 - tanh^2 c)
        dz.A = dc * z.C * z.A * (V.One - z.A);
        dz.B = dc * cellBefore * z.B * (V.One - z.B);
        dz.C = dc * z.A * (V.One - z.C * z.C);
        dz.D = dHidden * tanh * z.D * (V.One - z.D);
        dx = default;
        dHidden = V.Zero;
        dCell = dc * z.B;
    }
}
