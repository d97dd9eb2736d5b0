using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace NeuralMemory.Tests.Engine;

[NonParallelizable]
public sealed class CpuBackendTests
{
    /// <summary>Large memory is to be had where the C library is not called libc, or lacks the function that asks for large pages: it is looked for once.</summary>
    [Test]
    public void Large_memory_needs_no_C_library()
    {
        AssemblyLoadContext apart = new("without libc", isCollectible: true);
        Assembly engine = apart.LoadFromAssemblyPath(typeof(CpuBackend).Assembly.Location);
        int asked = 0;
        NativeLibrary.SetDllImportResolver(engine, (name, _, _) =>
        {
            asked++;
            throw new DllNotFoundException(name);
        });
        Type type = engine.GetType(typeof(CpuBackend).FullName!)!;
        object backend = type.GetProperty(nameof(CpuBackend.Instance))!.GetValue(null)!;
        for (int i = 0; i < 2; i++)
        {
            nint memory = (nint)type.GetMethod(nameof(CpuBackend.Allocate))!.Invoke(backend, [5L << 20])!;
            Assert.That((long)memory % 64, Is.Zero);
            Marshal.WriteByte(memory + (5 << 20) - 1, 1);
            type.GetMethod(nameof(CpuBackend.Free))!.Invoke(backend, [memory]);
        }
        Assert.That(asked, Is.LessThanOrEqualTo(1));
        apart.Unload();
    }

    /// <summary>Elements moved by one place within one tensor, by several threads.</summary>
    [Test]
    public void A_copy_may_overlap_what_is_copied([Values(-1, 1, 100_000)] int distance)
    {
        const int count = 1 << 22;
        Tensor x = Tensor.Persistent([count]);
        int from = Math.Max(0, -distance), to = Math.Max(0, distance), moved = count - Math.Abs(distance);
        float[] values = [.. Enumerable.Range(0, count).Select(i => (float)i)];
        int threads = ThreadTeam.Threads;
        try
        {
            ThreadTeam.Threads = 2;
            for (int repeat = 0; repeat < 5; repeat++)
            {
                x.CopyFrom<float>(values);
                x.Slice(0, to, to + moved).CopyFrom(x.Slice(0, from, from + moved));
                Assert.That(x.Slice(0, to, to + moved).ToArray().AsSpan().SequenceEqual(values.AsSpan(from, moved)));
            }
        }
        finally
        {
            ThreadTeam.Threads = threads;
        }
    }
}
