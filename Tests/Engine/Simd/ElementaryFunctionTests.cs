using NeuralMemory.Simd;
using NUnit.Framework;

namespace NeuralMemory.Tests.Simd;

[TestFixture(typeof(Exp))]
[TestFixture(typeof(Log))]
[TestFixture(typeof(Tanh))]
[TestFixture(typeof(Sigmoid))]
[TestFixture(typeof(Softplus))]
[TestFixture(typeof(Erf))]
[TestFixture(typeof(Sin))]
[TestFixture(typeof(Cos))]
public unsafe class ElementaryFunctionTests<F> where F : struct, IUnary
{
    static readonly string name = typeof(F).Name;

    [Test]
    public void IsWithinTwoUlpOverAllFloats() => CheckError(first: 0, count: 1L << 32, stride: 1021);

    [TestCase(false)]
    [TestCase(true)]
    public void IsWithinTwoUlpWhereTheFunctionBends(bool negative)
    {
        long small = BitConverter.SingleToUInt32Bits(1e-4f), large = BitConverter.SingleToUInt32Bits(2e5f);
        CheckError(first: small + (negative ? 1L << 31 : 0), count: large - small, stride: 127);
    }

    [Test]
    public void EveryWidthGivesTheSameBits()
    {
        // Huge arguments of sine beside small ones: shuffled, so that lanes that leave the common path have neighbours that do not.
        float[] x = Floats(0, 1L << 32, 16411).Concat(Special.Values).ToArray();
        new Random(1).Shuffle(x);
        float[] one = Apply<Float32x1>(x), four = Apply<Float32x4>(x), eight = Apply<Float32x8>(x), sixteen = Apply<Float32x16>(x);
        for (int i = 0; i < x.Length; i++)
        {
            if (Special.SameBits(one[i], four[i]) && Special.SameBits(one[i], eight[i]) && Special.SameBits(one[i], sixteen[i])) continue;
            Assert.Fail($"{name}({x[i]:R}): x1 {one[i]:R}, x4 {four[i]:R}, x8 {eight[i]:R}, x16 {sixteen[i]:R}");
        }
    }

    static void CheckError(long first, long count, int stride)
    {
        var (worst, at) = (0.0, 0f);
        foreach (float[] x in Floats(first, count, stride).Chunk(1 << 14))
        {
            float[] y = Apply<Float32x16>(x);
            for (int i = 0; i < x.Length; i++)
            {
                double error = Ulps(y[i], Exact(x[i]));
                if (error > worst) (worst, at) = (error, x[i]);
            }
        }
        TestContext.Out.WriteLine($"{name}: worst error {worst:F3} ulp at {at:R}");
        Assert.That(worst, Is.LessThanOrEqualTo(2), $"{name}({at:R}), exactly {Exact(at):R}");
    }

    static double Exact(double x)
    {
        double result;
        Float64x1.Store(&result, F.Apply(Float64x1.Load(&x)));
        return result;
    }

    // |y - exact| in units of the spacing of floats around the exact value. Infinity counts as 2^128, the float that would follow the largest.
    static double Ulps(float y, double exact)
    {
        if (double.IsNaN(exact) || float.IsNaN(y)) return double.IsNaN(exact) && float.IsNaN(y) ? 0 : double.PositiveInfinity;
        if (exact == 0) return Special.SameBits(y, (float)exact) ? 0 : double.PositiveInfinity;
        double beyond = Math.ScaleB(1, 128);
        exact = Math.Clamp(exact, -beyond, beyond);
        int exponent = Math.Clamp(Math.ILogB(exact), -126, 127);
        return Math.Abs(Math.Clamp(y, -beyond, beyond) - exact) / Math.ScaleB(1, exponent - 23);
    }

    static IEnumerable<float> Floats(long first, long count, int stride)
    {
        for (long bits = first; bits < first + count; bits += stride) yield return BitConverter.UInt32BitsToSingle((uint)bits);
    }

    static float[] Apply<V>(float[] x) where V : struct, ISimd<V, float>
    {
        float[] y = new float[x.Length];
        fixed (float* source = x, destination = y)
            for (int i = 0; i < x.Length; i += V.Count)
            {
                int lanes = Math.Min(V.Count, x.Length - i);
                V.StorePartial(destination + i, F.Apply(V.LoadPartial(source + i, lanes, 0)), lanes);
            }
        return y;
    }
}
