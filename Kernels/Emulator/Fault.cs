using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace NeuralMemory.Emulation;

/// <summary>A kernel did what a GPU does not allow, or what has no defined result there.</summary>
sealed class EmulatorException(string message) : Exception(message);

/// <summary>The reports of faults, apart from the code that is fast.</summary>
static class Fault
{
    [DoesNotReturn]
    static void Report(string what) =>
        throw new EmulatorException($"group ({ILGPU.Grid.IdxX}, {ILGPU.Grid.IdxY}, {ILGPU.Grid.IdxZ}), thread {ILGPU.Group.LinearIndex}: {what}");

    [DoesNotReturn]
    public static void Index(long index, long length, Type type) =>
        Report($"index {index} is outside of a view of {length} elements of {type.Name}.");

    [DoesNotReturn]
    public static void SubView(long index, long length, long all, Type type) =>
        Report($"SubView({index}, {length}) is outside of a view of {all} elements of {type.Name}.");

    [DoesNotReturn]
    public static void Misaligned(nint address, int alignment, long index, long length, Type type) =>
        Report($"element {index} of a view of {length} elements of {type.Name} is at {address % alignment} past a multiple of {alignment} bytes.");

    [DoesNotReturn]
    public static void NotRewritten(string call) => Report($"{call} outside of a kernel.");

    [DoesNotReturn]
    public static T NotRewritten<T>(string call, T value, int lane) => throw new EmulatorException($"{call}({value}, {lane}) outside of a kernel.");
}

/// <summary>The emulator's device memory: aligned as a GPU's, and full of NaN when fresh.</summary>
static unsafe class DeviceMemory
{
    const int Alignment = 256;

    public static nint Allocate(long bytes)
    {
        var address = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), Alignment);
        NativeMemory.Fill(address, (nuint)bytes, 0xFF);
        return (nint)address;
    }

    public static void Free(nint address) => NativeMemory.AlignedFree((void*)address);
}
