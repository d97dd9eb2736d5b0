using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralMemory.Simd;

/// <summary>One bit a lane, the first lane's the lowest.</summary>
static class LaneMask
{
    /// <summary>The number of the first bit that is set, of up to 31.</summary>
    /// <remarks>Counted from one: where no instruction counts (no BMI1), .NET 10 compiles TrailingZeroCount(x) == 0 to false.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int First(uint lanes) => BitOperations.TrailingZeroCount(lanes << 1) - 1;
}
