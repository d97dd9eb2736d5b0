using System.Numerics;

namespace NeuralMemory;

/// <summary>
/// The memory of one training step: bytes are taken by moving an offset through one block, tensors and operations from lists. At the end of the step
/// the offset returns to zero, so a step that needs no more than the largest before it takes nothing from the system or the garbage collector.
/// </summary>
/// <remarks>
/// Within a step, memory given back (gradients, as soon as they have been passed on) is kept in lists by size class and handed out again
/// while it is still in the cache. Classes are multiples of 64 bytes in steps of a quarter of a power of two.
/// </remarks>
sealed class Arena(Backend backend)
{
    /// <summary>Whose memory it is.</summary>
    public Backend Backend => backend;

    const long FirstBlock = 1 << 20;
    const int Classes = 4 * 48;

    readonly List<Storage> blocks = [];
    readonly List<nint>[] free = new List<nint>[Classes];
    readonly List<TensorBody> bodies = [], elsewhere = [];
    readonly List<Operation> operations = [];
    readonly int thread = Environment.CurrentManagedThreadId;
    int block, bodiesUsed;
    long offset;

    /// <summary>Fills what it hands out with NaN, so that a kernel that reads before it writes, or leaves a gap, is seen.</summary>
    [ThreadStatic] internal static bool Poison;

    /// <summary>A body for what is made in the step; other threads, which may view the step's tensors, take turns.</summary>
    public TensorBody NewBody()
    {
        if (Environment.CurrentManagedThreadId != thread)
            lock (elsewhere)
            {
                elsewhere.Add(new TensorBody { Arena = this });
                return elsewhere[^1];
            }
        if (bodiesUsed == bodies.Count) bodies.Add(new TensorBody { Arena = this });
        return bodies[bodiesUsed++];
    }

    public void Add(Operation operation) => operations.Add(operation);

    public nint Allocate(long bytes)
    {
        nint address = Take(bytes);
        if (Poison) backend.Set(address, bytes, 0xFF);
        return address;
    }

    nint Take(long bytes)
    {
        int sizeClass = SizeClass(bytes, out long rounded);
        if (free[sizeClass] is { Count: > 0 } list)
        {
            nint address = list[^1];
            list.RemoveAt(list.Count - 1);
            return address;
        }
        while (block < blocks.Count && offset + rounded > blocks[block].Bytes) (block, offset) = (block + 1, 0);
        if (block == blocks.Count) blocks.Add(new Storage(backend, Math.Max(rounded, blocks.Count == 0 ? FirstBlock : 2 * blocks[^1].Bytes)));
        nint result = blocks[block].Address + (nint)offset;
        offset += rounded;
        return result;
    }

    public void Return(nint address, long bytes) => (free[SizeClass(bytes, out _)] ??= []).Add(address);

    static int SizeClass(long bytes, out long rounded)
    {
        long units = (Math.Max(bytes, 1) + 63) / 64;
        if (units <= 4)
        {
            rounded = units * 64;
            return (int)units - 1;
        }
        int shift = BitOperations.Log2((ulong)(units - 1)) - 2;          // the quarter steps between 2^(shift+2) and 2^(shift+3) units
        long quarters = ((units - 1) >> shift) + 1;                        // 5..8
        rounded = (quarters << shift) * 64;
        return 4 * shift + (int)quarters - 1;
    }

    /// <summary>Ends the step: every tensor made in it is dead from here on, and all memory is free again, in one block.</summary>
    public void Reset()
    {
        foreach (Operation operation in operations) operation.Release();
        operations.Clear();
        for (int i = 0; i < bodiesUsed; i++) bodies[i].Kill();
        bodiesUsed = 0;
        lock (elsewhere)
        {
            foreach (TensorBody body in elsewhere) body.Kill();
            elsewhere.Clear();
        }
        foreach (List<nint>? list in free) list?.Clear();
        if (blocks.Count > 1)
        {
            long total = 0;
            foreach (Storage storage in blocks) total += storage.Bytes;
            blocks.Clear();
            blocks.Add(new Storage(backend, total));
        }
        (block, offset) = (0, 0);
    }
}
