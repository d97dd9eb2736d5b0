using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Gated recurrent units over a whole sequence (Cho et al. 2014, in the form whose reset gate acts after the recurrent product, as PyTorch's), fused, with a
/// backward pass by hand. Gates are in the order of PyTorch's weights:
/// <code>
/// x_t = W_x input_t + b_x                   one product for the whole sequence, made before
/// z   = W_h h_t-1 + b_h
/// r   = sigmoid(x_r + z_r)
/// u   = sigmoid(x_u + z_u)
/// n   = tanh(x_n + r z_n)
/// h_t = (1 - u) n + u h_t-1
/// </code>
/// </summary>
public static class GruScan
{
    /// <summary>Runs the network over a sequence.</summary>
    /// <param name="x">Input projections: [time, batch, 3 * hidden].</param>
    /// <param name="recurrent">W_h: [3 * hidden, hidden].</param>
    /// <param name="recurrentBias">b_h: [3 * hidden].</param>
    /// <param name="hidden">h before the first step: [batch, hidden].</param>
    /// <param name="lengths">As for <see cref="LstmScan.Apply"/>.</param>
    /// <param name="reverse">As for <see cref="LstmScan.Apply"/>.</param>
    /// <returns>h at every step, [time, batch, hidden], and after the last, [batch, hidden].</returns>
    /// <exception cref="ShapeException">The shapes or types do not fit, or a length is out of range.</exception>
    public static (Tensor Output, Tensor Hidden) Apply(Tensor x, Tensor recurrent, Tensor recurrentBias, Tensor hidden, Tensor? lengths = null, bool reverse = false)
    {
        (Tensor output, Tensor last, _) = RecurrentScan<GruCell>.Apply(x, recurrent, recurrentBias, hidden, default, lengths, reverse);
        return (output, last);
    }
}

/// <summary>One step of <see cref="GruScan"/>: the gates r, z, n are A, B, C. The cell carries z_n to the backward pass, as n takes its place.</summary>
readonly struct GruCell : IRecurrentCell
{
    public static string Name => nameof(GruScan);
    public static int Gates => 3;
    public static bool HasCell => false;
    public static bool InputApart => true;
    public static bool SeesHidden => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Forward<V>(in Gates<V> x, ref Gates<V> z, V hiddenBefore, V cellBefore, out V hidden, out V cell) where V : struct, ISimd<V>
    {
        z.A = V.Sigmoid(x.A + z.A);
        z.B = V.Sigmoid(x.B + z.B);
        cell = z.C;
        z.C = V.Tanh(V.Fma(z.A, z.C, x.C));
        hidden = V.Fma(z.B, hiddenBefore - z.C, z.C);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Backward<V>(in Gates<V> z, V hiddenBefore, V cellBefore, V cell, ref V dHidden, ref V dCell, out Gates<V> dz, out Gates<V> dx) where V : struct, ISimd<V>
    {
        dx.C = dHidden * (V.One - z.B) * (V.One - z.C * z.C);                                      // through tanh
        dx.A = dx.C * cell * z.A * (V.One - z.A);
        dx.B = dHidden * (hiddenBefore - z.C) * z.B * (V.One - z.B);
        dx.D = V.Zero;
        dz = dx;
        dz.C = dx.C * z.A;
        dHidden *= z.B;                                                                            // straight to h'
    }
}
