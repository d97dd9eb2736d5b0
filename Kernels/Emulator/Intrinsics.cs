using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Emulation;

namespace ILGPU;

/// <summary>A thread's place in its group, and the group's barrier.</summary>
static class Group
{
    public static int IdxX => Lane.IdxX;
    public static int IdxY => Lane.IdxY;
    public static int IdxZ => Lane.IdxZ;
    public static int DimX => Lane.GroupDim.X;
    public static int DimY => Lane.GroupDim.Y;
    public static int DimZ => Lane.GroupDim.Z;

    /// <summary>X runs fastest.</summary>
    public static int LinearIndex => Lane.Thread;

    public static bool IsFirstThread => LinearIndex == 0;

    /// <summary>Waits for all threads of the group. What they wrote to shared and device memory before is seen by all after.</summary>
    public static void Barrier() => Fault.OutsideOfKernel("Group.Barrier");

    /// <summary>A barrier that tells all how many threads gave true.</summary>
    public static int BarrierPopCount(bool predicate) => Fault.OutsideOfKernel<int>("Group.BarrierPopCount", predicate);

    /// <summary>A barrier that tells all whether every thread gave true.</summary>
    public static bool BarrierAnd(bool predicate) => Fault.OutsideOfKernel<bool>("Group.BarrierAnd", predicate);

    /// <summary>A barrier that tells all whether any thread gave true.</summary>
    public static bool BarrierOr(bool predicate) => Fault.OutsideOfKernel<bool>("Group.BarrierOr", predicate);

    /// <summary>The value of thread <paramref name="groupIndex"/>, the same for all; a barrier.</summary>
    public static T Broadcast<T>(T value, int groupIndex) where T : unmanaged => Fault.OutsideOfKernel<T>("Group.Broadcast", value, groupIndex);
}

/// <summary>A group's place in the grid.</summary>
static class Grid
{
    public static int IdxX => Lane.GridIdx.X;
    public static int IdxY => Lane.GridIdx.Y;
    public static int IdxZ => Lane.GridIdx.Z;
    public static int DimX => Lane.GridDim.X;
    public static int DimY => Lane.GridDim.Y;
    public static int DimZ => Lane.GridDim.Z;
}

/// <summary>
/// The 32 threads that run in step, and the exchange of values between them. All threads of a warp must come to the same call.
/// </summary>
static class Warp
{
    public static int WarpSize => 32;

    public static int LaneIdx => Group.LinearIndex % WarpSize;

    public static int WarpIdx => Group.LinearIndex / WarpSize;

    public static bool IsFirstLane => LaneIdx == 0;

    public static bool IsLastLane => LaneIdx == WarpSize - 1;

    /// <summary>Waits for the threads of the warp. What they wrote to shared memory before is seen by all of them after.</summary>
    public static void Barrier() => Fault.OutsideOfKernel("Warp.Barrier");

    /// <summary>The value of lane <paramref name="sourceLane"/>.</summary>
    public static T Shuffle<T>(T variable, int sourceLane) where T : unmanaged => Fault.OutsideOfKernel<T>("Warp.Shuffle", variable, sourceLane);

    /// <summary>The value of lane <paramref name="sourceLane"/> of the part of the warp, <paramref name="width"/> lanes wide, that the thread is in.</summary>
    public static T Shuffle<T>(T variable, int sourceLane, int width) where T : unmanaged =>
        Fault.OutsideOfKernel<T>("Warp.Shuffle", variable, sourceLane, width);

    /// <summary>The value of the lane that is <paramref name="delta"/> above; of the thread itself where there is none.</summary>
    public static T ShuffleDown<T>(T variable, int delta) where T : unmanaged => Fault.OutsideOfKernel<T>("Warp.ShuffleDown", variable, delta);

    /// <inheritdoc cref="ShuffleDown{T}(T, int)"/>
    public static T ShuffleDown<T>(T variable, int delta, int width) where T : unmanaged =>
        Fault.OutsideOfKernel<T>("Warp.ShuffleDown", variable, delta, width);

