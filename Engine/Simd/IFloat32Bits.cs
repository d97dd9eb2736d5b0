namespace NeuralMemory.Simd;

/// <summary>What the elementary functions need beyond arithmetic: operations on the bits of a float32.</summary>
/// <remarks>AVX-512 has an instruction for most of them; elsewhere they are integer arithmetic on the exponent field, with the same result.</remarks>
interface IFloat32Bits<V> : ISimd<V, float>
    where V : struct, IFloat32Bits<V>
{
    /// <summary>x, or <paramref name="bound"/> where x is smaller; NaN stays. Cheaper than Max, which must look at both sides.</summary>
    static abstract V AtLeast(V bound, V x);

    /// <summary>x, or <paramref name="bound"/> where x is larger; NaN stays.</summary>
    static abstract V AtMost(V bound, V x);

    /// <summary>x, negated where <paramref name="sign"/> has its sign bit set: copies the sign onto an x that has none.</summary>
    static abstract V FlipSign(V x, V sign);

    /// <summary>n odd ? <paramref name="then"/> : <paramref name="otherwise"/>, for an integer |n| &lt; 2^31.</summary>
    static abstract V IfOdd(V n, V then, V otherwise);

    /// <summary>x, negated where bit 1 of the integer n is set, that is n modulo 4 is 2 or 3. |n| &lt; 2^31.</summary>
    static abstract V NegateIfBit1(V x, V n);

    /// <summary>2^n for an integer n, -126 to 127, by writing the exponent field.</summary>
    static abstract V PowerOfTwo(V n);

    /// <summary>x 2^n for an integer n, -252 to 254, rounded once: a subnormal result is the nearest one.</summary>
    static abstract V Scale(V x, V n);

    /// <summary>e in x = m 2^e with 3/4 &lt;= m &lt; 3/2, subnormal x included; -infinity for zero, infinity for infinity.</summary>
    /// <remarks>Where x is negative or NaN the result has no meaning: the mantissa is NaN.</remarks>
    static abstract V Exponent(V x);

    /// <summary>m in x = m 2^e with 3/4 &lt;= m &lt; 3/2; NaN for NaN and x &lt; 0.</summary>
    /// <remarks>For zero and infinity m is some number in that range: their exponent says all.</remarks>
    static abstract V Mantissa(V x);

    /// <summary>a * b + c with one rounding, on every processor.</summary>
    static abstract V Fused(V a, V b, V c);

    /// <summary>Whether a &gt; b in any lane.</summary>
    static abstract bool AnyGreater(V a, V b);
}

/// <summary>Constants of the float32 format.</summary>
static class Float32Bits
{
    public const int Bias = 127;
    public const float SmallestNormal = 1.17549435e-38f;
    public const float TwoTo24 = 16777216;

    /// <summary>The bits of 0.75: subtracted from those of x, the exponent field is left holding e with 3/4 &lt;= x / 2^e &lt; 3/2.</summary>
    public const int ThreeQuarters = 0x3F400000;

    /// <summary>Control of VGETMANT: mantissa in [3/4, 3/2), NaN below zero.</summary>
    public const byte ThreeQuartersOrNaN = 0b1111;
}
