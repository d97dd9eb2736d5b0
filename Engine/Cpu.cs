using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// A CPU kernel, written once for every vector width and for float and double. It is a struct of its arguments, pointers among them, and one generic loop.
/// </summary>
/// <remarks>Copy fields into locals before the loop: a store through a pointer may alias a field, and the JIT must then read it again.</remarks>
public interface ICpuKernel
{
    /// <summary>Computes the indices <paramref name="start"/> (inclusive) to <paramref name="end"/> (exclusive), independently of all others.</summary>
    void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>;
}

/// <summary>Runs kernels on the CPU with the widest vectors it has.</summary>
public static class Cpu
{
    /// <summary>Elements that are worth handing to another thread: below that, the handing over costs more than it saves.</summary>
    public const int Grain = 16 * 1024;

    /// <summary>The number of rows of <paramref name="width"/> elements that make up a grain of work, each element costing <paramref name="cost"/> simple operations.</summary>
    public static int Rows(int width, int cost = 1) => Math.Max(1, Grain / Math.Max(1, width * cost));

    /// <summary>Runs <paramref name="kernel"/> over 0 to <paramref name="count"/> - 1, on all threads where there is more than one chunk of <paramref name="grain"/>.</summary>
    /// <exception cref="NotSupportedException">This thread computes on another device, for which the operation has no kernel.</exception>
    public static void For<K>(DType type, int count, int grain, K kernel) where K : struct, ICpuKernel
    {
        if (Backend.Current is not CpuBackend) ThrowDevice<K>();
        ForHost(type, count, grain, kernel);
    }

    /// <summary>As <see cref="For"/>, for what is in the machine's own memory whatever device this thread computes on.</summary>
    internal static void ForHost<K>(DType type, int count, int grain, K kernel) where K : struct, ICpuKernel
    {
        if (type == DType.Float64) ThreadTeam.For(count, grain, new Body<K, Float64x1, double>(kernel));
        else if (Vector512.IsHardwareAccelerated) ThreadTeam.For(count, grain, new Body<K, Float32x16, float>(kernel));
        else if (Vector256.IsHardwareAccelerated) ThreadTeam.For(count, grain, new Body<K, Float32x8, float>(kernel));
        else if (Vector128.IsHardwareAccelerated) ThreadTeam.For(count, grain, new Body<K, Float32x4, float>(kernel));
        else ThreadTeam.For(count, grain, new Body<K, Float32x1, float>(kernel));
    }

    [DoesNotReturn]
    static void ThrowDevice<K>() =>
        throw new NotSupportedException($"{typeof(K).DeclaringType?.Name ?? typeof(K).Name} has no kernel for {Backend.Current.Name}; it runs on {CpuBackend.Instance.Name} only.");

    readonly struct Body<K, V, T>(K kernel) : IParallelBody
        where K : struct, ICpuKernel where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        readonly K kernel = kernel;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run(int start, int end) => kernel.Run<V, T>(start, end);
    }
}
