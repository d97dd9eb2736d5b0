using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;

namespace NeuralMemory.Emulation;

/// <summary>The thread that runs. One kernel runs at a time in a process, so these are plain fields, which kernels read fast.</summary>
static class Lane
{
    public static int Thread, IdxX, IdxY, IdxZ;
    public static Index3D GroupDim, GridIdx, GridDim;
}

/// <summary>
/// Runs a group: each thread in turn, until all of them wait at the same place; and again, until they have ended. Threads of a group wait for
/// each other at a barrier, those of a warp at a shuffle. Any other meeting is a fault.
/// </summary>
static unsafe class Machine
{
    static byte* frames;
    static long frameBytes;
    static int[] sites = [];
    static int[] order = [];

    /// <summary>One kernel at a time.</summary>
    public static readonly Lock Running = new();

    /// <summary>The kernel that runs, for reports.</summary>
    public static string KernelName { get; set; } = "";

    /// <summary>The kernel that runs.</summary>
    public static Program? Program { get; private set; }

    /// <summary>Threads in a group.</summary>
    public static int Threads { get; private set; }

    /// <summary>Prepares for groups of a kernel.</summary>
    /// <param name="program">The kernel.</param>
    /// <param name="grid">Groups.</param>
    /// <param name="group">Threads in a group.</param>
    /// <param name="round">Which order the threads take: 0 as they are numbered, 1 backwards, others mixed.</param>
    /// <param name="dynamicBytes">Dynamic shared memory.</param>
    public static void Prepare(Program program, Index3D grid, Index3D group, int round, int dynamicBytes)
    {
        (Program, Threads, Lane.GridDim, Lane.GroupDim, Lane.GridIdx) = (program, group.Size, grid, group, default);
        (Lane.IdxY, Lane.IdxZ) = (0, 0);
        SetThread(0);
        if (order.Length < Threads)
            (order, sites) = (new int[Threads], new int[Threads]);
        Mix(round);
        if (program.FrameBytes * (long)Threads > frameBytes)
        {
            NativeMemory.AlignedFree(frames);
            frameBytes = program.FrameBytes * (long)Threads;
            frames = (byte*)NativeMemory.AlignedAlloc((nuint)frameBytes, 64);
        }
        GroupMemory.Launch(program, Threads, dynamicBytes);
        Exchange.Reserve(Threads);
    }

    /// <summary>The threads in the order that they take turns in: first warps, then lanes of a warp.</summary>
    public static ReadOnlySpan<int> Order => order.AsSpan(0, Threads);

    static void Mix(int round)
    {
        Span<int> threads = order.AsSpan(0, Threads);
        for (int i = 0; i < threads.Length; i++)
            threads[i] = round == 1 ? threads.Length - 1 - i : i;
        if (round < 2)
            return;
        // Warps change places whole, the incomplete one at the end aside; then lanes within their warp.
        Philox random = new(17, (ulong)round);
        int whole = threads.Length / 32 * 32;
        for (int w = 0; w < whole; w += 32)
        {
            int other = (int)(random.NextUInt32() % (uint)(whole / 32)) * 32;
            for (int lane = 0; lane < 32; lane++)
                (threads[w + lane], threads[other + lane]) = (threads[other + lane], threads[w + lane]);
        }
        for (int i = 0; i < threads.Length; i++)
        {
            int start = i / 32 * 32;
            int other = start + (int)(random.NextUInt32() % (uint)Math.Min(32, threads.Length - start));
            (threads[i], threads[other]) = (threads[other], threads[i]);
        }
    }

    /// <summary>Makes <paramref name="thread"/> the one that runs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetThread(int thread)
    {
        Lane.Thread = Lane.IdxX = thread;
        if (Lane.GroupDim.X == Threads)
            return;
        Lane.IdxX = thread % Lane.GroupDim.X;
        Lane.IdxY = thread / Lane.GroupDim.X % Lane.GroupDim.Y;
        Lane.IdxZ = thread / Lane.GroupDim.X / Lane.GroupDim.Y;
    }

    /// <summary>Makes the thread run whose turn is the <paramref name="turn"/>th.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetTurn(int turn) => SetThread(order[turn]);

    /// <summary>Runs the group <see cref="Lane.GridIdx"/> of the kernel.</summary>
    public static void RunGroup(nint kernel)
    {
        Program program = Program!;
        GroupMemory.Poison(program, Threads);
        if (SharedShadow.IsOn)
            SharedShadow.StartGroup(program);
        if (program.Sites.Length == 1)
        {
            program.Step(0, (nint)frames, kernel);
            return;
        }
        Array.Clear(sites, 0, Threads);
        // Without shuffles, the group is as one warp.
        int width = program.HasWarpSites ? 32 : Threads;
        while (true)
        {
            int first = order[0];
            int site = 0;
            for (int start = 0; start < Threads;)
            {
                // The order keeps warps together; only the last of them may be incomplete, and it stands first when they go backwards.
                int warp = order[start] / width;
                int end = start + 1;
                while (end < Threads && order[end] / width == warp)
                    end++;
                int reached = RunWarp(program, kernel, start, end);
                if (start == 0)
                    site = reached;
                else if (reached != site)
                    Apart(program, first, order[start]);
                start = end;
            }
            if (site == Program.Ended)
                return;
            Exchange.Group(program.Sites[site].Wait, Threads);
            if (SharedShadow.IsOn)
                SharedShadow.Barrier();
        }
    }

