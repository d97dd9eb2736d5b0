using NeuralMemory.Simd;
using NUnit.Framework;

namespace NeuralMemory.Tests.Simd;

[TestFixture(typeof(Float32x16))]
[TestFixture(typeof(Float32x8))]
[TestFixture(typeof(Float32x4))]
[TestFixture(typeof(Float32x1))]
public unsafe class SpecialValueTests<V> where V : struct, ISimd<V, float>
{
    const float Infinity = float.PositiveInfinity, NaN = float.NaN;

    [TestCase(-Infinity, 0f)]
    [TestCase(-104f, 0f)]
    [TestCase(-103.9f, float.Epsilon)]
    [TestCase(0f, 1f)]
    [TestCase(-0f, 1f)]
    [TestCase(88.8f, Infinity)]
    [TestCase(Infinity, Infinity)]
    [TestCase(NaN, NaN)]
    public void Exp(float x, float expected) => Check(V.Exp, x, expected);

    [TestCase(0f, -Infinity)]
    [TestCase(-0f, -Infinity)]
    [TestCase(1f, 0f)]
    [TestCase(-1f, NaN)]
    [TestCase(-float.Epsilon, NaN)]
    [TestCase(-Infinity, NaN)]
    [TestCase(Infinity, Infinity)]
    [TestCase(NaN, NaN)]
    [TestCase(float.Epsilon, -103.27893f)]
    public void Log(float x, float expected) => Check(V.Log, x, expected);

    [TestCase(0f, 0f)]
    [TestCase(-0f, -0f)]
    [TestCase(float.Epsilon, float.Epsilon)]
    [TestCase(Infinity, 1f)]
    [TestCase(-Infinity, -1f)]
    [TestCase(NaN, NaN)]
    public void Tanh(float x, float expected) => Check(V.Tanh, x, expected);

    [TestCase(0f, 0.5f)]
    [TestCase(Infinity, 1f)]
    [TestCase(-Infinity, 0f)]
    [TestCase(-103.9f, float.Epsilon)]
    [TestCase(NaN, NaN)]
    public void Sigmoid(float x, float expected) => Check(V.Sigmoid, x, expected);

    [TestCase(100f, 100f)]
    [TestCase(-100f, 3.783506e-44f)]
    [TestCase(Infinity, Infinity)]
    [TestCase(-Infinity, 0f)]
    [TestCase(float.MaxValue, float.MaxValue)]
    [TestCase(NaN, NaN)]
    public void Softplus(float x, float expected) => Check(V.Softplus, x, expected);

    [TestCase(0f, 0f)]
    [TestCase(-0f, -0f)]
    [TestCase(Infinity, 1f)]
    [TestCase(-Infinity, -1f)]
    [TestCase(5f, 1f)]
    [TestCase(NaN, NaN)]
    public void Erf(float x, float expected) => Check(V.Erf, x, expected);

    [TestCase(0f, 0f)]
    [TestCase(-0f, -0f)]
    [TestCase(Infinity, NaN)]
    [TestCase(-Infinity, NaN)]
    [TestCase(NaN, NaN)]
    [TestCase(3.14159274f, -8.742278e-8f)]
    [TestCase(float.MaxValue, -0.521876514f)]
    public void Sin(float x, float expected) => Check(V.Sin, x, expected);

    [TestCase(0f, 1f)]
    [TestCase(-0f, 1f)]
    [TestCase(Infinity, NaN)]
    [TestCase(NaN, NaN)]
    [TestCase(3.14159274f, -1f)]
    [TestCase(float.MaxValue, 0.853021026f)]
    public void Cos(float x, float expected) => Check(V.Cos, x, expected);

    [Test]
    public void OddFunctionsAreOdd()
    {
        foreach (float x in Special.Values)
        {
            foreach (Func<V, V> odd in (Func<V, V>[])[V.Tanh, V.Erf, V.Sin])
                Assert.That(Special.SameBits(-First(odd(V.Create(x))), First(odd(V.Create(-x)))), $"{odd.Method.Name}({x})");
            Assert.That(Special.SameBits(First(V.Cos(V.Create(x))), First(V.Cos(V.Create(-x)))), $"Cos({x})");
        }
    }

    [Test]
    public void PowHasTheValuesOfMathF()
    {
        foreach (float x in Special.Values)
            foreach (float y in (float[])[.. Special.Values, 2, 3, -2, -3, 0.5f, -0.5f, 4194303.5f, 4194305, -8388609])
            {
                float power = First(V.Pow(V.Create(x), V.Create(y))), expected = MathF.Pow(x, y);
                bool isExact = !float.IsFinite(expected) || Math.Abs(expected) is 0 or 1;
                if (isExact) Assert.That(Special.SameBits(power, expected), $"Pow({x}, {y}): {power}, but {expected} was expected.");
                else Assert.That(power, Is.EqualTo(expected).Within(1).Ulps, $"Pow({x}, {y})");
            }
    }

    static void Check(Func<V, V> function, float x, float expected)
    {
        float* lanes = stackalloc float[V.Count];
        V.Store(lanes, function(V.Create(x)));
        for (int i = 0; i < V.Count; i++)
            Assert.That(Special.SameBits(lanes[i], expected), $"f({x:R}) = {lanes[i]:R} in lane {i}, expected {expected:R}");
    }

    static float First(V a)
    {
        float value;
        V.StorePartial(&value, a, 1);
        return value;
    }
}
