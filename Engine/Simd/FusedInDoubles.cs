using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace NeuralMemory.Simd;

/// <summary>
/// a b + c of floats with one rounding, for processors without an instruction for it. In double precision the product is exact, and the sum is rounded to double and then to float. The second rounding
/// errs only where the first has led half way between two floats.
/// </summary>
/// <remarks>There the sum is rounded to odd first: of the two doubles beside the exact one, that whose last bit is set, which is half way between no floats (Boldo and Melquiond 2008, "Emulation of a FMA and correctly rounded sums").</remarks>
static class FusedInDoubles
{
    /// <summary>Whether the processor has no such instruction.</summary>
    public static bool IsNeeded { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => !Fma.IsSupported && !AdvSimd.IsSupported; }

    /// <summary>a b + c, lane by lane.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Vector128<float> Run(Vector128<float> a, Vector128<float> b, Vector128<float> c)
    {
        var (lowA, highA) = Vector128.Widen(a);
        var (lowB, highB) = Vector128.Widen(b);
        var (lowC, highC) = Vector128.Widen(c);
        Vector128<double> lowProduct = lowA * lowB, highProduct = highA * highB, low = lowProduct + lowC, high = highProduct + highC;
        if ((MayBeHalfWay(low) | MayBeHalfWay(high)) != Vector128<long>.Zero) (low, high) = (AddToOdd(lowProduct, lowC), AddToOdd(highProduct, highC));
        return Vector128.Narrow(low, high);
    }

    /// <summary>All bits set where x has a bit less than a float's last one, and nothing below; and where x is a subnormal float, whose last bit is elsewhere.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<long> MayBeHalfWay(Vector128<double> x)
    {
        var half = Vector128.Equals(x.AsInt64() & Vector128.Create((1L << 29) - 1), Vector128.Create(1L << 28));
        var subnormal = Vector128.LessThan(Vector128.Abs(x), Vector128.Create((double)Float32Bits.SmallestNormal)) & ~Vector128.Equals(x, Vector128<double>.Zero);
        return half | subnormal.AsInt64();
    }

    /// <summary>x + y, rounded to odd. What rounding took from the sum is exact (Knuth's TwoSum), and says which of the sum's neighbours is on the other side of x + y.</summary>
    static Vector128<double> AddToOdd(Vector128<double> x, Vector128<double> y)
    {
        Vector128<double> sum = x + y, addend = sum - x, taken = (x - (sum - addend)) + (y - addend), zero = Vector128<double>.Zero;
        var bits = sum.AsInt64();
        var even = Vector128.Equals(bits & Vector128<long>.One, Vector128<long>.Zero);
        var inexact = (Vector128.LessThan(taken, zero) | Vector128.GreaterThan(taken, zero)).AsInt64();                          // not so where it is NaN
        var farther = Vector128.Equals(Vector128.LessThan(sum, zero).AsInt64(), Vector128.LessThan(taken, zero).AsInt64());      // -1 where x + y is farther from zero than the sum, otherwise 0
        return (bits + ((Vector128<long>.AllBitsSet - farther - farther) & inexact & even)).AsDouble();
    }
}
