using System.Runtime.InteropServices;
using ILGPU;

namespace NeuralMemory.Emulation;

/// <summary>The emulator's device memory: aligned as a GPU's, and full of NaN when fresh.</summary>
static unsafe class DeviceMemory
{
    const int Alignment = 256;

    // Blocks in use by address, and their bytes.
    static readonly SortedList<nint, long> blocks = [];

    public static nint Allocate(long bytes)
    {
        var address = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), Alignment);
        NativeMemory.Fill((void*)address, (nuint)bytes, 0xFF);
        lock (blocks)
            blocks.Add(address, bytes);
        return address;
    }

    public static void Free(nint address)
    {
        lock (blocks)
            blocks.Remove(address);
        NativeMemory.AlignedFree((void*)address);
    }

    /// <summary>Do the bytes lie in one block that is in use?</summary>
    public static bool Contains(nint address, long bytes)
    {
        lock (blocks)
        {
            int low = 0, high = blocks.Count;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (blocks.GetKeyAtIndex(middle) <= address)
                    low = middle + 1;
                else
                    high = middle;
            }
            return low > 0 && address + bytes <= blocks.GetKeyAtIndex(low - 1) + blocks.GetValueAtIndex(low - 1);
        }
    }
}

/// <summary>Memory that a kernel allocates at one place in its code: shared, or local with a part for each thread.</summary>
sealed unsafe class Allocation(string where)
{
    long reserved;

    /// <summary>The call and the method it stands in, for reports.</summary>
    public string Where { get; } = where;

    /// <summary>Bytes, of one thread if local; negative as long as the place was not reached.</summary>
    public long Bytes = -1;

    public nint Address;

    /// <summary>From one thread's local memory to the next one's.</summary>
    public long Stride => (Bytes + 15) / 16 * 16;

    /// <summary>Makes room for the local memory of so many threads.</summary>
    public void Reserve(int threads)
    {
        if (Stride * threads <= reserved)
            return;
        reserved = Stride * threads;
        NativeMemory.AlignedFree((void*)Address);
        Address = (nint)NativeMemory.AlignedAlloc((nuint)reserved, 16);
        NativeMemory.Fill((void*)Address, (nuint)reserved, 0xFF);
    }
}

/// <summary>Shared memory of the group and local memory of its threads: what a rewritten kernel calls to allocate.</summary>
static unsafe class GroupMemory
{
    /// <summary>Static shared memory of a group, at most; so much a GPU gives without being asked.</summary>
    public const int StaticLimit = 48 * 1024;

    const int DynamicLimit = 227 * 1024;

    static readonly byte* shared = (byte*)NativeMemory.AlignedAlloc(StaticLimit + DynamicLimit, 256);

    /// <summary>Dynamic shared memory of the launch, in bytes.</summary>
    public static int DynamicBytes { get; private set; }

    public static nint Start => (nint)shared;
    public const int Bytes = StaticLimit + DynamicLimit;

    /// <summary>Prepares for a launch.</summary>
    public static void Launch(Program program, int threads, int dynamicBytes)
    {
        if (dynamicBytes > DynamicLimit - program.SharedBytes)
            throw Fault.Report($"{program.SharedBytes} bytes of shared memory and {dynamicBytes} of dynamic shared memory; the limit is {DynamicLimit}.");
        DynamicBytes = dynamicBytes;
        foreach (var allocation in program.Local)
            allocation.Reserve(threads);
    }

    /// <summary>Before a group starts, its memory holds NaN.</summary>
    public static void Poison(Program program, int threads)
    {
        NativeMemory.Fill(shared, (nuint)program.SharedBytes, 0xFF);
        NativeMemory.Fill(shared + StaticLimit, (nuint)DynamicBytes, 0xFF);
        foreach (var allocation in program.Local)
            if (allocation.Bytes > 0)
                NativeMemory.Fill((void*)allocation.Address, (nuint)(allocation.Stride * threads), 0xFF);
    }

    public static ArrayView<T> Shared<T>(int extent, int site) where T : unmanaged
    {
        var program = Machine.Program!;
        var allocation = program.Shared[site];
        if (allocation.Bytes < 0)
        {
            var offset = (program.SharedBytes + 15) / 16 * 16;
            if (extent < 0 || offset + extent * (long)sizeof(T) > StaticLimit)
                throw Fault.Report($"{allocation.Where}: {extent} elements of {Names.Of(typeof(T))} after {offset} bytes are more than {StaticLimit} bytes of shared memory.");
            allocation.Bytes = extent * (long)sizeof(T);
            allocation.Address = (nint)shared + offset;
            program.SharedBytes = offset + (int)allocation.Bytes;
            NativeMemory.Fill((void*)allocation.Address, (nuint)allocation.Bytes, 0xFF);
        }
        CheckConstant(allocation, extent * (long)sizeof(T));
        return new((void*)allocation.Address, extent);
    }

    public static ref T SharedElement<T>(int site) where T : unmanaged => ref Shared<T>(1, site)[0];

    public static ArrayView<T> GetDynamic<T>(int site) where T : unmanaged => new(shared + StaticLimit, DynamicBytes / sizeof(T));

