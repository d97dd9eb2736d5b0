using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Simd;

/// <summary>
/// The elementary functions of float32, written once for every width, without tables: the same bits in every lane of every width.
/// Measured errors: docs/elementary-functions.md.
/// </summary>
/// <remarks>
/// <para>Every polynomial is our own Remez fit, minimax in the relative error of the function (not of the polynomial), done in 50 decimal
/// digits. Coefficients are rounded to float32 from the lowest power up and the rest fitted anew after each, so that the errors given hold
/// for the coefficients as they stand here.</para>
/// <para>All are inlined into the caller's loop: a call would pass its vectors through memory, at a fifth of the speed. One method holds about
/// eight of them. Beyond that the JIT's budget for inlining is spent and single operators become calls: split such a kernel.</para>
/// </remarks>
static unsafe class Float32Math
{
    // Adding 1.5 2^23 leaves no bits below the point: (x + Round) - Round is x rounded to the nearest integer, for |x| < 2^22.
    const double Round = 12582912;

    const double Log2E = 1.4426950408889634;

    // ln 2 and pi/2 in pieces of 24 bits. An integer times the first piece, subtracted in a fused operation, is exact in the ranges used.
    const double Ln2 = 0.693147182464599609375, Ln2Low = -1.904654299957768e-9;
    const double TwoThirds = 0.666666686534881591796875, TwoThirdsLow = -1.9868214962137642e-8;
    const double HalfPi = 1.57079637050628662109375, HalfPiLow = -4.37113883e-8, HalfPiLowest = -1.71512451e-15;

    /// <summary>e^x = 2^n e^r with n = round(x / ln 2) and |r| &lt;= ln 2 / 2.</summary>
    /// <remarks>Below -104 the result rounds to zero, above 89 to infinity; the bounds keep n within what Scale takes.</remarks>
    [MethodImpl(AggressiveInlining)]
    public static V Exp<V>(V x) where V : struct, IFloat32Bits<V> => ExpUpTo89(V.AtMost(V.Constant(89), x));

    [MethodImpl(AggressiveInlining)]
    static V ExpUpTo89<V>(V x) where V : struct, IFloat32Bits<V>
    {
        x = V.AtLeast(V.Constant(-104), x);
        var n = V.Fused(x, V.Constant(Log2E), V.Constant(Round)) - V.Constant(Round);
        var r = V.Fused(n, V.Constant(-Ln2Low), V.Fused(n, V.Constant(-Ln2), x));

        // s(r) in e^r = 1 + r + r^2 s(r), |r| <= ln 2 / 2. Error 2^-26 of e^r - 1.
        var s = V.Fused(V.Constant(0.00139729411), r, V.Constant(0.0083680125));
        s = V.Fused(s, r, V.Constant(0.041666165));
        s = V.Fused(s, r, V.Constant(0.166665316));
        s = V.Fused(s, r, V.Constant(0.5));
        return V.Scale(V.Fused(V.Fused(s, r, V.One), r, V.One), n);
    }

    // 1 - e^-x for 0 <= x <= 80, to full relative precision near zero: (1 - 2^n) + 2^n (1 - e^-r), where n = 0 leaves 1 - e^-r alone.
    [MethodImpl(AggressiveInlining)]
    static V OneMinusExpNegative<V>(V x) where V : struct, IFloat32Bits<V>
    {
        var n = V.Fused(x, V.Constant(-Log2E), V.Constant(Round)) - V.Constant(Round);
        var r = V.Fused(n, V.Constant(Ln2Low), V.Fused(n, V.Constant(Ln2), x));

        // The polynomial of Exp at -r, negated: 1 - e^-r = r + r^2 s(r).
        var s = V.Fused(V.Constant(-0.00139729411), r, V.Constant(0.0083680125));
        s = V.Fused(s, r, V.Constant(-0.041666165));
        s = V.Fused(s, r, V.Constant(0.166665316));
        s = V.Fused(s, r, V.Constant(-0.5));
        var power = V.PowerOfTwo(n);
        return V.Fused(power, V.Fused(s, r * r, r), V.One - power);
    }

