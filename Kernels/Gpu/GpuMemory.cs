using ILGPU;
using ILGPU.Runtime;

namespace NeuralMemory.Gpu;

/// <summary>
/// A device's memory, taken from the driver once and kept: a block that is given back serves the next request of its size. All work is in one stream, so a block may be handed out again
/// while the device is still at work on what it held before.
/// </summary>
sealed class GpuMemory(Accelerator accelerator, string device) : IDisposable
{
    readonly Lock gate = new();
    readonly Dictionary<long, Stack<Block>> free = [];
    Block[] blocks = [];                                  // sorted by address; replaced, never changed

    readonly record struct Block(nint Address, MemoryBuffer Buffer);

    /// <summary>How often memory was asked for from the driver.</summary>
    public long Allocations { get; private set; }

    /// <summary>Bytes taken from the driver.</summary>
    public long Bytes { get; private set; }

    /// <exception cref="DeviceException">The device has no such block left.</exception>
    public nint Take(long bytes)
    {
        long size = Math.Max(256, (bytes + 255) / 256 * 256);
        lock (gate)
        {
            if (free.TryGetValue(size, out Stack<Block>? stack) && stack.TryPop(out Block kept)) return kept.Address;
            MemoryBuffer buffer = Allocate(size);
            Block block = new(buffer.NativePtr, buffer);
            blocks = [.. blocks.Append(block).OrderBy(b => b.Address)];
            Allocations++;
            Bytes += size;
            return block.Address;
        }
    }

    /// <summary>Takes a block back, which <see cref="Take"/> gave.</summary>
    public void Return(nint address)
    {
        lock (gate)
        {
            if (blocks.Length == 0) return;               // the device has been closed
            Block block = Find(blocks, address);
            if (!free.TryGetValue(block.Buffer.LengthInBytes, out Stack<Block>? stack)) free.Add(block.Buffer.LengthInBytes, stack = []);
            stack.Push(block);
        }
    }

    /// <summary>The memory at an address, for a kernel or a copy.</summary>
    public ArrayView<byte> View(nint address, long bytes)
    {
        Block block = Find(blocks, address);
        return block.Buffer.AsRawArrayView(address - block.Address, bytes);
    }

    static Block Find(Block[] blocks, nint address)
    {
        int low = 0, high = blocks.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (blocks[middle].Address <= address) low = middle;
            else high = middle - 1;
        }
        return blocks[low];
    }

    MemoryBuffer Allocate(long size)
    {
        try
        {
            return accelerator.Allocate1D<byte>(size);
        }
        catch (Exception) when (free.Values.Any(stack => stack.Count > 0))
        {
            Trim();
            return Allocate(size);
        }
        catch (Exception e)
        {
            throw new DeviceException($"{device} is out of memory: {size:n0} bytes were asked for, and {Bytes:n0} of its {accelerator.MemorySize:n0} are in use here. A smaller batch needs less.", e);
        }
    }

    /// <summary>Gives the driver back what nobody uses.</summary>
    void Trim()
    {
        accelerator.Synchronize();
        HashSet<nint> trimmed = [];
        foreach (Stack<Block> stack in free.Values)
        {
            foreach (Block block in stack)
            {
                trimmed.Add(block.Address);
                Bytes -= block.Buffer.LengthInBytes;
                block.Buffer.Dispose();
            }
            stack.Clear();
        }
        blocks = [.. blocks.Where(block => !trimmed.Contains(block.Address))];
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (Block block in blocks) block.Buffer.Dispose();
            blocks = [];
            free.Clear();
        }
    }
}