    // Runs the threads order[start..end] until they wait for the group or have ended; returns where.
    static int RunWarp(Program program, nint kernel, int start, int end)
    {
        Step step = program.Step;
        while (true)
        {
            int apart = -1;
            int site = 0;
            for (int i = start; i < end; i++)
            {
                int thread = order[i];
                SetThread(thread);
                int reached = sites[thread] = step(sites[thread], (nint)(frames + thread * (long)program.FrameBytes), kernel);
                if (i == start)
                    site = reached;
                else if (reached != site)
                    apart = thread;
            }
            if (apart >= 0)
                Apart(program, order[start], apart);
            if (site == Program.Ended || !program.Sites[site].OfWarp)
                return site;
            if (program.Sites[site].Wait == Wait.Shuffle)
                Exchange.Warp(order.AsSpan(start, end - start), Threads);
            else if (SharedShadow.IsOn)
                SharedShadow.WarpBarrier(order[start] / 32);
        }
    }

    static void Apart(Program program, int a, int b)
    {
        if (sites[a] == Program.Ended || sites[b] != Program.Ended && program.Sites[sites[b]].OfWarp)
            (a, b) = (b, a);
        SetThread(a);
        (Site? here, string? there) = (program.Sites[sites[a]], sites[b] == Program.Ended ? "has ended" : $"waits at {program.Sites[sites[b]].Where}");
        string fault = here.OfWarp ? "a shuffle in divergent code" : "a barrier that not all threads of the group reach";
        throw Fault.Report($"{fault}: it waits at {here.Where}, but thread {b} {there}.");
    }
}

/// <summary>Values that threads pass to each other where they wait: what a rewritten kernel calls before and after.</summary>
static unsafe class Exchange
{
    [StructLayout(LayoutKind.Sequential, Size = 16)]
    struct Slot;

    static Slot[] offered = [], taken = [];
    static int[] sources = [];

    public static void Reserve(int threads)
    {
        if (threads > sources.Length)
            (offered, taken, sources) = (new Slot[threads], new Slot[threads], new int[threads]);
    }

    // ---- Before: each method of Warp, and of Group with "Group" before its name ----

    public static void Shuffle<T>(T value, int lane) where T : unmanaged => Shuffle(value, lane, 32);

    public static void Shuffle<T>(T value, int lane, int width) where T : unmanaged => Offer(value, Part(width) + (lane & (width - 1)));

    public static void Broadcast<T>(T value, int lane) where T : unmanaged => Shuffle(value, lane, 32);

    public static void ShuffleDown<T>(T value, int delta) where T : unmanaged => ShuffleDown(value, delta, 32);

    public static void ShuffleDown<T>(T value, int delta, int width) where T : unmanaged =>
        Offer(value, Lane.Thread + (Distance(delta) < width - (Lane.Thread & (width - 1)) ? delta : 0));

    public static void ShuffleUp<T>(T value, int delta) where T : unmanaged => ShuffleUp(value, delta, 32);

    public static void ShuffleUp<T>(T value, int delta, int width) where T : unmanaged =>
        Offer(value, Lane.Thread - (Distance(delta) <= (Lane.Thread & (width - 1)) ? delta : 0));

    public static void ShuffleXor<T>(T value, int mask) where T : unmanaged => ShuffleXor(value, mask, 32);

    public static void ShuffleXor<T>(T value, int mask, int width) where T : unmanaged =>
        Offer(value, (Lane.Thread ^ (mask & 31)) < Part(width) + width ? Lane.Thread ^ (mask & 31) : Lane.Thread);

    public static void GroupBroadcast<T>(T value, int thread) where T : unmanaged => Offer(value, thread);

    public static void GroupBarrierPopCount(bool predicate) => Offer(predicate ? 1 : 0, Lane.Thread);

    public static void GroupBarrierAnd(bool predicate) => GroupBarrierPopCount(predicate);

    public static void GroupBarrierOr(bool predicate) => GroupBarrierPopCount(predicate);

    // ---- After ----

    public static T Take<T>() where T : unmanaged => Unsafe.As<Slot, T>(ref taken[Lane.Thread]);

    public static int TakeBarrierPopCount() => Take<int>();

    public static bool TakeBarrierAnd() => Take<int>() == Machine.Threads;

    public static bool TakeBarrierOr() => Take<int>() > 0;

    // ---- Between ----

    /// <summary>Passes values on within a warp.</summary>
    public static void Warp(ReadOnlySpan<int> threads, int all)
    {
        foreach (int thread in threads)
        {
            if ((uint)sources[thread] >= (uint)all)
            {
                Machine.SetThread(thread);
                throw Fault.Report($"a shuffle reads the value of lane {sources[thread] % 32} of its warp, but the group ends at thread {all - 1}.");
            }
            taken[thread] = offered[sources[thread]];
        }
    }

    /// <summary>Passes values on within a group.</summary>
    public static void Group(Wait wait, int threads)
    {
        if (wait == Wait.GroupBroadcast)
            Warp(Machine.Order, threads);
        if (wait != Wait.GroupCount)
            return;
        int count = 0;
        for (int t = 0; t < threads; t++)
            count += Unsafe.As<Slot, int>(ref offered[t]);
        for (int t = 0; t < threads; t++)
            Unsafe.As<Slot, int>(ref taken[t]) = count;
    }

    static void Offer<T>(T value, int source) where T : unmanaged
    {
        if (sizeof(T) > sizeof(Slot))
            throw Fault.Report($"a {Names.Of(typeof(T))} of {sizeof(T)} bytes is passed to another thread; the limit is {sizeof(Slot)}.");
        Unsafe.As<Slot, T>(ref offered[Lane.Thread]) = value;
        sources[Lane.Thread] = source;
    }

    // The first thread of the thread's part of its warp.
    static int Part(int width) => Lane.Thread & ~(width - 1);

    static int Distance(int delta)
    {
        if (delta < 0)
            throw Fault.Report($"a shuffle by {delta} lanes; the distance cannot be negative.");
        return delta;
    }
}