    /// <summary>log x = e log 2 + log m with x = m 2^e and 3/4 &lt;= m &lt; 3/2. The special values come with e and m.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V Log<V>(V x) where V : struct, IFloat32Bits<V>
    {
        // q(f) in log(1 + f) = f + f^2 q(f), -1/4 <= f < 1/2. Error 2^-27.5 of log(1 + f).
        var f = V.Mantissa(x) - V.One;
        var q = V.Fused(V.Constant(-0.04607426), f, V.Constant(0.105969645));
        q = V.Fused(q, f, V.Constant(-0.132123381));
        q = V.Fused(q, f, V.Constant(0.14475897));
        q = V.Fused(q, f, V.Constant(-0.166424766));
        q = V.Fused(q, f, V.Constant(0.199903548));
        q = V.Fused(q, f, V.Constant(-0.250001937));
        q = V.Fused(q, f, V.Constant(0.333334625));
        q = V.Fused(q, f, V.Constant(-0.5));
        return V.Fused(V.Exponent(x), V.Constant(Ln2), V.Fused(q, f * f, f));
    }

    /// <summary>tanh |x| = w / (2 - w) with w = 1 - e^(-2|x|).</summary>
    [MethodImpl(AggressiveInlining)]
    public static V Tanh<V>(V x) where V : struct, IFloat32Bits<V>
    {
        // tanh 10 rounds to one.
        var a = V.AtMost(V.Constant(10), V.Abs(x));
        var w = OneMinusExpNegative(a + a);
        var sum = V.Constant(2) - w;
        return V.FlipSign(Divide(w, sum, V.Constant(2) - sum - w), x);
    }

    /// <summary>1 / (1 + z) for x >= 0 and z / (1 + z) below, with z = e^-|x| which cannot overflow.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V Sigmoid<V>(V x) where V : struct, IFloat32Bits<V>
    {
        var z = ExpUpTo89(-V.Abs(x));
        var sum = V.One + z;
        return Divide(V.IfLess(x, V.Zero, z, V.One), sum, V.One - sum + z);
    }

    // a / (sum + rest), where rest is what rounding took from the sum: the quotient is put right by its residual, a - q (sum + rest), and rounded
    // once. A plain division by the rounded sum errs by up to 2.5 ulp in tanh and 2.15 in the sigmoid; this costs a fifth to a third of their speed.
    [MethodImpl(AggressiveInlining)]
    static V Divide<V>(V a, V sum, V rest) where V : struct, IFloat32Bits<V>
    {
        var reciprocal = V.One / sum;
        var q = a * reciprocal;
        var residual = V.Fused(-q, rest, V.Fused(-q, sum, a));
        return V.Fused(residual, reciprocal, q);
    }

    /// <summary>log(1 + e^x) = max(x, 0) + log(1 + z) with z = e^-|x|.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V Softplus<V>(V x) where V : struct, IFloat32Bits<V>
    {
        // q(z) in log(1 + z) = z + z^2 q(z), 0 <= z <= 1. Error 2^-27 of log(1 + z).
        var z = ExpUpTo89(-V.Abs(x));
        var q = V.Fused(V.Constant(-0.00367553649), z, V.Constant(0.0218677428));
        q = V.Fused(q, z, V.Constant(-0.0609089024));
        q = V.Fused(q, z, V.Constant(0.110240392));
        q = V.Fused(q, z, V.Constant(-0.155689999));
        q = V.Fused(q, z, V.Constant(0.197741762));
        q = V.Fused(q, z, V.Constant(-0.249750778));
        q = V.Fused(q, z, V.Constant(0.333322495));
        q = V.Fused(q, z, V.Constant(-0.5));
        return V.AtLeast(V.Zero, x) + V.Fused(q, z * z, z);
    }

