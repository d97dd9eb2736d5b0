using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The gates of a long short-term memory (Hochreiter and Schmidhuber 1997, with Gers' forget gate), one step of one sequence, in the order of PyTorch's weights:
/// i, f, o = sigmoid(z_i, z_f, z_o), g = tanh(z_g), c = f c' + i g, h = o tanh(c), where z = [z_i, z_f, z_g, z_o] and c' is the previous cell.
/// </summary>
static unsafe class LstmGates
{
    /// <summary>Replaces z [4, hidden] by its gates and computes the new cell and hidden state [hidden].</summary>
    public static void Forward<V, T>(T* z, T* previousCell, T* cell, T* hidden, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            int n = size - j;
            V i = V.Sigmoid(Lanes.Load<V, T>(z + j, 1, n)), f = V.Sigmoid(Lanes.Load<V, T>(z + size + j, 1, n));
            V g = V.Tanh(Lanes.Load<V, T>(z + 2 * size + j, 1, n)), o = V.Sigmoid(Lanes.Load<V, T>(z + 3 * size + j, 1, n));
            V c = V.Fma(f, Lanes.Load<V, T>(previousCell + j, 1, n), i * g);
            Lanes.Store(z + j, 1, i, n);
            Lanes.Store(z + size + j, 1, f, n);
            Lanes.Store(z + 2 * size + j, 1, g, n);
            Lanes.Store(z + 3 * size + j, 1, o, n);
            Lanes.Store(cell + j, 1, c, n);
            Lanes.Store(hidden + j, 1, o * V.Tanh(c), n);
        }
    }

    /// <summary>
    /// From dL/dh and dL/dc of this step: dL/dz [4, hidden], and dL/dc replaced by that of the previous cell.
    /// </summary>
    public static void Backward<V, T>(T* gates, T* previousCell, T* cell, T* dHidden, T* dCell, T* dz, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            int n = size - j;
            V i = Lanes.Load<V, T>(gates + j, 1, n), f = Lanes.Load<V, T>(gates + size + j, 1, n);
            V g = Lanes.Load<V, T>(gates + 2 * size + j, 1, n), o = Lanes.Load<V, T>(gates + 3 * size + j, 1, n);
            V tanh = V.Tanh(Lanes.Load<V, T>(cell + j, 1, n)), dh = Lanes.Load<V, T>(dHidden + j, 1, n);
            V dc = V.Fma(dh * o, V.One - tanh * tanh, Lanes.Load<V, T>(dCell + j, 1, n));              // dL/dc += dL/dh o (1 - tanh^2 c)
            Lanes.Store(dz + j, 1, dc * g * i * (V.One - i), n);
            Lanes.Store(dz + size + j, 1, dc * Lanes.Load<V, T>(previousCell + j, 1, n) * f * (V.One - f), n);
            Lanes.Store(dz + 2 * size + j, 1, dc * i * (V.One - g * g), n);
            Lanes.Store(dz + 3 * size + j, 1, dh * tanh * o * (V.One - o), n);
            Lanes.Store(dCell + j, 1, dc * f, n);
        }
    }
}
