using System.Numerics;
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

/// <summary>One step of <see cref="GruScan"/>. The cell carries z_n to the backward pass, as n takes its place.</summary>
readonly unsafe struct GruCell : IRecurrentCell
{
    public static string Name => nameof(GruScan);
    public static int Gates => 3;
    public static bool HasCell => false;
    public static bool InputApart => true;

    public static void Forward<V, T>(T* x, T* z, T* hiddenBefore, T* cellBefore, T* hidden, T* cell, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            int left = size - j;
            V r = V.Sigmoid(Lanes.Load<V, T>(x + j, 1, left) + Lanes.Load<V, T>(z + j, 1, left));
            V u = V.Sigmoid(Lanes.Load<V, T>(x + size + j, 1, left) + Lanes.Load<V, T>(z + size + j, 1, left));
            V projected = Lanes.Load<V, T>(z + 2 * size + j, 1, left);
            V n = V.Tanh(V.Fma(r, projected, Lanes.Load<V, T>(x + 2 * size + j, 1, left)));
            Lanes.Store(z + j, 1, r, left);
            Lanes.Store(z + size + j, 1, u, left);
            Lanes.Store(z + 2 * size + j, 1, n, left);
            Lanes.Store(cell + j, 1, projected, left);
            Lanes.Store(hidden + j, 1, V.Fma(u, Lanes.Load<V, T>(hiddenBefore + j, 1, left) - n, n), left);
        }
    }

    public static void Backward<V, T>(T* z, T* hiddenBefore, T* cellBefore, T* cell, T* dHidden, T* dCell, T* dz, T* dx, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            int left = size - j;
            V r = Lanes.Load<V, T>(z + j, 1, left), u = Lanes.Load<V, T>(z + size + j, 1, left), n = Lanes.Load<V, T>(z + 2 * size + j, 1, left);
            V dh = Lanes.Load<V, T>(dHidden + j, 1, left);
            V dn = dh * (V.One - u) * (V.One - n * n);                                                  // through tanh
            V dr = dn * Lanes.Load<V, T>(cell + j, 1, left) * r * (V.One - r);
            V du = dh * (Lanes.Load<V, T>(hiddenBefore + j, 1, left) - n) * u * (V.One - u);
            Lanes.Store(dz + j, 1, dr, left);
            Lanes.Store(dz + size + j, 1, du, left);
            Lanes.Store(dz + 2 * size + j, 1, dn * r, left);
            Lanes.Store(dx + j, 1, Lanes.Load<V, T>(dx + j, 1, left) + dr, left);
            Lanes.Store(dx + size + j, 1, Lanes.Load<V, T>(dx + size + j, 1, left) + du, left);
            Lanes.Store(dx + 2 * size + j, 1, Lanes.Load<V, T>(dx + 2 * size + j, 1, left) + dn, left);
            Lanes.Store(dHidden + j, 1, dh * u, left);                                                  // straight to h'
        }
    }
}