    /// <summary>erf |x| = 1 - e^-p with p = -log(1 - erf |x|), a smooth function of |x| that needs no cases.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V Erf<V>(V x) where V : struct, IFloat32Bits<V>
    {
        // q(a) in p = a (9/8 + q(a)), 0 <= a <= 4. Error 2^-27.6 of erf. q starts at 2/sqrt(pi) - 9/8 = 0.003, so that rounding it is harmless.
        var a = V.AtMost(V.Constant(4), V.Abs(x));
        var q = V.Fused(V.Constant(-9.24390497e-06), a, V.Constant(0.000117744319));
        q = V.Fused(q, a, V.Constant(-0.000633837888));
        q = V.Fused(q, a, V.Constant(0.0016697098));
        q = V.Fused(q, a, V.Constant(-0.000163510282));
        q = V.Fused(q, a, V.Constant(-0.0191514697));
        q = V.Fused(q, a, V.Constant(0.102777541));
        q = V.Fused(q, a, V.Constant(0.636619389));
        q = V.Fused(q, a, V.Constant(0.00337917171));
        return V.FlipSign(OneMinusExpNegative(V.Fused(a, V.Constant(1.125), a * q)), x);
    }

    /// <summary>P(x) = 1/2 + x n(x^2) / d(x^2). Two thirds of the operations of 1/2 + erf(x / sqrt 2) / 2, for an absolute error of 1.7e-7.</summary>
    /// <remarks>The fraction is our own minimax fit of the absolute error, 7e-9, by Lawson's weights. At the bound it is 1/2 to the bit, so that P is 0 and 1 beyond.</remarks>
    [MethodImpl(AggressiveInlining)]
    public static V NormalProbability<V>(V x) where V : struct, IFloat32Bits<V>
    {
        x = V.AtLeast(V.Constant(-5.5), V.AtMost(V.Constant(5.5), x));
        var square = x * x;
        var n = V.Fused(V.Constant(2.274935262391864e-08), square, V.Constant(6.352130185405258e-06));
        n = V.Fused(n, square, V.Constant(0.0001688267948338762));
        n = V.Fused(n, square, V.Constant(0.004677267279475927));
        n = V.Fused(n, square, V.Constant(0.033852752298116684));
        n = V.Fused(n, square, V.Constant(0.398942232131958));
        var d = V.Fused(V.Constant(1.1975045026701991e-06), square, V.Constant(7.364788325503469e-05));
        d = V.Fused(d, square, V.Constant(0.0018844511359930038));
        d = V.Fused(d, square, V.Constant(0.02864593267440796));
        d = V.Fused(d, square, V.Constant(0.2515221834182739));
        d = V.Fused(d, square, V.One);
        return V.Constant(0.5) + x * n / d;
    }

    /// <summary>Beyond this the reduction in three pieces is no longer accurate, and lanes go through double precision.</summary>
    internal const double LargestReduced = 131072;

    /// <summary>sin x for |x| = n pi/2 + r and |r| &lt;= pi/4: sin r, cos r, -sin r, -cos r for n = 0, 1, 2, 3 modulo 4.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V Sin<V>(V x) where V : struct, IFloat32Bits<V>
    {
        var y = SinNear(x);
        return V.AnyGreater(V.Abs(x), V.Constant(LargestReduced)) ? Replace<V, SinLane>(x, y) : y;
    }

    /// <summary>As <see cref="Sin"/>, for |x| &lt;= <see cref="LargestReduced"/>.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V SinNear<V>(V x) where V : struct, IFloat32Bits<V>
    {
        var a = V.Abs(x);
        var n = V.Fused(a, V.Constant(2 / Math.PI), V.Constant(Round)) - V.Constant(Round);
        var r = Reduce(a, n);
        return V.FlipSign(V.NegateIfBit1(V.IfOdd(n, CosReduced(r), SinReduced(r)), n), x);
    }

    /// <summary>cos x = sin(x + pi/2): as <see cref="Sin"/>, one quarter turn ahead.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V Cos<V>(V x) where V : struct, IFloat32Bits<V>
    {
        var y = CosNear(x);
        return V.AnyGreater(V.Abs(x), V.Constant(LargestReduced)) ? Replace<V, CosLane>(x, y) : y;
    }

