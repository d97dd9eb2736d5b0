using System.Runtime.CompilerServices;
using ILGPU;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Gpu;

/// <summary>
/// Rung 4, tensor cores: a group of 256 threads makes a tile of 128 x 128, each of its 8 warps 64 x 32 of it as 4 x 4 fragments of 16 x 8, which one instruction multiplies where rung 3 needs 32
/// a thread. What is read must keep up: copies go from global to shared memory without passing a register, and two of three stages are under way while one is multiplied. Operands are rounded
/// once they have been read from shared memory; sums stay float32.
/// </summary>
/// <typeparam name="P">What operands are rounded to.</typeparam>
/// <typeparam name="PA">How a's panels lie in shared memory.</typeparam>
/// <typeparam name="PB">How b's panels do.</typeparam>
readonly struct TensorCoreGemm<P, PA, PB>(GemmProblem p) : IGpuKernel
    where P : struct, ITensorPrecision where PA : struct, ITensorPanel where PB : struct, ITensorPanel
{
    const int Size = TensorCoreSize.Tile, Depth = TensorCoreSize.Depth, Panel = Size * Depth / 4, Stage = 2 * Panel, Stages = 3;                      // in fours

    public void Run()
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<float>(4 * Stages * Stage).Cast<Float4>();
        GemmTile tile = new(p, Grid.IdxX, Size, Size);
        int fromA = tile.I * p.A.Across, fromB = tile.J * p.B.Across, vectorsA = p.M - tile.I, vectorsB = p.N - tile.J;
        int warp = Group.IdxX / 32, row = warp / 4 * 64, column = warp % 4 * 32;

        GemmSteps copies = new(p, tile, Depth);
        int left = copies.Left, free = 0;
        for (int ahead = 1; ahead < Stages; ahead++)
        {
            if (copies.Any)
            {
                PA.Copy(p.A, shared, free, copies.A + fromA, vectorsA, copies.Depths);
                PB.Copy(p.B, shared, free + Panel, copies.B + fromB, vectorsB, copies.Depths);
                copies.Next(p, tile, Depth);
            }
            AsyncCopy.Commit();
            free += Stage;
        }

        WarpRow row0 = default, row1 = default, row2 = default, row3 = default;
        int stage = 0;
        for (; left > 0; left--)
        {
            AsyncCopy.Wait(Stages - 2);                     // this thread's copies of the stage have arrived
            Group.Barrier();                                // everybody's have; and all are through with the stage before, which is free now
            if (copies.Any)
            {
                PA.Copy(p.A, shared, free, copies.A + fromA, vectorsA, copies.Depths);
                PB.Copy(p.B, shared, free + Panel, copies.B + fromB, vectorsB, copies.Depths);
                copies.Next(p, tile, Depth);
            }
            AsyncCopy.Commit();                             // a group for every stage, an empty one if need be: so the count of those under way is right
            free = free == (Stages - 1) * Stage ? 0 : free + Stage;

            if (row < vectorsA && column < vectorsB)        // the warp's part of the tile is not empty
            {
                ArrayView<Float4> a = shared.SubView(stage, Panel), b = shared.SubView(stage + Panel, Panel);
                Fragment b0 = Read<PB>(b, column), b1 = Read<PB>(b, column + 8), b2 = Read<PB>(b, column + 16), b3 = Read<PB>(b, column + 24);
                row0.Add<P>(Read<PA>(a, row), Read<PA>(a, row + 8), b0, b1, b2, b3);
                row1.Add<P>(Read<PA>(a, row + 16), Read<PA>(a, row + 24), b0, b1, b2, b3);
                row2.Add<P>(Read<PA>(a, row + 32), Read<PA>(a, row + 40), b0, b1, b2, b3);
                row3.Add<P>(Read<PA>(a, row + 48), Read<PA>(a, row + 56), b0, b1, b2, b3);
            }
            stage = stage == (Stages - 1) * Stage ? 0 : stage + Stage;
        }

        row0.Write(p, tile.C, tile.I + row, tile.J + column);
        row1.Write(p, tile.C, tile.I + row + 16, tile.J + column);
        row2.Write(p, tile.C, tile.I + row + 32, tile.J + column);
        row3.Write(p, tile.C, tile.I + row + 48, tile.J + column);
    }

    /// <summary>
    /// What a lane holds of eight vectors: of vector g = lane / 4 the elements 4t to 4t + 3, t = lane % 4, rounded. The instructions want elements t, t + 4, ... of one lane; but a sum does not
    /// ask for the order of its terms as long as a and b agree on it, and so one 128-bit read gives all that a step needs.
    /// </summary>
    [MethodImpl(AggressiveInlining)]
    static Fragment Read<X>(ArrayView<Float4> panel, int vector) where X : struct, ITensorPanel => P.Round(X.Four(panel, vector + Group.IdxX % 32 / 4, Group.IdxX % 4));
}

