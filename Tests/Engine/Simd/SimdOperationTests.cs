using System.Runtime.CompilerServices;
using NeuralMemory.Simd;
using NUnit.Framework;

namespace NeuralMemory.Tests.Simd;

[TestFixture(typeof(Float32x16))]
[TestFixture(typeof(Float32x8))]
[TestFixture(typeof(Float32x4))]
[TestFixture(typeof(Float32x1))]
public unsafe class SimdOperationTests<V> where V : struct, ISimd<V, float>
{
    const float Guard = 1e30f;

    [Test]
    public void Add() => CheckPairs((a, b) => a + b, (a, b) => a + b);

    [Test]
    public void Subtract() => CheckPairs((a, b) => a - b, (a, b) => a - b);

    [Test]
    public void Multiply() => CheckPairs((a, b) => a * b, (a, b) => a * b);

    [Test]
    public void Divide() => CheckPairs((a, b) => a / b, (a, b) => a / b);

    [Test]
    public void Negate() => CheckPairs((a, _) => -a, (a, _) => -a);

    [Test]
    public void Min() => CheckPairs(V.Min, MathF.Min);

    [Test]
    public void Max() => CheckPairs(V.Max, MathF.Max);

    [Test]
    public void Larger()
    {
        static float Number(float x) => float.IsNaN(x) ? 1 : x;
        static V Numbers(V x) => V.IfEqual(x, x, x, V.One);
        CheckPairs((a, b) => V.Larger(Numbers(a), Numbers(b)) + V.Zero, (a, b) => MathF.Max(Number(a), Number(b)) + 0f);      // either zero
    }

    [Test]
    public void NormalProbability()
    {
        for (float x = -7; x < 7; x += 1e-3f)
        {
            double exact = .5 + .5 * Float64Math.Erf(x * Math.Sqrt(.5));
            float one = Float32x1.Sum(Float32x1.NormalProbability(Float32x1.Create(x)));
            if (!(Math.Abs(one - exact) <= 2e-7)) Assert.Fail($"{x:R}: {one:R}, but {exact:R} was expected.");
            CheckLanes(V.NormalProbability(V.Create(x)), _ => one);
        }
        CheckLanes(V.NormalProbability(V.Create(float.PositiveInfinity)), _ => 1);
        CheckLanes(V.NormalProbability(V.Create(5.5f)), _ => 1);
        CheckLanes(V.NormalProbability(V.Create(-5.5f)), _ => 0);
        CheckLanes(V.NormalProbability(V.Create(float.NegativeInfinity)), _ => 0);
        CheckLanes(V.NormalProbability(V.Create(float.NaN)), _ => float.NaN);
    }

    [Test]
    public void Abs() => CheckPairs((a, _) => V.Abs(a), (a, _) => MathF.Abs(a));

    [Test]
    public void Sqrt() => CheckPairs((a, _) => V.Sqrt(a), (a, _) => MathF.Sqrt(a));

    [Test]
    public void IfLess() => CheckPairs((a, b) => V.IfLess(a, b, V.One, b), (a, b) => a < b ? 1 : b);

    [Test]
    public void IfLessOrEqual() => CheckPairs((a, b) => V.IfLessOrEqual(a, b, V.One, b), (a, b) => a <= b ? 1 : b);

    [Test]
    public void IfEqual() => CheckPairs((a, b) => V.IfEqual(a, b, V.One, b), (a, b) => a == b ? 1 : b);

    [Test]
    public void FmaOfSpecialValues([ValueSource(typeof(Special), nameof(Special.Values))] float c) =>
        CheckPairs((a, b) => V.Fma(a, b, V.Create(c)), (a, b) => FusedInDoubles.IsNeeded ? a * b + c : MathF.FusedMultiplyAdd(a, b, c));

    [Test]
    public void FmaRoundsOnceWhereThereIsAnInstruction()
    {
        // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24: lost if the product is rounded first.
        float a = 1 + 1 / 4096f, c = -(1 + 1 / 2048f);
        CheckLanes(V.Fma(V.Create(a), V.Create(a), V.Create(c)), _ => FusedInDoubles.IsNeeded ? 0 : 1 / 16777216f);
    }

    [Test]
    public void Constants()
    {
        CheckLanes(V.Zero, _ => 0);
        CheckLanes(V.One, _ => 1);
        CheckLanes(V.Constant(Math.PI), _ => MathF.PI);
        CheckLanes(V.Create(2.5f), _ => 2.5f);
        Assert.That(V.Count, Is.EqualTo(Unsafe.SizeOf<V>() / sizeof(float)));
    }

    [Test]
    public void LoadAndStoreKeepTheOrderOfLanesAtAnyAlignment()
    {
        float* memory = stackalloc float[V.Count + 2], copy = stackalloc float[V.Count + 2];
        for (int i = 0; i < V.Count + 2; i++) (memory[i], copy[i]) = (i, Guard);
        V.Store(copy + 1, V.Load(memory + 1));
        for (int i = 0; i < V.Count + 2; i++) Assert.That(copy[i], Is.EqualTo(i == 0 || i == V.Count + 1 ? Guard : i));
    }