    /// <summary>As <see cref="Cos"/>, for |x| &lt;= <see cref="LargestReduced"/>.</summary>
    [MethodImpl(AggressiveInlining)]
    public static V CosNear<V>(V x) where V : struct, IFloat32Bits<V>
    {
        var a = V.Abs(x);
        var n = V.Fused(a, V.Constant(2 / Math.PI), V.Constant(Round)) - V.Constant(Round);
        var r = Reduce(a, n);
        return V.NegateIfBit1(V.IfOdd(n, SinReduced(r), CosReduced(r)), n + V.One);
    }

    // a - n pi/2
    [MethodImpl(AggressiveInlining)]
    static V Reduce<V>(V a, V n) where V : struct, IFloat32Bits<V> =>
        V.Fused(n, V.Constant(-HalfPiLowest), V.Fused(n, V.Constant(-HalfPiLow), V.Fused(n, V.Constant(-HalfPi), a)));

    // p(r^2) in sin r = r + r^3 p(r^2), |r| <= pi/4. Error 2^-27.9 of sin r.
    [MethodImpl(AggressiveInlining)]
    static V SinReduced<V>(V r) where V : struct, IFloat32Bits<V>
    {
        var square = r * r;
        var p = V.Fused(V.Constant(-0.000195179106), square, V.Constant(0.00833218731));
        p = V.Fused(p, square, V.Constant(-0.166666552));
        return V.Fused(r * square, p, r);
    }

    // p(r^2) in cos r = 1 + r^2 p(r^2), |r| <= pi/4. Error 2^-33 of cos r.
    [MethodImpl(AggressiveInlining)]
    static V CosReduced<V>(V r) where V : struct, IFloat32Bits<V>
    {
        var square = r * r;
        var p = V.Fused(V.Constant(2.44323401e-05), square, V.Constant(-0.00138873095));
        p = V.Fused(p, square, V.Constant(0.0416666456));
        p = V.Fused(p, square, V.Constant(-0.5));
        return V.Fused(square, p, V.One);
    }

    interface ILane { static abstract float Apply(float x); }

    struct SinLane : ILane { public static float Apply(float x) => (float)Math.Sin(x); }
    struct CosLane : ILane { public static float Apply(float x) => (float)Math.Cos(x); }

    // y with the lanes of large x computed in double precision; the others are left as they are, so that a lane does not depend on its fellows.
    [MethodImpl(NoInlining)]
    static V Replace<V, F>(V x, V y) where V : struct, IFloat32Bits<V> where F : struct, ILane
    {
        float* xs = stackalloc float[V.Count], ys = stackalloc float[V.Count];
        V.Store(xs, x);
        V.Store(ys, y);
        for (int i = 0; i < V.Count; i++)
            if (Math.Abs(xs[i]) > LargestReduced) ys[i] = F.Apply(xs[i]);
        return V.Load(ys);
    }

    // From here on y + Round has no room for a half.
    const double LargestPower = 4194304;