    public static ArrayView<T> Local<T>(int extent, int site) where T : unmanaged
    {
        var allocation = Machine.Program!.Local[site];
        if (allocation.Bytes < 0)
        {
            allocation.Bytes = extent * (long)sizeof(T);
            allocation.Reserve(Machine.Threads);
        }
        CheckConstant(allocation, extent * (long)sizeof(T));
        return new((byte*)allocation.Address + Lane.Thread * allocation.Stride, extent);
    }

    static void CheckConstant(Allocation allocation, long bytes)
    {
        if (allocation.Bytes != bytes)
            throw Fault.Report($"{allocation.Where}: {bytes} bytes, but {allocation.Bytes} before; the extent must be a constant.");
    }
}

/// <summary>
/// For each byte of shared memory: who wrote and who read it last, and when: finds what is read before it is written, and what one thread writes
/// and another reads or writes with no barrier between.
/// </summary>
static unsafe class SharedShadow
{
    // A byte's last write and last read: time << 11 | thread. Of several readers since the last barrier: 1024 + warp when of one warp, else 2047.
    const int ThreadBits = 11, OfWarp = 1024, Several = 2047;

    static long* writes, reads;

    // The time is counted in barriers. A warp's barrier orders the warp's own accesses.
    static long now, groupStart, lastBarrier;
    static readonly long[] lastWarpBarrier = new long[32];

    // 4 if all accesses are of whole words, of which then one byte stands for all; otherwise 1.
    static int granule;

    /// <summary>On for the launches that are checked.</summary>
    public static bool IsOn;

    public static void StartGroup(Program program)
    {
        granule = program.HasSmallAccesses ? 1 : 4;
        if (writes == null)
        {
            writes = (long*)NativeMemory.AllocZeroed(GroupMemory.Bytes, sizeof(long));
            reads = (long*)NativeMemory.AllocZeroed(GroupMemory.Bytes, sizeof(long));
        }
        groupStart = lastBarrier = ++now;
    }

    public static void Barrier() => lastBarrier = ++now;

    public static void WarpBarrier(int warp) => lastWarpBarrier[warp] = ++now;

    public static void Atomic(void* address, int bytes)
    {
        if (IsOn)
            Each(address, bytes, read: true, write: true, atomic: true);
    }

    public static void Read(void* address, int bytes)
    {
        if (IsOn)
            Each(address, bytes, read: true, write: false, atomic: false);
    }

    public static void Write(void* address, int bytes)
    {
        if (IsOn)
            Each(address, bytes, read: false, write: true, atomic: false);
    }

    static void Each(void* address, int bytes, bool read, bool write, bool atomic)
    {
        var offset = (nint)address - GroupMemory.Start;
        if ((nuint)offset >= GroupMemory.Bytes)
            return;
        var thread = Lane.Thread;
        for (var i = offset; i < offset + bytes; i += granule)
        {
            if (read && writes[i] >> ThreadBits < groupStart)
                throw Fault.Report($"shared memory is read before it is written: {Place(offset, bytes)}.");
            if (read && !atomic && Unordered(writes[i]))
                throw Fault.Report($"shared memory is read and was written by {Who(writes[i])} with no barrier between: {Place(offset, bytes)}.");
            if (write && !atomic && Unordered(reads[i]))
                throw Fault.Report($"shared memory is written and was read by {Who(reads[i])} with no barrier between: {Place(offset, bytes)}.");
            if (write)
                writes[i] = now << ThreadBits | (uint)thread;
            if (read && !atomic)
                reads[i] = now << ThreadBits | (uint)Reader(reads[i]);
        }

        int Reader(long before)
        {
            var other = (int)before & Several;
            if (!Unordered(before))
                return thread;
            return other != Several && thread / 32 == (other >= OfWarp ? other - OfWarp : other / 32) ? OfWarp + thread / 32 : Several;
        }

        bool Unordered(long access)
        {
            var (time, other) = (access >> ThreadBits, (int)access & Several);
            if (time < lastBarrier || other == thread)
                return false;
            var warp = other == Several ? -1 : other >= OfWarp ? other - OfWarp : other / 32;
            return warp != thread / 32 || time >= lastWarpBarrier[warp];
        }
    }

    static string Who(long access) => ((int)access & Several) switch
    {
        Several => "other threads",
        >= OfWarp and var warp => $"other threads of warp {warp - OfWarp}",
        var thread => $"thread {thread}",
    };

    // The allocation that the bytes lie in, and where.
    static string Place(nint offset, int bytes)
    {
        var address = offset + GroupMemory.Start;
        foreach (var allocation in Machine.Program!.Shared)
            if (allocation.Bytes > 0 && address >= allocation.Address && address < allocation.Address + allocation.Bytes)
                return $"index {(address - allocation.Address) / bytes}, in elements of {bytes} bytes, of the {allocation.Bytes / bytes} of {allocation.Where}";
        return $"index {(offset - GroupMemory.StaticLimit) / bytes}, in elements of {bytes} bytes, of the {GroupMemory.DynamicBytes / bytes} of SharedMemory.GetDynamic";
    }
}
