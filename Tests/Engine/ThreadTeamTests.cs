namespace NeuralMemory.Tests.Engine;

[NonParallelizable]
public class ThreadTeamTests
{
    readonly struct Count(int[] counts, int grain, int total) : IParallelBody
    {
        public void Run(int start, int end)
        {
            if (start % grain != 0 || end != Math.Min(start + grain, total)) throw new InvalidOperationException($"chunk {start} to {end}");
            for (int i = start; i < end; i++) Interlocked.Increment(ref counts[i]);
        }
    }

    readonly struct Nested(int[] counts) : IParallelBody
    {
        public void Run(int start, int end)
        {
            for (int i = start; i < end; i++) ThreadTeam.For(100, 10, new Count(counts, 10, 100));
        }
    }

    readonly struct Failing : IParallelBody
    {
        public void Run(int start, int end)
        {
            if (start >= 50) throw new InvalidOperationException("chunk 50");
        }
    }

    /// <summary>Chunks of some microseconds, of which it counts those that begin while more run than <paramref name="limit"/>.</summary>
    readonly unsafe struct Crowd(int limit, int* running, int* crowded) : IParallelBody
    {
        public void Run(int start, int end)
        {
            if (Interlocked.Increment(ref *running) > limit) Interlocked.Increment(ref *crowded);
            Thread.SpinWait(200);
            Interlocked.Decrement(ref *running);
        }
    }

    /// <summary>Long loops that a helper shares, and the chunks that the helper began while another caller computed.</summary>
    unsafe struct Shared
    {
        public int Helped, Other, Own, Crowded, Done;
    }

    readonly unsafe struct Long(Shared* state) : IParallelBody
    {
        public void Run(int start, int end)
        {
            if (Volatile.Read(ref state->Done) != 0) return;
            bool helper = Thread.CurrentThread.Name?.StartsWith("NeuralMemory", StringComparison.Ordinal) == true;
            if (helper) Volatile.Write(ref state->Helped, 1);
            if (Volatile.Read(ref state->Other) != 0) Interlocked.Increment(ref helper ? ref state->Crowded : ref state->Own);
            Thread.SpinWait(100);
        }
    }

    /// <summary>Another caller's loop, which lasts until the long one's caller has done a thousand chunks beside it.</summary>
    readonly unsafe struct Beside(Shared* state) : IParallelBody
    {
        public void Run(int start, int end)
        {
            Volatile.Write(ref state->Other, 1);
            while (Volatile.Read(ref state->Own) < 1000) Thread.SpinWait(10);
        }
    }

    [Test]
    public unsafe void A_helper_leaves_as_soon_as_there_is_another_caller() => WithThreads(2, () =>
    {
        Shared shared = default;
        Shared* state = &shared;
        Thread caller = new(() =>
        {
            while (Volatile.Read(ref state->Done) == 0) ThreadTeam.For(10_000, 1, new Long(state));
        });
        caller.Start();
        bool helped = SpinWait.SpinUntil(() => Volatile.Read(ref state->Helped) != 0, TimeSpan.FromSeconds(30));
        if (helped) ThreadTeam.For(2, 1, new Beside(state));
        Volatile.Write(ref state->Done, 1);
        caller.Join();
        Assert.That(helped);
        Assert.That(shared.Crowded, Is.LessThanOrEqualTo(1), "chunks beyond the one that it may have been about to begin");
    });

    /// <summary>Two chunks that wait for each other, and so need two threads.</summary>
    unsafe readonly struct Meeting(int* arrived, int* missed) : IParallelBody
    {
        public void Run(int start, int end)
        {
            int* there = arrived;
            Interlocked.Increment(ref *there);
            if (!SpinWait.SpinUntil(() => Volatile.Read(ref *there) == 2, TimeSpan.FromSeconds(5))) Interlocked.Increment(ref *missed);
        }
    }

    [Test]
    public unsafe void Helpers_that_are_too_many_do_not_take_the_call_to_one_that_is_not() => WithThreads(8, () =>
    {
        int missed = 0;
        ThreadTeam.For(1000, 1, new Count(new int[1000], 1, 1000));
        Thread.Sleep(20);                                                 // all sleep
        ThreadTeam.Threads = 2;
        for (int repeat = 0; repeat < 20 && missed == 0; repeat++)
        {
            int arrived = 0;
            ThreadTeam.For(2, 1, new Meeting(&arrived, &missed));
            Thread.Sleep(5);
        }
        Assert.That(missed, Is.Zero);
    });

    static void WithThreads(int threads, Action action)
    {
        int before = ThreadTeam.Threads;
        ThreadTeam.Threads = threads;
        try
        {
            action();
        }
        finally
        {
            ThreadTeam.Threads = before;
        }
    }

    [Test]
    public void Every_index_runs_once_in_chunks_that_do_not_depend_on_the_threads([Values(1, 2, 3, 7)] int threads, [Values(0, 1, 10, 999, 1000)] int count) =>
        WithThreads(threads, () =>
        {
            for (int repeat = 0; repeat < 50; repeat++)
            {
                int[] counts = new int[count];
                ThreadTeam.For(count, 10, new Count(counts, 10, count));
                Assert.That(counts, Is.All.EqualTo(1));
            }
        });

    [Test]
    public void A_loop_within_a_loop_runs_where_it_is_started() => WithThreads(4, () =>
    {
        int[] counts = new int[100];
        ThreadTeam.For(20, 1, new Nested(counts));
        Assert.That(counts, Is.All.EqualTo(20));
    });

    [Test]
    public void Callers_that_are_parallel_themselves_do_not_disturb_one_another() => WithThreads(3, () =>
    {
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            for (int repeat = 0; repeat < 200; repeat++)
            {
                int[] counts = new int[500];
                ThreadTeam.For(500, 10, new Count(counts, 10, 500));
                Assert.That(counts, Is.All.EqualTo(1));
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
    });

    [Test]
    public unsafe void Callers_that_are_parallel_themselves_get_no_help_beyond_the_threads_that_there_should_be([Values(2, 3)] int callers) => WithThreads(callers, () =>
    {
        const int loops = 100, chunks = 100;
        int running = 0, crowded = 0;
        int* now = &running, count = &crowded;
        Thread[] threads = [.. Enumerable.Range(0, callers).Select(_ => new Thread(() =>
        {
            for (int loop = 0; loop < loops; loop++) ThreadTeam.For(chunks, 1, new Crowd(callers, now, count));
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        // One chunk a loop may have begun before another caller came; helpers who stayed would make it nearly all.
        Assert.That(crowded, Is.LessThan(callers * loops * chunks / 10));
    });

    [Test]
    public void An_exception_reaches_the_caller_as_it_is_and_the_team_goes_on([Values(1, 3)] int threads) => WithThreads(threads, () =>
    {
        Assert.That(() => ThreadTeam.For(100, 10, new Failing()), Throws.TypeOf<InvalidOperationException>().With.Message.EqualTo("chunk 50"));
        Every_index_runs_once_in_chunks_that_do_not_depend_on_the_threads(3, 1000);
    });

    [Test]
    public void A_loop_allocates_nothing() => WithThreads(3, () =>
    {
        int[] counts = new int[1000];
        void Loop() => ThreadTeam.For(1000, 10, new Count(counts, 10, 1000));
        for (int i = 0; i < 100; i++) Loop();
        Assert.That(Allocated.Least(Loop, times: 100), Is.Zero);
    });

    [Test]
    public void At_least_one_thread_is_needed() => Assert.That(() => ThreadTeam.Threads = 0, Throws.TypeOf<ArgumentOutOfRangeException>());
}