    /// <summary>x^y = e^(y log |x|), negative where x is and y is odd; 0, infinite, NaN and not real as <see cref="MathF.Pow"/> has it.</summary>
    /// <remarks>
    /// The error of the logarithm is multiplied by up to 89, so it is computed in two floats: log |x| = e log 2 + 2 atanh q with q = (m - 1) / (m + 1), where 2 q and the next term, 2/3 q^3, are
    /// kept whole.
    /// </remarks>
    [MethodImpl(AggressiveInlining)]
    public static V Pow<V>(V x, V y) where V : struct, IFloat32Bits<V>
    {
        // q + qLow = f / (d + dLow), d + dLow = 2 + f.
        V a = V.Abs(x), e = V.Exponent(a), f = V.Mantissa(a) - V.One;
        V d = V.Constant(2) + f, dLow = f - (d - V.Constant(2)), reciprocal = V.One / d;
        V q = f * reciprocal, qLow = V.Fused(-q, dLow, V.Fused(-q, d, f)) * reciprocal;

        // 2/3 q^3, and q^5 r(q^2), |q| <= 1/5. Error 2^-36.8 of 2 q.
        V square = q * q, squareLow = V.Fused(q + q, qLow, V.Fused(q, q, -square));
        V cube = q * square, cubeLow = V.Fused(qLow, square, V.Fused(q, squareLow, V.Fused(q, square, -cube)));
        V third = cube * V.Constant(TwoThirds), thirdLow = V.Fused(cubeLow, V.Constant(TwoThirds), V.Fused(cube, V.Constant(TwoThirdsLow), V.Fused(cube, V.Constant(TwoThirds), -third)));
        var r = V.Fused(V.Constant(0.19963886), square, V.Constant(0.22151583));
        r = V.Fused(r, square, V.Constant(0.28572583));
        r = V.Fused(r, square, V.Constant(0.39999995));

        // Their sum with e log 2, the largest first: what rounding takes from a + b, |a| >= |b|, is b - ((a + b) - a).
        V exponent = e * V.Constant(Ln2), two = q + q, sum = exponent + two, high = sum + third;
        V low = V.Fused(e, V.Constant(Ln2Low), V.Fused(e, V.Constant(Ln2), -exponent));
        low += (two - (sum - exponent)) + (third - (high - sum)) + (qLow + qLow + V.Fused(r * square, cube, thirdLow));
        V log = high + low, logLow = low - (log - high);

        // e^(p + pLow) = 2^n e^(t + tLow), the last sum in two floats as well. Where p is beyond the bounds of Exp, the result is too, whatever pLow.
        V p = y * log, pLow = V.Fused(y, logLow, V.Fused(y, log, -p)), bounded = V.AtMost(V.Constant(89), V.AtLeast(V.Constant(-104), p));
        var n = V.Fused(bounded, V.Constant(Log2E), V.Constant(Round)) - V.Constant(Round);
        V t = V.Fused(n, V.Constant(-Ln2), bounded), tLow = V.Fused(n, V.Constant(-Ln2Low), V.IfEqual(p, bounded, pLow, V.Zero)), whole = t + tLow;
        var s = V.Fused(V.Constant(0.00139729411), whole, V.Constant(0.0083680125));          // that of Exp
        s = V.Fused(s, whole, V.Constant(0.041666165));
        s = V.Fused(s, whole, V.Constant(0.166665316));
        s = V.Fused(s, whole, V.Constant(0.5));
        V head = V.One + t, tail = t - (head - V.One) + V.Fused(s * whole, whole, tLow);
        V power = V.Scale(head + tail, n);

        V infinity = V.Constant(double.PositiveInfinity);
        power = V.IfEqual(a, V.Zero, V.IfLess(y, V.Zero, infinity, V.IfEqual(y, V.Zero, V.One, V.Zero)), power);
        V integer = (y + V.Constant(Round)) - V.Constant(Round);
        power = V.FlipSign(power, V.IfEqual(integer, y, V.IfOdd(integer, x, a), a));
        power = V.IfLess(x, V.Zero, V.IfEqual(integer, y, power, V.Constant(double.NaN)), power);
        V rare = V.IfLess(a, infinity, V.IfLess(V.Abs(y), V.Constant(LargestPower), V.Zero, V.One), V.One);
        return V.AnyGreater(rare, V.Zero) ? ReplaceRare(x, y, rare, power) : power;
    }

    [MethodImpl(NoInlining)]
    static V ReplaceRare<V>(V x, V y, V rare, V power) where V : struct, IFloat32Bits<V>
    {
        float* xs = stackalloc float[V.Count], ys = stackalloc float[V.Count], rares = stackalloc float[V.Count], powers = stackalloc float[V.Count];
        V.Store(xs, x);
        V.Store(ys, y);
        V.Store(rares, rare);
        V.Store(powers, power);
        for (int i = 0; i < V.Count; i++)
            if (rares[i] != 0) powers[i] = MathF.Pow(xs[i], ys[i]);
        return V.Load(powers);
    }
}