    /// <summary>The value of the lane that is <paramref name="delta"/> below; of the thread itself where there is none.</summary>
    public static T ShuffleUp<T>(T variable, int delta) where T : unmanaged => Fault.OutsideOfKernel<T>("Warp.ShuffleUp", variable, delta);

    /// <inheritdoc cref="ShuffleUp{T}(T, int)"/>
    public static T ShuffleUp<T>(T variable, int delta, int width) where T : unmanaged =>
        Fault.OutsideOfKernel<T>("Warp.ShuffleUp", variable, delta, width);

    /// <summary>The value of lane (own lane xor <paramref name="mask"/>).</summary>
    public static T ShuffleXor<T>(T variable, int mask) where T : unmanaged => Fault.OutsideOfKernel<T>("Warp.ShuffleXor", variable, mask);

    /// <inheritdoc cref="ShuffleXor{T}(T, int)"/>
    public static T ShuffleXor<T>(T variable, int mask, int width) where T : unmanaged =>
        Fault.OutsideOfKernel<T>("Warp.ShuffleXor", variable, mask, width);

    /// <summary>The value of lane <paramref name="sourceLane"/>, the same for all.</summary>
    public static T Broadcast<T>(T value, int sourceLane) where T : unmanaged => Fault.OutsideOfKernel<T>("Warp.Broadcast", value, sourceLane);
}

/// <summary>Memory of a group. What it holds before it is written is undefined.</summary>
static class SharedMemory
{
    /// <summary>One element.</summary>
    public static ref T Allocate<T>() where T : unmanaged => ref Allocate<T>(1)[0];

    /// <summary><paramref name="extent"/> elements, a constant. A call is one piece of memory, however often it runs.</summary>
    public static ArrayView<T> Allocate<T>(int extent) where T : unmanaged => Fault.OutsideOfKernel<ArrayView<T>>("SharedMemory.Allocate", extent);

    /// <summary>The memory that the launch asked for by its <see cref="Runtime.SharedMemoryConfig"/>.</summary>
    public static ArrayView<T> GetDynamic<T>() where T : unmanaged => Fault.OutsideOfKernel<ArrayView<T>>("SharedMemory.GetDynamic");
}

/// <summary>Memory of a thread. What it holds before it is written is undefined.</summary>
static class LocalMemory
{
    /// <summary><paramref name="extent"/> elements, a constant.</summary>
    public static ArrayView<T> Allocate<T>(int extent) where T : unmanaged => Fault.OutsideOfKernel<ArrayView<T>>("LocalMemory.Allocate", extent);
}

/// <summary>Numbers as their bits.</summary>
static class Interop
{
    public static int SizeOf<T>() where T : unmanaged => Unsafe.SizeOf<T>();
    public static uint FloatAsInt(float value) => BitConverter.SingleToUInt32Bits(value);
    public static ulong FloatAsInt(double value) => BitConverter.DoubleToUInt64Bits(value);
    public static float IntAsFloat(uint value) => BitConverter.UInt32BitsToSingle(value);
    public static double IntAsFloat(ulong value) => BitConverter.UInt64BitsToDouble(value);
}

/// <summary>Conditions without branches.</summary>
static class Bitwise
{
    public static bool And(bool first, bool second) => first & second;
    public static bool And(bool first, bool second, bool third) => first & second & third;
    public static bool Or(bool first, bool second) => first | second;
    public static bool Or(bool first, bool second, bool third) => first | second | third;
}

