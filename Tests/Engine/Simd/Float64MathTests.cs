using System.Globalization;
using System.Runtime.Intrinsics;
using NeuralMemory.Simd;
using NUnit.Framework;

namespace NeuralMemory.Tests.Simd;

public class Float64MathTests
{
    // Summed from the series in 50 decimal digits.
    [TestCase(1e-10, 1.128379167095512570e-10)]
    [TestCase(0.1, 0.1124629160182848922)]
    [TestCase(0.5, 0.5204998778130465377)]
    [TestCase(1.0, 0.8427007929497148693)]
    [TestCase(1.5, 0.9661051464753107271)]
    [TestCase(1.999, 0.9953015566513705100)]
    [TestCase(2.0, 0.9953222650189527342)]
    [TestCase(2.001, 0.9953428907185246520)]
    [TestCase(2.5, 0.9995930479825550411)]
    [TestCase(3.0, 0.9999779095030014146)]
    [TestCase(4.0, 0.9999999845827420997)]
    [TestCase(5.0, 0.9999999999984625402)]
    public void Erf(double x, double expected)
    {
        Assert.That(Float64Math.Erf(x), Is.EqualTo(expected).Within(1e-15 * expected));
        Assert.That(Float64Math.Erf(-x), Is.EqualTo(-Float64Math.Erf(x)));
    }

    [Test]
    public void ErfEnds()
    {
        Assert.That(Float64Math.Erf(double.PositiveInfinity), Is.EqualTo(1));
        Assert.That(Float64Math.Erf(double.NegativeInfinity), Is.EqualTo(-1));
        Assert.That(Float64Math.Erf(double.NaN), Is.NaN);
        Assert.That(double.IsNegative(Float64Math.Erf(-0.0)));
    }

    [TestCase(1e-20, 1e-20)]
    [TestCase(1e-8, 9.9999999500000003e-9)]
    [TestCase(0, 0)]
    [TestCase(1, 0.69314718055994531)]
    [TestCase(double.Epsilon, double.Epsilon)]
    public void LogP1(double z, double expected) => Assert.That(Float64Math.LogP1(z), Is.EqualTo(expected).Within(1).Ulps);

    [Test]
    public void SimdWidthIsWhatTheHardwareRuns()
    {
        Assert.That(SimdWidth.Bits, Is.AnyOf(32, 128, 256, 512));
        Assert.That(SimdWidth.Bits >= 256, Is.EqualTo(Vector256.IsHardwareAccelerated));
        // Where vectors are narrowed on purpose, by DOTNET_EnableAVX512=0 for instance, this says to how many bits: a switch that is misspelt has no effect.
        if (Environment.GetEnvironmentVariable("NEURALMEMORY_VECTOR_BITS") is { } bits) Assert.That(SimdWidth.Bits, Is.EqualTo(int.Parse(bits, CultureInfo.InvariantCulture)));
    }
}
