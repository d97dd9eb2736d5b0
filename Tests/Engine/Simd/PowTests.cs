using NeuralMemory.Simd;
using NUnit.Framework;

namespace NeuralMemory.Tests.Simd;

public unsafe class PowTests
{
    const int Count = 1 << 18;

    /// <summary>Where the result is neither zero nor infinite, however large the exponent or small the base: the logarithm's error is multiplied by the exponent.</summary>
    static readonly (string Name, Func<Random, (float X, float Y)> Draw)[] pairs =
    [
        ("ordinary", r => ((float)r.NextDouble() * 4, (float)(r.NextDouble() * 6 - 3))),
        ("bases beside 1", r => ((float)(1 + (r.NextDouble() - .5) * 1e-3), (float)((r.NextDouble() - .5) * 1.7e5))),
        ("bases beside 1, exponents of 4 million", r => ((float)(1 + (r.NextDouble() - .5) * 4e-5), (float)(4.19e6 * r.NextDouble()))),
        ("every base", r => Fitting(r, BitConverter.UInt32BitsToSingle((uint)r.Next(1, 0x7F800000)))),
        ("bases from 1/2 to 2", r => Fitting(r, (float)(.5 + r.NextDouble() * 1.5))),
        ("all floats", r => (BitConverter.UInt32BitsToSingle((uint)r.NextInt64(1L << 32)), BitConverter.UInt32BitsToSingle((uint)r.NextInt64(1L << 32)))),
        ("negative bases, integers", r => (-(float)r.NextDouble() * 4, r.Next(-20, 20))),
        ("negative bases, halves", r => (-(float)r.NextDouble() * 4, r.Next(-20, 20) / 2f)),
        ("zeros", r => (r.Next(2) * -0f, r.Next(-8, 9) / 2f)),
        ("square roots", r => ((float)r.NextDouble() * 100, .5f)),
        ("squares", r => ((float)r.NextDouble() * 100 - 50, 2)),
    ];

    static IEnumerable<string> Names => pairs.Select(p => p.Name);

    // An exponent with which x^y is within float32's range, or a little beyond.
    static (float, float) Fitting(Random random, float x) => (x, (float)((random.NextDouble() * 200 - 108) / Math.CopySign(Math.Max(Math.Abs(Math.Log(x)), 3e-5), Math.Log(x))));

    [TestCaseSource(nameof(Names))]
    public void IsWithinOneUlpAndTheSameBitsInEveryWidth(string name)
    {
        (float[] x, float[] y) = Draw(name);
        float[] z = Apply<Float32x16>(x, y);
        foreach (float[] other in (float[][])[Apply<Float32x8>(x, y), Apply<Float32x4>(x, y), Apply<Float32x1>(x, y)])
            for (int i = 0; i < Count; i++)
                if (!Special.SameBits(other[i], z[i])) Assert.Fail($"{x[i]:R}^{y[i]:R}: {other[i]:R}, with 16 lanes {z[i]:R}");
        (double worst, int at) = (0, 0);
        for (int i = 0; i < Count; i++)
        {
            double exact = Math.Pow(x[i], y[i]);
            float nearest = (float)exact;
            bool isNumber = float.IsFinite(nearest) && nearest != 0;
            double error = isNumber ? Math.Abs(z[i] - exact) / (MathF.BitIncrement(MathF.Abs(nearest)) - (double)MathF.Abs(nearest)) : Special.SameBits(z[i], nearest) ? 0 : double.PositiveInfinity;
            if (!(error <= worst)) (worst, at) = (error, i);
        }
        TestContext.Out.WriteLine($"{name}: worst error {worst:F3} ulp at {x[at]:R}^{y[at]:R}");
        Assert.That(worst, Is.LessThanOrEqualTo(1), $"{x[at]:R}^{y[at]:R} = {z[at]:R}, exactly {Math.Pow(x[at], y[at]):R}");
    }

    static (float[] X, float[] Y) Draw(string name)
    {
        Random random = new(1);
        Func<Random, (float X, float Y)> draw = pairs.Single(p => p.Name == name).Draw;
        (float[] x, float[] y) = (new float[Count], new float[Count]);
        for (int i = 0; i < Count; i++) (x[i], y[i]) = draw(random);
        return (x, y);
    }

    static float[] Apply<V>(float[] x, float[] y) where V : struct, ISimd<V, float>
    {
        float[] z = new float[x.Length];
        fixed (float* px = x, py = y, pz = z)
            for (int i = 0; i < x.Length; i += V.Count) V.Store(pz + i, V.Pow(V.Load(px + i), V.Load(py + i)));
        return z;
    }
}