    [Test]
    public void LoadPartialFillsTheRemainingLanes()
    {
        float* memory = stackalloc float[V.Count];
        for (int count = 0; count <= V.Count; count++)
        {
            for (int i = 0; i < V.Count; i++) memory[i] = i < count ? i + 1 : Guard;
            CheckLanes(V.LoadPartial(memory, count, -7), i => i < count ? i + 1 : -7);
        }
    }

    [Test]
    public void StorePartialWritesNothingBeyond()
    {
        float* lanes = stackalloc float[V.Count], memory = stackalloc float[V.Count + 2];
        for (int i = 0; i < V.Count; i++) lanes[i] = i + 1;
        for (int count = 0; count <= V.Count; count++)
        {
            new Span<float>(memory, V.Count + 2).Fill(Guard);
            V.StorePartial(memory + 1, V.Load(lanes), count);
            for (int i = 0; i < V.Count + 2; i++) Assert.That(memory[i], Is.EqualTo(i >= 1 && i <= count ? i : Guard), $"count {count}, {i}");
        }
    }

    [Test]
    public void StoreStreamingWritesOneVector()
    {
        float* memory = (float*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc((nuint)(3 * V.Count * sizeof(float)), 64);
        new Span<float>(memory, 3 * V.Count).Fill(Guard);
        V.StoreStreaming(memory + V.Count, V.Create(2));
        for (int i = 0; i < 3 * V.Count; i++) Assert.That(memory[i], Is.EqualTo(i / V.Count == 1 ? 2 : Guard), $"{i}");
        System.Runtime.InteropServices.NativeMemory.AlignedFree(memory);
    }

    [Test]
    public void NoMemoryIsTouchedForNoLanes()
    {
        CheckLanes(V.LoadPartial(null, 0, 3), _ => 3);
        CheckLanes(V.LoadPartial(null, -V.Count, 3), _ => 3);
        Assert.That(() => V.StorePartial(null, V.One, 0), Throws.Nothing);
    }

    [Test]
    public void SumAddsHalves()
    {
        float* lanes = stackalloc float[V.Count];
        var random = new Random(1);
        for (int i = 0; i < V.Count; i++) lanes[i] = random.NextSingle() * MathF.Pow(10, random.Next(8));
        var a = V.Load(lanes);
        for (int half = V.Count / 2; half > 0; half /= 2)
            for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
        Assert.That(V.Sum(a), Is.EqualTo(lanes[0]));
    }

    [Test]
    public void MaxLaneIsTheLargestAndNaNIfAnyIs()
    {
        float* lanes = stackalloc float[V.Count];
        for (int at = 0; at < V.Count; at++)
        {
            for (int i = 0; i < V.Count; i++) lanes[i] = i == at ? -1 : -2 - i;
            Assert.That(V.MaxLane(V.Load(lanes)), Is.EqualTo(-1f));
            lanes[at] = float.NaN;
            Assert.That(V.MaxLane(V.Load(lanes)), Is.NaN);
        }
    }

    [Test]
    public void FirstNonZeroIsTheFirstLaneThatIsNotZeroOrTheirCount([Values(1, -2, float.NaN, float.Epsilon, float.NegativeInfinity)] float value)
    {
        float* lanes = stackalloc float[V.Count];
        Assert.That(V.FirstNonZero(V.Zero), Is.EqualTo(V.Count));
        Assert.That(V.FirstNonZero(-V.Zero), Is.EqualTo(V.Count));
        for (int first = 0; first < V.Count; first++)
            for (int last = first; last < V.Count; last++)
            {
                for (int i = 0; i < V.Count; i++) lanes[i] = i == first || i == last ? value : i % 2 * -0f;
                Assert.That(V.FirstNonZero(V.Load(lanes)), Is.EqualTo(first), $"lanes {first} and {last}");
                Assert.That(IsFirst(V.Load(lanes)), Is.EqualTo(first == 0), $"lanes {first} and {last}, compiled as a comparison with 0");
            }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    static bool IsFirst(V a) => V.FirstNonZero(a) == 0;

    // Every pair of special values passes through every lane.
    static void CheckPairs(Func<V, V, V> vector, Func<float, float, float> scalar)
    {
        float* a = stackalloc float[V.Count], b = stackalloc float[V.Count], y = stackalloc float[V.Count];
        float[] values = Special.Values;
        int pairs = values.Length * values.Length;
        for (int start = 0; start < pairs; start++)
        {
            for (int i = 0; i < V.Count; i++)
                (a[i], b[i]) = (values[(start + i) % pairs / values.Length], values[(start + i) % values.Length]);
            V.Store(y, vector(V.Load(a), V.Load(b)));
            for (int i = 0; i < V.Count; i++)
            {
                if (!Special.SameBits(y[i], scalar(a[i], b[i])))
                    Assert.Fail($"({a[i]:R}, {b[i]:R}) gives {y[i]:R} in lane {i}, expected {scalar(a[i], b[i]):R}");
            }
        }
    }

    static void CheckLanes(V a, Func<int, float> expected)
    {
        float* lanes = stackalloc float[V.Count];
        V.Store(lanes, a);
        for (int i = 0; i < V.Count; i++) Assert.That(lanes[i], Is.EqualTo(expected(i)), $"lane {i}");
    }
}