/// <summary>
/// Read, change, write, as one; the value before is returned. For integers alone, whose sums do not depend on the order.
/// Threads run one at a time, so there is nothing to guard.
/// </summary>
static class Atomic
{
    public static int Add(ref int target, int value) => Set(ref target, target + value);
    public static uint Add(ref uint target, uint value) => Set(ref target, target + value);
    public static long Add(ref long target, long value) => Set(ref target, target + value);
    public static ulong Add(ref ulong target, ulong value) => Set(ref target, target + value);
    public static int Min(ref int target, int value) => Set(ref target, Math.Min(target, value));
    public static uint Min(ref uint target, uint value) => Set(ref target, Math.Min(target, value));
    public static int Max(ref int target, int value) => Set(ref target, Math.Max(target, value));
    public static uint Max(ref uint target, uint value) => Set(ref target, Math.Max(target, value));
    public static int And(ref int target, int value) => Set(ref target, target & value);
    public static uint And(ref uint target, uint value) => Set(ref target, target & value);
    public static int Or(ref int target, int value) => Set(ref target, target | value);
    public static uint Or(ref uint target, uint value) => Set(ref target, target | value);
    public static int Xor(ref int target, int value) => Set(ref target, target ^ value);
    public static uint Xor(ref uint target, uint value) => Set(ref target, target ^ value);
    public static int Exchange(ref int target, int value) => Set(ref target, value);
    public static uint Exchange(ref uint target, uint value) => Set(ref target, value);
    public static int CompareExchange(ref int target, int compare, int value) => Set(ref target, target == compare ? value : target);
    public static uint CompareExchange(ref uint target, uint compare, uint value) => Set(ref target, target == compare ? value : target);

    static unsafe T Set<T>(ref T target, T value) where T : unmanaged
    {
        SharedShadow.Atomic(Unsafe.AsPointer(ref target), sizeof(T));
        var old = target;
        target = value;
        return old;
    }
}

/// <summary>Mathematics that is an instruction on every device.</summary>
static class IntrinsicMath
{
    public static float Abs(float value) => MathF.Abs(value);
    public static double Abs(double value) => Math.Abs(value);
    public static int Abs(int value) => Math.Abs(value);
    public static long Abs(long value) => Math.Abs(value);
    public static float Min(float first, float second) => MathF.Min(first, second);
    public static double Min(double first, double second) => Math.Min(first, second);
    public static int Min(int first, int second) => Math.Min(first, second);
    public static uint Min(uint first, uint second) => Math.Min(first, second);
    public static long Min(long first, long second) => Math.Min(first, second);
    public static float Max(float first, float second) => MathF.Max(first, second);
    public static double Max(double first, double second) => Math.Max(first, second);
    public static int Max(int first, int second) => Math.Max(first, second);
    public static uint Max(uint first, uint second) => Math.Max(first, second);
    public static long Max(long first, long second) => Math.Max(first, second);
    public static float Clamp(float value, float min, float max) => Max(Min(value, max), min);
    public static double Clamp(double value, double min, double max) => Max(Min(value, max), min);
    public static int Clamp(int value, int min, int max) => Max(Min(value, max), min);
    public static int PopCount(int value) => BitOperations.PopCount((uint)value);
    public static int PopCount(uint value) => BitOperations.PopCount(value);
    public static int PopCount(ulong value) => BitOperations.PopCount(value);
    public static int LeadingZeroCount(int value) => BitOperations.LeadingZeroCount((uint)value);
    public static int LeadingZeroCount(uint value) => BitOperations.LeadingZeroCount(value);
    public static int LeadingZeroCount(ulong value) => BitOperations.LeadingZeroCount(value);
    public static int TrailingZeroCount(int value) => BitOperations.TrailingZeroCount(value);
    public static int TrailingZeroCount(uint value) => BitOperations.TrailingZeroCount(value);
    public static int TrailingZeroCount(ulong value) => BitOperations.TrailingZeroCount(value);
    public static int DivRoundDown(int numerator, int denominator) => numerator / denominator;
    public static int DivRoundUp(int numerator, int denominator) => (numerator + denominator - 1) / denominator;
    public static long DivRoundDown(long numerator, long denominator) => numerator / denominator;
    public static long DivRoundUp(long numerator, long denominator) => (numerator + denominator - 1) / denominator;
}
