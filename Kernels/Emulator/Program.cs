namespace NeuralMemory.Emulation;

/// <summary>
/// A stretch of a kernel: from the start, or from where the thread waited, to where it waits next. Where threads never wait, all of a group,
/// in the order of <see cref="Machine.Order"/>.
/// </summary>
/// <param name="site">0, or the <see cref="Site"/> at which the thread waited.</param>
/// <param name="frame">The thread's memory for what it keeps while it waits.</param>
/// <param name="kernel">The kernel's struct.</param>
/// <returns>The site at which the thread waits now; <see cref="Program.Ended"/> when it has ended.</returns>
delegate int Step(int site, nint frame, nint kernel);

/// <summary>What threads wait for at a site.</summary>
enum Wait
{
    /// <summary>The start: nothing.</summary>
    Start,

    /// <summary>The group, at a barrier.</summary>
    Group,

    /// <summary>The group, at a barrier that passes the value of one thread to all.</summary>
    GroupBroadcast,

    /// <summary>The group, at a barrier that counts the threads for which a condition holds.</summary>
    GroupCount,

    /// <summary>The warp, at a barrier.</summary>
    Warp,

    /// <summary>The warp, at a shuffle.</summary>
    Shuffle,
}

/// <summary>A place in a kernel where threads wait for each other.</summary>
/// <param name="Wait">For whom.</param>
/// <param name="Where">The call and the method it stands in, for reports.</param>
sealed record Site(Wait Wait, string Where)
{
    public bool OfWarp => Wait >= Wait.Warp;
}

/// <summary>A kernel that can stop wherever its threads wait for each other.</summary>
sealed class Program(Step step, int frameBytes, Site[] sites, Allocation[] shared, Allocation[] local)
{
    public const int Ended = -1;

    public Step Step => step;
    public int FrameBytes => frameBytes;
    public Site[] Sites => sites;

    /// <summary>Places that allocate shared memory, numbered as in the code.</summary>
    public Allocation[] Shared => shared;

    /// <summary>Places that allocate local memory, numbered as in the code.</summary>
    public Allocation[] Local => local;

    public bool HasWarpSites { get; } = sites.Any(s => s.OfWarp);

    /// <summary>Does it access, by address, anything that is not made of 4-byte words? Known of instrumented programs.</summary>
    public bool HasSmallAccesses { get; init; }

    /// <summary>Shared memory allocated so far, in bytes.</summary>
    public int SharedBytes;
}
