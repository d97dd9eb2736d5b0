using System.Runtime.CompilerServices;
using ILGPU;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Gpu;

/// <summary>The size of a panel: as many vectors of an operand, and as much of K, as are in shared memory at a time. 256 threads bring 4 elements each.</summary>
interface IPanelSize
{
    /// <summary>Vectors: rows of a, columns of b.</summary>
    static abstract int Vectors { get; }

    /// <summary>Elements of each: 1024 / Vectors.</summary>
    static abstract int Depth { get; }
}

/// <summary>
/// How a thread brings its four elements of a panel from global memory to shared memory, where it lies as [k][vector], so that the products read neighbouring vectors as one. The way
/// through registers is in two parts, because other work is done between them while the reads are under way.
/// </summary>
interface IPanelCopy
{
    /// <summary>Reads; zeros where the operand has ended. The panel starts at <paramref name="from"/>.</summary>
    static abstract Float4 Read<S>(in GemmOperand x, int from, int vectors, int depths) where S : struct, IPanelSize;

    /// <summary>Writes to shared memory, at <paramref name="to"/>, rows <paramref name="row"/> apart.</summary>
    static abstract void Write<S>(in GemmOperand x, ArrayView<float> shared, int to, int row, Float4 four) where S : struct, IPanelSize;
}

/// <summary>For vectors that lie in one piece and start at multiples of four elements: reads four along K at once, and writes them below each other.</summary>
readonly struct FourAlong : IPanelCopy
{
    [MethodImpl(AggressiveInlining)]
    public static Float4 Read<S>(in GemmOperand x, int from, int vectors, int depths) where S : struct, IPanelSize
    {
        int v = Group.IdxX / (S.Depth / 4), k = Group.IdxX % (S.Depth / 4) * 4;
        return v < vectors && k < depths ? Float4.Load(x.Values, from + v * x.Across + k) : default;
    }

    [MethodImpl(AggressiveInlining)]
    public static void Write<S>(in GemmOperand x, ArrayView<float> shared, int to, int row, Float4 four) where S : struct, IPanelSize
    {
        int v = Group.IdxX / (S.Depth / 4), k = Group.IdxX % (S.Depth / 4) * 4, at = to + k * row + v;
        shared[at] = four.X;
        shared[at + row] = four.Y;
        shared[at + 2 * row] = four.Z;
        shared[at + 3 * row] = four.W;
    }
}

/// <summary>For elements of neighbouring vectors that lie in one piece, at multiples of four elements: reads and writes four vectors at once.</summary>
readonly struct FourAcross : IPanelCopy
{
    [MethodImpl(AggressiveInlining)]
    public static Float4 Read<S>(in GemmOperand x, int from, int vectors, int depths) where S : struct, IPanelSize
    {
        int v = Group.IdxX % (S.Vectors / 4) * 4, k = Group.IdxX / (S.Vectors / 4);
        return v < vectors && k < depths ? Float4.Load(x.Values, from + v + k * x.Along) : default;
    }

    [MethodImpl(AggressiveInlining)]
    public static void Write<S>(in GemmOperand x, ArrayView<float> shared, int to, int row, Float4 four) where S : struct, IPanelSize
    {
        int v = Group.IdxX % (S.Vectors / 4) * 4, k = Group.IdxX / (S.Vectors / 4);
        four.Store(shared, to + k * row + v);
    }
}

/// <summary>For all other strides: one element at a time, neighbouring threads along the smaller stride.</summary>
readonly struct OneByOne : IPanelCopy
{
    [MethodImpl(AggressiveInlining)]
    public static Float4 Read<S>(in GemmOperand x, int from, int vectors, int depths) where S : struct, IPanelSize
    {
        Place<S>(x, out int v, out int k, out int nextV, out int nextK);
        return new(
            Element(x, from, v, k, vectors, depths), Element(x, from, v + nextV, k + nextK, vectors, depths),
            Element(x, from, v + 2 * nextV, k + 2 * nextK, vectors, depths), Element(x, from, v + 3 * nextV, k + 3 * nextK, vectors, depths));
    }

    [MethodImpl(AggressiveInlining)]
    public static void Write<S>(in GemmOperand x, ArrayView<float> shared, int to, int row, Float4 four) where S : struct, IPanelSize
    {
        Place<S>(x, out int v, out int k, out int nextV, out int nextK);
        int at = to + k * row + v, next = nextK * row + nextV;
        shared[at] = four.X;
        shared[at + next] = four.Y;
        shared[at + 2 * next] = four.Z;
        shared[at + 3 * next] = four.W;
    }

    [MethodImpl(AggressiveInlining)]
    static float Element(in GemmOperand x, int from, int v, int k, int vectors, int depths) =>
        v < vectors && k < depths ? x.Values[from + v * x.Across + k * x.Along] : 0;

    [MethodImpl(AggressiveInlining)]
    static void Place<S>(in GemmOperand x, out int v, out int k, out int nextV, out int nextK) where S : struct, IPanelSize
    {
        int along = x.Along <= x.Across ? 1 : 0;
        (v, k) = along != 0 ? (Group.IdxX / S.Depth, Group.IdxX % S.Depth) : (Group.IdxX % S.Vectors, Group.IdxX / S.Vectors);
        (nextV, nextK) = along != 0 ? (256 / S.Depth, 0) : (0, 256 / S.Vectors);
    }
}
