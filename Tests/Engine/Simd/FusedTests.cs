using System.Runtime.Intrinsics;
using NeuralMemory.Simd;
using NUnit.Framework;

namespace NeuralMemory.Tests.Simd;

/// <summary>a b + c with one rounding: of every width, and of the one that goes through doubles, whatever this processor has.</summary>
public unsafe class FusedTests
{
    static readonly (float A, float B, float C)[] hard =
    [
        (1 + 1 / 4096f, 1 + 1 / 4096f, -(1 + 1 / 2048f)),                                                  // 2^-24: lost if the product is rounded first
        (float.ScaleB(1 + float.ScaleB(1, -20), -24), 1 - float.ScaleB(1, -20), 1 + float.ScaleB(1, -23)), // half way between two floats in double precision, and below in truth
        (float.ScaleB(1 + float.ScaleB(1, -20), -24), 1 + float.ScaleB(1, -20), 1),                        // half way, and above
        (-float.ScaleB(1 + float.ScaleB(1, -20), -24), 1 + float.ScaleB(1, -20), -1),
        (float.ScaleB(1 + float.ScaleB(1, -20), -24), float.ScaleB(1, -40), 1 + float.ScaleB(1, -23)),
        (float.MaxValue, 2, -float.MaxValue),
        (float.MaxValue, 1, float.ScaleB(1, 103)),
        (float.Epsilon, .5f, float.Epsilon),
        (float.ScaleB(1 + float.ScaleB(1, -23), -75), float.ScaleB(1, -75), float.Epsilon),                // a subnormal sum
    ];

    [Test]
    public void Every_width_rounds_once()
    {
        Check<Float32x16>();
        Check<Float32x8>();
        Check<Float32x4>();
        Check<Float32x1>();
    }

    static void Check<V>() where V : struct, IFloat32Bits<V> => Check(typeof(V).Name, (a, b, c) =>
    {
        float* lanes = stackalloc float[V.Count];
        V.Store(lanes, V.Fused(V.Create(a), V.Create(b), V.Create(c)));
        return lanes[V.Count - 1];
    });

    [Test]
    public void In_doubles_the_sum_is_rounded_once([Range(0, 3)] int lane) => Check($"lane {lane}", (a, b, c) =>
        FusedInDoubles.Run(Only(lane, a), Only(lane, b), Only(lane, c))[lane]);

    static Vector128<float> Only(int lane, float x) => Vector128<float>.Zero.WithElement(lane, x);

    static void Check(string what, Func<float, float, float, float> fused)
    {
        void Same(float a, float b, float c)
        {
            float actual = fused(a, b, c), expected = MathF.FusedMultiplyAdd(a, b, c);
            if (!Special.SameBits(actual, expected)) Assert.Fail($"{what}: {a:g9} * {b:g9} + {c:g9} is {actual:g9}; {expected:g9} was expected");
        }
        foreach (var (a, b, c) in hard) Same(a, b, c);
        foreach (float a in Special.Values)
            foreach (float b in Special.Values)
                foreach (float c in Special.Values) Same(a, b, c);
        Random random = new(1);
        for (int i = 0; i < 200_000; i++)
        {
            float Any() => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
            Same(Any(), Any(), Any());
            float a = Any(), b = Any(), c = -a * b;                                                       // most of the sum cancels
            Same(a, b, c);
            Same(a, b, MathF.BitIncrement(c));
            Same(a, b, float.ScaleB(c * (1 + random.NextSingle()), random.Next(-30, 30)));                 // their bits overlap in every way
        }
    }
}
