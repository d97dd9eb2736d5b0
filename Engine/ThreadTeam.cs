using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace NeuralMemory;

/// <summary>A loop body that can be run in parts, in any order and on any thread.</summary>
public interface IParallelBody
{
    /// <summary>Runs the indices <paramref name="start"/> (inclusive) to <paramref name="end"/> (exclusive).</summary>
    void Run(int start, int end);
}

/// <summary>
/// The threads that share the work of one kernel. Work is cut into chunks that depend on the problem alone, never on the number of threads, so a
/// kernel whose chunks are independent gives the same bits on one thread and on many.
/// </summary>
/// <remarks>
/// Starting a loop allocates nothing. One loop has the team at a time: a loop started meanwhile, by another thread or from within a loop, runs on the
/// thread that started it. Helpers leave, after the chunk that they are at, as soon as they and all callers are more than <see cref="Threads"/>, so callers
/// that are parallel themselves do not over-subscribe the machine. The caller never waits for a helper that has not yet come: it works through the chunks and
/// waits only for those that helpers have taken.
/// </remarks>
public static unsafe class ThreadTeam
{
    /// <summary>
    /// How long a helper looks for new work before it sleeps: about 0.1 to 0.2 milliseconds. Between a training step's large kernels are small ones that take no
    /// helper; after a quarter of this it sleeps through the next one's beginning, and the step of a small GPT takes longer.
    /// </summary>
    const int SpinsBeforeSleep = 4000;

    static readonly Lock teamLock = new();
    static readonly object surplus = new();                               // where helpers wait that are more than there should be
    static readonly SemaphoreSlim wake = new(0);
    static int threads = Environment.ProcessorCount, helpersStarted, sleeping;

    // The loop that is running. Helpers enter by raising `inside` and look whether it is still open; the caller closes it and waits until none is inside.
    static delegate*<void*, int, int, void> run;
    static void* body;
    static int count, grain, chunks, next, fromEnd;
    static volatile int open, inside, callers;
    static ExceptionDispatchInfo? failure;

    [ThreadStatic] static bool isHelper;

    /// <summary>The most threads that work on one kernel, the caller's included. At first, as many as the machine has logical cores.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1.</exception>
    public static int Threads
    {
        get => threads;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            lock (teamLock) threads = value;
            lock (surplus) Monitor.PulseAll(surplus);
        }
    }

    /// <summary>
    /// Runs <paramref name="body"/> over 0 to <paramref name="count"/> - 1 in chunks of <paramref name="grain"/> indices. What a chunk throws reaches the caller, whichever thread it was on;
    /// where several do, one of them.
    /// </summary>
    public static void For<TBody>(int count, int grain, TBody body) where TBody : struct, IParallelBody
    {
        int chunks = (int)(((long)count + grain - 1) / grain);
        if (chunks <= 1 || threads == 1 || isHelper || (teamLock.IsHeldByCurrentThread && open != 0))       // the last: a loop within the caller's own share of a loop
        {
            RunHere(chunks, count, grain, ref body);
            return;
        }
        Interlocked.Increment(ref callers);
        try
        {
            if (teamLock.TryEnter()) Share(chunks, count, grain, ref body);
            else RunHere(chunks, count, grain, ref body);
        }
        finally
        {
            Interlocked.Decrement(ref callers);
        }
    }

    /// <summary>Runs a loop with the team, whose lock the caller has, and gives it back.</summary>
    static void Share<TBody>(int chunks, int count, int grain, ref TBody body) where TBody : struct, IParallelBody
    {
        try
        {
            StartHelpers(threads - 1);
            (ThreadTeam.count, ThreadTeam.grain, ThreadTeam.chunks, next, fromEnd, failure) = (count, grain, chunks, 0, 0, null);
            run = &Invoke<TBody>;
            ThreadTeam.body = Unsafe.AsPointer(ref body);                 // a local of this frame, which outlives the loop
            Interlocked.Exchange(ref open, 1);
            int wanted = Math.Min(Math.Min(threads - callers, chunks - 1), Volatile.Read(ref sleeping));
            if (wanted > 0) wake.Release(wanted);

            TakeChunks();
            Interlocked.Exchange(ref open, 0);
            SpinWait spin = default;
            while (inside != 0) spin.SpinOnce(sleep1Threshold: -1);
            failure?.Throw();
        }
        finally
        {
            teamLock.Exit();
        }
    }

    static void RunHere<TBody>(int chunks, int count, int grain, ref TBody body) where TBody : struct, IParallelBody
    {
        for (int chunk = 0; chunk < chunks; chunk++) body.Run(chunk * grain, Math.Min(count - chunk * grain, grain) + chunk * grain);
    }

    static void Invoke<TBody>(void* body, int start, int end) where TBody : struct, IParallelBody =>
        Unsafe.AsRef<TBody>(body).Run(start, end);

    /// <summary>
    /// The caller begins with the first chunk and helpers with the last, so that one loop after another the same thread has about the same chunks, which are then in its own core's cache.
    /// </summary>
    static void TakeChunks()
    {
        try
        {
            int taken = 0;
            while (!(isHelper && Crowded) && Interlocked.Increment(ref next) <= chunks)
            {
                int chunk = isHelper ? chunks - Interlocked.Increment(ref fromEnd) : taken++;
                int start = chunk * grain;
                run(body, start, Math.Min(count - start, grain) + start);
            }
        }
        catch (Exception e)
        {
            failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    /// <summary>Whether those who compute are more than there should be.</summary>
    static bool Crowded => callers + inside > threads;

    /// <summary>Whether there is nothing to do for a helper, or no room.</summary>
    static bool IsIdle(int helper) => open == 0 || helper >= threads - 1 || callers + inside >= threads;

    /// <summary>Waits until there may be as many helpers as this one makes.</summary>
    static void Retire(int helper)
    {
        lock (surplus)
            while (helper >= threads - 1) Monitor.Wait(surplus);
    }

    static void StartHelpers(int wanted)
    {
        for (; helpersStarted < wanted; helpersStarted++)
            new Thread(Help, maxStackSize: 1 << 20) { IsBackground = true, Name = $"NeuralMemory {helpersStarted + 1}" }.Start(helpersStarted);
    }

    static void Help(object? index)
    {
        isHelper = true;
        int helper = (int)index!;
        while (true)
        {
            for (int spins = 0; IsIdle(helper); spins++)
            {
                if (helper >= threads - 1) Retire(helper);
                else if (spins < SpinsBeforeSleep) Thread.SpinWait(8);
                else
                {
                    Interlocked.Increment(ref sleeping);
                    if (IsIdle(helper)) wake.Wait();
                    Interlocked.Decrement(ref sleeping);
                    if (helper >= threads - 1) wake.Release();            // another was meant
                    spins = 0;
                }
            }
            Interlocked.Increment(ref inside);
            if (open != 0) TakeChunks();
            Interlocked.Decrement(ref inside);
            // The caller may still be working on its last chunk: look away until it has closed the loop.
            while (open != 0 && next >= chunks) Thread.SpinWait(8);
        }
    }
}
