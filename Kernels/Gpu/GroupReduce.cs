using System.Runtime.CompilerServices;
using ILGPU;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Gpu;

/// <summary>How two partial results become one, of which <c>a</c> comes first: associative but for rounding and, except for prefixes, the same the other way round.</summary>
interface IReduction<T> where T : unmanaged
{
    /// <summary>What changes nothing.</summary>
    static abstract T Neutral { get; }

    /// <summary>Both as one.</summary>
    static abstract T Join(T a, T b);
}

/// <summary>a + b.</summary>
readonly struct FloatSum : IReduction<float>
{
    public static float Neutral => 0;

    [MethodImpl(AggressiveInlining)] public static float Join(float a, float b) => a + b;
}

/// <summary>The larger of a and b; NaN where either is.</summary>
readonly struct FloatMax : IReduction<float>
{
    public static float Neutral => float.NegativeInfinity;

    [MethodImpl(AggressiveInlining)] public static float Join(float a, float b) => GpuFloat.Max(a, b);
}

/// <summary>Two sums at once.</summary>
readonly struct TwoSums(float first, float second) : IReduction<TwoSums>
{
    public readonly float First = first, Second = second;

    public static TwoSums Neutral => new(0, 0);

    [MethodImpl(AggressiveInlining)] public static TwoSums Join(TwoSums a, TwoSums b) => new(a.First + b.First, a.Second + b.Second);
}

/// <summary>The results of a warp's 32 threads joined, and the same bits given to each of them. All 32 must call.</summary>
static class WarpReduce
{
    /// <summary>The sum of every thread's <paramref name="x"/>.</summary>
    [MethodImpl(AggressiveInlining)] public static float Sum(float x) => Of<FloatSum, float>(x);

    /// <summary>The largest of every thread's <paramref name="x"/>; NaN where one is.</summary>
    [MethodImpl(AggressiveInlining)] public static float Max(float x) => Of<FloatMax, float>(x);

    /// <summary>Every thread's <paramref name="x"/> joined by <typeparamref name="R"/>, as a tree: neighbours at 16, 8, 4, 2 and 1.</summary>
    [MethodImpl(AggressiveInlining)]
    public static T Of<R, T>(T x) where R : struct, IReduction<T> where T : unmanaged
    {
        x = R.Join(x, Warp.ShuffleXor(x, 16));
        x = R.Join(x, Warp.ShuffleXor(x, 8));
        x = R.Join(x, Warp.ShuffleXor(x, 4));
        x = R.Join(x, Warp.ShuffleXor(x, 2));
        return R.Join(x, Warp.ShuffleXor(x, 1));
    }

    /// <summary>The <paramref name="x"/> of all threads up to each joined, its own included.</summary>
    [MethodImpl(AggressiveInlining)]
    public static T Prefix<R, T>(T x) where R : struct, IReduction<T> where T : unmanaged
    {
        for (int distance = 1; distance < 32; distance <<= 1)
        {
            T before = Warp.ShuffleUp(x, distance);
            if (Warp.LaneIdx >= distance) x = R.Join(before, x);
        }
        return x;
    }
}

/// <summary>
/// The results of a group's threads joined, and the same bits given to each of them. The group has one dimension and 32 to 1024 threads, a multiple of 32, all of which must call. Each place
/// that calls takes shared memory for 32 results of its own; it may call again and again.
/// </summary>
static class GroupReduce
{
    /// <summary>The sum of every thread's <paramref name="x"/>.</summary>
    [MethodImpl(AggressiveInlining)] public static float Sum(float x) => Of<FloatSum, float>(x);

    /// <summary>The largest of every thread's <paramref name="x"/>; NaN where one is.</summary>
    [MethodImpl(AggressiveInlining)] public static float Max(float x) => Of<FloatMax, float>(x);

    /// <summary>Every thread's <paramref name="x"/> joined by <typeparamref name="R"/>: first within each warp, then over the warps.</summary>
    [MethodImpl(AggressiveInlining)]
    public static T Of<R, T>(T x) where R : struct, IReduction<T> where T : unmanaged
    {
        ArrayView<T> warps = SharedMemory.Allocate<T>(32);
        x = WarpReduce.Of<R, T>(x);
        if (Warp.LaneIdx == 0) warps[Group.IdxX / 32] = x;
        Group.Barrier();
        x = Warp.LaneIdx < Group.DimX / 32 ? warps[Warp.LaneIdx] : R.Neutral;
        Group.Barrier();                                                        // all have read: the memory may be written again
        return WarpReduce.Of<R, T>(x);
    }

    /// <summary>The <paramref name="x"/> of all threads up to each joined, its own included, and those of <paramref name="all"/>.</summary>
    [MethodImpl(AggressiveInlining)]
    public static T Prefix<R, T>(T x, out T all) where R : struct, IReduction<T> where T : unmanaged
    {
        ArrayView<T> warps = SharedMemory.Allocate<T>(32);
        int warp = Group.IdxX / 32;
        x = WarpReduce.Prefix<R, T>(x);
        if (Warp.LaneIdx == 31) warps[warp] = x;
        Group.Barrier();
        T total = Warp.LaneIdx < Group.DimX / 32 ? warps[Warp.LaneIdx] : R.Neutral;
        Group.Barrier();                                                        // all have read: the memory may be written again
        total = WarpReduce.Prefix<R, T>(total);
        all = Warp.Shuffle(total, 31);
        T before = Warp.Shuffle(total, warp == 0 ? 0 : warp - 1);
        return warp == 0 ? x : R.Join(before, x);
    }
}