/// <summary>The rows and columns of a group's tile, and how much of K a stage holds.</summary>
static class TensorCoreSize
{
    public const int Tile = 128, Depth = 16;
}

/// <summary>Four elements of a vector, rounded: each by itself, or two by two in the first two registers.</summary>
readonly struct Fragment(uint x, uint y, uint z, uint w)
{
    public readonly uint X = x, Y = y, Z = z, W = w;
}

/// <summary>What operands are rounded to on their way into the tensor cores.</summary>
interface ITensorPrecision
{
    static abstract Fragment Round(Float4 x);

    /// <summary>c + a b over 16 of K; a's vectors g and g + 8, b's vector g.</summary>
    static abstract Float4 Multiply(Float4 c, Fragment top, Fragment bottom, Fragment b);
}

/// <inheritdoc cref="MatMulPrecision.TensorFloat32"/>
readonly struct RoundTensorFloat32 : ITensorPrecision
{
    [MethodImpl(AggressiveInlining)]
    public static Fragment Round(Float4 x) => new(TensorCore.ToTf32(x.X), TensorCore.ToTf32(x.Y), TensorCore.ToTf32(x.Z), TensorCore.ToTf32(x.W));

    [MethodImpl(AggressiveInlining)]
    public static Float4 Multiply(Float4 c, Fragment top, Fragment bottom, Fragment b)
    {
        c = TensorCore.MultiplyTf32(c, top.X, bottom.X, top.Y, bottom.Y, b.X, b.Y);
        return TensorCore.MultiplyTf32(c, top.Z, bottom.Z, top.W, bottom.W, b.Z, b.W);
    }
}

/// <inheritdoc cref="MatMulPrecision.BFloat16"/>
readonly struct RoundBFloat16 : ITensorPrecision
{
    [MethodImpl(AggressiveInlining)]
    public static Fragment Round(Float4 x) => new(TensorCore.ToBf16(x.X, x.Y), TensorCore.ToBf16(x.Z, x.W), 0, 0);

    [MethodImpl(AggressiveInlining)]
    public static Float4 Multiply(Float4 c, Fragment top, Fragment bottom, Fragment b) => TensorCore.MultiplyBf16(c, top.X, bottom.X, top.Y, bottom.Y, b.X, b.Y);
}

/// <summary>16 rows of a warp's part of the tile: four fragments of 16 x 8 side by side.</summary>
struct WarpRow
{
    Float4 c0, c1, c2, c3;

    [MethodImpl(AggressiveInlining)]
    public void Add<P>(Fragment top, Fragment bottom, Fragment b0, Fragment b1, Fragment b2, Fragment b3) where P : struct, ITensorPrecision
    {
        c0 = P.Multiply(c0, top, bottom, b0);
        c1 = P.Multiply(c1, top, bottom, b1);
        c2 = P.Multiply(c2, top, bottom, b2);
        c3 = P.Multiply(c3, top, bottom, b3);
    }

    [MethodImpl(AggressiveInlining)]
    public readonly void Write(in GemmProblem p, int c, int i, int j)
    {
        Write(p, c, i, j, c0);
        Write(p, c, i, j + 8, c1);
        Write(p, c, i, j + 16, c2);
        Write(p, c, i, j + 24, c3);
    }

    // A lane has two neighbours in row g and two in row g + 8. Two lanes exchange, so that each has four in one row.
    [MethodImpl(AggressiveInlining)]
    static void Write(in GemmProblem p, int c, int i, int j, Float4 own)
    {
        int lane = Group.IdxX % 32, odd = lane % 2;
        float x = Warp.ShuffleXor(odd == 0 ? own.Z : own.X, 1), y = Warp.ShuffleXor(odd == 0 ? own.W : own.Y, 1);
        p.Write(c, i + lane / 4 + 8 * odd, j + lane % 4 / 2 * 4, odd == 0 ? new Float4(own.X, own.Y, x, y) : new Float4(x, y, own.Z, own.W));
    }
}

