namespace NeuralMemory.Tests;

/// <summary>What code takes from the garbage collector.</summary>
static class Allocated
{
    /// <summary>
    /// The bytes that <paramref name="action"/> takes on this thread in the quietest of some rounds. What is taken once and for all, such as by the runtime for a lock that threads meet at for the
    /// first time, is not counted, whenever it comes.
    /// </summary>
    public static long Least(Action action, int rounds = 5)
    {
        long least = long.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
