using System.Diagnostics.CodeAnalysis;
using ILGPU;

namespace NeuralMemory.Emulation;

/// <summary>A kernel did what a GPU does not allow, or what has no defined result there.</summary>
sealed class EmulatorException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The reports of faults, apart from the code that is fast. Each names the kernel, the group and the thread.</summary>
/// <remarks>
/// Methods that do nothing but throw are known to the JIT not to return: it keeps what they need out of the way of the code around their calls.
/// </remarks>
static class Fault
{
    /// <summary>A report of the running thread.</summary>
    public static EmulatorException Report(string what) => new(
        $"{Machine.KernelName}: group ({Grid.IdxX}, {Grid.IdxY}, {Grid.IdxZ}), thread ({Group.IdxX}, {Group.IdxY}, {Group.IdxZ}): {what}");

    [DoesNotReturn]
    public static void Index(long index, long length, Type type) => throw OutOfRange(index, length, type);

    [DoesNotReturn]
    public static void SubView(long index, long length, long all, Type type) => throw SubViewOutOfRange(index, length, all, type);

    [DoesNotReturn]
    public static void Misaligned(nint address, int alignment, long index, long length, Type type) =>
        throw NotAligned(address, alignment, index, length, type);

    static EmulatorException OutOfRange(long index, long length, Type type) => Report(
        index < 0
            ? $"index {index} of a view of {length} elements of {Names.Of(type)} is negative; a GPU reads it as {(uint)index}."
            : $"index {index} is outside of a view of {length} elements of {Names.Of(type)}.");

    static EmulatorException SubViewOutOfRange(long index, long length, long all, Type type) =>
        Report($"SubView({index}, {length}) is outside of a view of {all} elements of {Names.Of(type)}.");

    static EmulatorException NotAligned(nint address, int alignment, long index, long length, Type type) => Report(
        $"element {index} of a view of {length} elements of {Names.Of(type)} is misaligned: {address % alignment} bytes past a multiple of {alignment}.");

    [DoesNotReturn]
    public static void OutsideOfKernel(string call) => throw new InvalidOperationException($"{call} is for kernels, and there only for what ILGPU compiles.");

    [DoesNotReturn]
    public static T OutsideOfKernel<T>(string call, params ReadOnlySpan<object> arguments) =>
        throw new InvalidOperationException($"{call}({string.Join(", ", arguments)}) is for kernels, and there only for what ILGPU compiles.");
}
