namespace NeuralMemory.Tests;

/// <summary>What code takes from the garbage collector.</summary>
static class Allocated
{
    /// <summary>
    /// The bytes that a step done <paramref name="times"/> times takes on this thread, in the quietest of some rounds: beside what the code takes, the runtime at times takes some bytes once, whenever
    /// that comes.
    /// </summary>
    public static long Least(Action step, int times = 1, int rounds = 3)
    {
        long least = long.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < times; i++) step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
