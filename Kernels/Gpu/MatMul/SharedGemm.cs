using System.Runtime.CompilerServices;
using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>
/// Rung 2, shared tiles: a group of 256 threads makes a tile of 32 x 32 and reads 32 of K at a time into shared memory. Each element comes from global memory once for 32 multiplications
/// instead of one, and always coalesced, as neighbouring threads read along whichever direction lies in one piece. A thread makes four rows of one column, so that an element of b serves four
/// times once it is read from shared memory. For small matrices, above all many of them.
/// </summary>
readonly struct SharedGemm(GemmProblem p) : IGpuKernel
{
    public const int Size = 32;

    // One more, so that what lies below each other is not in one bank.
    const int Row = Size + 1;

    public void Run()
    {
        ArrayView<float> a = SharedMemory.Allocate<float>(Size * Row), b = SharedMemory.Allocate<float>(Size * Row);      // [k][row], [k][column]
        int row = Group.IdxX / 32, column = Group.IdxX % 32;
        GemmTile tile = new(p, Grid.IdxX, Size, Size);
        Float4 sums = default;
        for (GemmSteps steps = new(p, tile, Size); steps.Any; steps.Next(p, tile, Size))
        {
            Bring(a, p.A, steps.A + tile.I * p.A.Across, p.M - tile.I, steps.Depths);
            Bring(b, p.B, steps.B + tile.J * p.B.Across, p.N - tile.J, steps.Depths);
            Group.Barrier();                                // all of both tiles is there
            for (int k = 0; k < Size; k++)
            {
                int at = k * Row + row;
                sums = Float4.ScaleAdd(b[k * Row + column], new(a[at], a[at + 8], a[at + 16], a[at + 24]), sums);
            }
            Group.Barrier();                                // all have read both: they may be overwritten
        }
        p.Write(tile.C, tile.I + row, tile.J + column, sums.X);
        p.Write(tile.C, tile.I + row + 8, tile.J + column, sums.Y);
        p.Write(tile.C, tile.I + row + 16, tile.J + column, sums.Z);
        p.Write(tile.C, tile.I + row + 24, tile.J + column, sums.W);
    }

    /// <summary>Reads a tile, with zeros where the operand has ended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Bring(ArrayView<float> shared, in GemmOperand x, int from, int vectors, int depths)
    {
        int low = Group.IdxX % 32, high = Group.IdxX / 32;
        if (x.Along <= x.Across)                            // neighbouring threads along K
            for (int v = high; v < Size; v += 8) shared[low * Row + v] = v < vectors && low < depths ? x.Values[from + v * x.Across + low * x.Along] : 0;
        else
            for (int k = high; k < Size; k += 8) shared[k * Row + low] = low < vectors && k < depths ? x.Values[from + low * x.Across + k * x.Along] : 0;
    }
}
