using System.Runtime.CompilerServices;
using ILGPU;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Gpu;

/// <summary>A kernel that is written for one fibre and as many threads as share it: the counterpart of a CPU kernel over <see cref="Fibres"/>.</summary>
interface IFibreKernel
{
    /// <summary>One thread's work. It takes elements <c>T.Member</c>, <c>T.Member + T.Size</c>, .. of the fibre.</summary>
    void Run<T>(GpuFibre fibre) where T : struct, ITeam;
}

/// <summary>The threads that share a fibre.</summary>
interface ITeam
{
    /// <summary>How many they are.</summary>
    static abstract int Size { get; }

    /// <summary>The thread's own number among them.</summary>
    static abstract int Member { get; }

    /// <summary>The number of the team.</summary>
    static abstract int Number { get; }

    /// <summary>Every member's <paramref name="x"/> joined, the same bits for all. All threads of the group must call.</summary>
    static abstract V Reduce<R, V>(V x) where R : struct, IReduction<V> where V : unmanaged;

    /// <summary>The <paramref name="x"/> of all members up to each joined, its own included, and those of <paramref name="all"/>. All threads of the group must call.</summary>
    static abstract V Prefix<R, V>(V x, out V all) where R : struct, IReduction<V> where V : unmanaged;
}

/// <summary>A thread by itself: for short fibres, and for many that are neighbours in memory.</summary>
readonly struct LoneThread : ITeam
{
    public static int Size => 1;

    public static int Member => 0;

    public static int Number => Grid.IdxX * Group.DimX + Group.IdxX;

    [MethodImpl(AggressiveInlining)] public static V Reduce<R, V>(V x) where R : struct, IReduction<V> where V : unmanaged => x;

    [MethodImpl(AggressiveInlining)] public static V Prefix<R, V>(V x, out V all) where R : struct, IReduction<V> where V : unmanaged => all = x;
}

/// <summary>A warp: for fibres whose elements are neighbours in memory.</summary>
readonly struct WarpTeam : ITeam
{
    public static int Size => 32;

    public static int Member => Warp.LaneIdx;

    public static int Number => (Grid.IdxX * Group.DimX + Group.IdxX) / 32;

    [MethodImpl(AggressiveInlining)] public static V Reduce<R, V>(V x) where R : struct, IReduction<V> where V : unmanaged => WarpReduce.Of<R, V>(x);

    [MethodImpl(AggressiveInlining)]
    public static V Prefix<R, V>(V x, out V all) where R : struct, IReduction<V> where V : unmanaged
    {
        x = WarpReduce.Prefix<R, V>(x);
        all = Warp.Shuffle(x, 31);
        return x;
    }
}

/// <summary>A whole group: for long fibres.</summary>
readonly struct GroupTeam : ITeam
{
    public static int Size => Group.DimX;

    public static int Member => Group.IdxX;

    public static int Number => Grid.IdxX;

    [MethodImpl(AggressiveInlining)] public static V Reduce<R, V>(V x) where R : struct, IReduction<V> where V : unmanaged => GroupReduce.Of<R, V>(x);

    [MethodImpl(AggressiveInlining)] public static V Prefix<R, V>(V x, out V all) where R : struct, IReduction<V> where V : unmanaged => GroupReduce.Prefix<R, V>(x, out all);
}

/// <summary>One thread of each of the 8 warps of a group, whose lanes are 32 fibres: for fibres that are neighbours in memory, too few to have a thread each.</summary>
readonly struct ColumnTeam : ITeam
{
    public const int Fibres = 32, Members = 8;

    public static int Size => Members;

    public static int Member => Group.IdxX / Fibres;

    public static int Number => Grid.IdxX * Fibres + Group.IdxX % Fibres;

    [MethodImpl(AggressiveInlining)]
    public static V Reduce<R, V>(V x) where R : struct, IReduction<V> where V : unmanaged
    {
        ArrayView<V> parts = SharedMemory.Allocate<V>(Members * Fibres);
        parts[Group.IdxX] = x;
        Group.Barrier();
        int fibre = Group.IdxX % Fibres;
        x = parts[fibre];
        for (int i = 1; i < Members; i++) x = R.Join(x, parts[i * Fibres + fibre]);
        Group.Barrier();                                                        // all have read: the memory may be written again
        return x;
    }

    [MethodImpl(AggressiveInlining)]
    public static V Prefix<R, V>(V x, out V all) where R : struct, IReduction<V> where V : unmanaged
    {
        ArrayView<V> parts = SharedMemory.Allocate<V>(Members * Fibres);
        parts[Group.IdxX] = x;
        Group.Barrier();
        int fibre = Group.IdxX % Fibres;
        V own = parts[fibre];
        all = own;
        for (int i = 1; i < Members; i++)
        {
            all = R.Join(all, parts[i * Fibres + fibre]);
            if (i == Member) own = all;
        }
        Group.Barrier();                                                        // all have read: the memory may be written again
        return own;
    }
}