/// <summary>
/// How a panel of 128 vectors by 16 of K gets to shared memory and lies there. Fours are moved about so that the 32 lanes of a warp, eight vectors by all of K, always read from 32 banks.
/// </summary>
interface ITensorPanel
{
    /// <summary>Starts to copy the thread's eight elements; zeros where the operand has ended.</summary>
    static abstract void Copy(in GemmOperand x, ArrayView<Float4> shared, int to, int from, int vectors, int depths);

    /// <summary>Elements 4t to 4t + 3 of a vector.</summary>
    static abstract Float4 Four(ArrayView<Float4> panel, int vector, int t);
}

/// <summary>As <see cref="FourAlong"/>: lies as [vector][k].</summary>
readonly struct TensorAlong : ITensorPanel
{
    /// <summary>Where four t of a vector lies: two vectors share 32 banks, so every second one turns its fours by one.</summary>
    [MethodImpl(AggressiveInlining)]
    public static int Place(int vector, int t) => 4 * vector + (t ^ (vector >> 1 & 3));

    [MethodImpl(AggressiveInlining)]
    public static void Copy(in GemmOperand x, ArrayView<Float4> shared, int to, int from, int vectors, int depths)
    {
        int v = Group.IdxX / 4, t = Group.IdxX % 4;
        Start(x, shared, to + Place(v, t), from + v * x.Across + 4 * t, v < vectors && 4 * t < depths);
        Start(x, shared, to + Place(v + 64, t), from + (v + 64) * x.Across + 4 * t, v + 64 < vectors && 4 * t < depths);
    }

    /// <summary>Starts to copy four elements, or to write four zeros.</summary>
    [MethodImpl(AggressiveInlining)]
    public static void Start(in GemmOperand x, ArrayView<Float4> shared, int to, int from, bool there) =>
        AsyncCopy.Start(ref shared[to], ref x.Values.Cast<Float4>()[there ? from >> 2 : 0], there ? 4 : 0);

    [MethodImpl(AggressiveInlining)] public static Float4 Four(ArrayView<Float4> panel, int vector, int t) => panel[Place(vector, t)];
}

/// <summary>As <see cref="FourAcross"/>: lies as [k][vector].</summary>
readonly struct TensorAcross : ITensorPanel
{
    // Rows of K of one t lie in the same banks whatever t is: t moves them.
    [MethodImpl(AggressiveInlining)]
    static int Place(int fourVectors, int k) => 32 * k + (fourVectors ^ 2 * (k >> 2 & 3));

    [MethodImpl(AggressiveInlining)]
    public static void Copy(in GemmOperand x, ArrayView<Float4> shared, int to, int from, int vectors, int depths)
    {
        int v = Group.IdxX % 32, k = Group.IdxX / 32;
        TensorAlong.Start(x, shared, to + Place(v, k), from + 4 * v + k * x.Along, 4 * v < vectors && k < depths);
        TensorAlong.Start(x, shared, to + Place(v, k + 8), from + 4 * v + (k + 8) * x.Along, 4 * v < vectors && k + 8 < depths);
    }

    [MethodImpl(AggressiveInlining)]
    public static Float4 Four(ArrayView<Float4> panel, int vector, int t)
    {
        ArrayView<float> numbers = panel.Cast<float>();
        int at = 4 * Place(vector / 4, 4 * t) + vector % 4;
        return new(numbers[at], numbers[at + 128], numbers[at + 256], numbers[at + 384]);
    }
}

/// <summary>As <see cref="OneByOne"/>, and waited for: lies as <see cref="TensorAlong"/>.</summary>
readonly struct TensorOneByOne : ITensorPanel
{
    [MethodImpl(AggressiveInlining)]
    public static void Copy(in GemmOperand x, ArrayView<Float4> shared, int to, int from, int vectors, int depths)
    {
        ArrayView<float> numbers = shared.Cast<float>();
        int along = x.Along <= x.Across ? 1 : 0;
        for (int i = 0; i < 8; i++)
        {
            int v = along != 0 ? Group.IdxX / 16 + 16 * i : Group.IdxX % 128, k = along != 0 ? Group.IdxX % 16 : Group.IdxX / 128 + 2 * i;
            numbers[4 * (to + TensorAlong.Place(v, k / 4)) + k % 4] = v < vectors && k < depths ? x.Values[from + v * x.Across + k * x.Along] : 0;
        }
    }

    [MethodImpl(AggressiveInlining)] public static Float4 Four(ArrayView<Float4> panel, int vector, int t) => TensorAlong.Four(panel, vector, t);
}