/// <summary>One fibre of up to four tensors, as a kernel holds it.</summary>
readonly struct GpuFibre
{
    readonly int first0, first1, first2, first3, along0, along1, along2, along3;

    /// <summary>The elements of this fibre; 0 for threads that have none, but must take part in what all do.</summary>
    public readonly int Length;

    /// <summary>The elements of every fibre.</summary>
    public readonly int CommonLength;

    /// <summary>The number of the fibre; -1 for threads that have none.</summary>
    public readonly int Number;

    internal GpuFibre(int number, int length, int commonLength, (int, int, int, int) first, (int, int, int, int) along)
    {
        (Number, Length, CommonLength) = (number, length, commonLength);
        (first0, first1, first2, first3) = first;
        (along0, along1, along2, along3) = along;
    }

    /// <summary>Where element <paramref name="j"/> lies in the first tensor.</summary>
    [MethodImpl(AggressiveInlining)] public int At0(int j) => first0 + j * along0;

    /// <summary>Where element <paramref name="j"/> lies in the second tensor.</summary>
    [MethodImpl(AggressiveInlining)] public int At1(int j) => first1 + j * along1;

    /// <summary>Where element <paramref name="j"/> lies in the third tensor.</summary>
    [MethodImpl(AggressiveInlining)] public int At2(int j) => first2 + j * along2;

    /// <summary>Where element <paramref name="j"/> lies in the fourth tensor.</summary>
    [MethodImpl(AggressiveInlining)] public int At3(int j) => first3 + j * along3;

    /// <summary>Whether the thread is the one that writes what there is one of for the fibre.</summary>
    [MethodImpl(AggressiveInlining)] public bool LedBy<T>() where T : struct, ITeam => Number >= 0 && T.Member == 0;
}

/// <summary>What <see cref="Fibres"/> is to a CPU's loop. Passed to kernels by value.</summary>
readonly struct GpuFibres(in Fibres fibres)
{
    readonly GpuLoop others = new(fibres.Others);
    readonly int length = fibres.Length, along0 = fibres.Along(0), along1 = fibres.Along(1), along2 = fibres.Along(2), along3 = fibres.Along(3);

    /// <summary>Fibre number <paramref name="number"/>. Where there is no such, one without elements that lies where the last one does.</summary>
    public GpuFibre this[int number]
    {
        [MethodImpl(AggressiveInlining)]
        get
        {
            bool exists = number < others.Count;
            others.Locate(exists ? number : others.Count - 1, out int o0, out int o1, out int o2, out int o3);
            return new(exists ? number : -1, exists ? length : 0, length, (o0, o1, o2, o3), (along0, along1, along2, along3));
        }
    }
}

/// <summary>Launches of kernels over fibres.</summary>
static class FibreLaunch
{
    /// <summary>The longest fibre that a thread takes alone, and the longest that a warp does.</summary>
    const int LongestOfThread = 8, LongestOfWarp = 1024;

    /// <summary>From so many neighbouring fibres on, a thread each keeps a device busy.</summary>
    const int Many = 1 << 15;

    extension(GpuBackend gpu)
    {
        /// <summary>Runs a kernel on every fibre, by teams of threads whose size depends on the shape and strides alone: neighbouring threads read neighbouring elements.</summary>
        public void Launch<K>(in Fibres fibres, K kernel) where K : struct, IFibreKernel
        {
            GpuFibres all = new(fibres);
            int count = fibres.Count, length = fibres.Length;
            if (length <= LongestOfThread || (fibres.Across && count >= Many)) gpu.LaunchEach(count, new OnFibres<LoneThread, K>(all, kernel));
            else if (fibres.Across) gpu.Launch(Ceiling(count, ColumnTeam.Fibres), ColumnTeam.Fibres * ColumnTeam.Members, new OnFibres<ColumnTeam, K>(all, kernel));
            else if (length <= LongestOfWarp) gpu.Launch(Ceiling(count, 4), 4 * 32, new OnFibres<WarpTeam, K>(all, kernel));
            else gpu.Launch(count, GpuBackend.GroupSize, new OnFibres<GroupTeam, K>(all, kernel));
        }
    }

    static int Ceiling(int a, int b) => (int)(((long)a + b - 1) / b);

    readonly struct OnFibres<T, K>(GpuFibres fibres, K kernel) : IGpuKernel where T : struct, ITeam where K : struct, IFibreKernel
    {
        public void Run() => kernel.Run<T>(fibres[T.Number]);
    }
}
