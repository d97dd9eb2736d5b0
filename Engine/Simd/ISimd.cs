using System.Numerics;

namespace NeuralMemory.Simd;

/// <summary>
/// <typeparamref name="V"/> is a vector of <see cref="Count"/> lanes of real numbers. A formula is written once against this interface and compiled
/// for every width: 512, 256 and 128 bits, one float, and one double, which is the reference.
/// </summary>
/// <remarks>
/// Lane i of a result depends on lane i of the arguments alone, and every width rounds alike, so that a loop's tail may be run one lane at a
/// time without changing a bit of the result. Conditions are written as selections (<see cref="IfLess"/>) and not as masks, so that the same
/// formulas compile for a GPU's single lane.
/// </remarks>
public interface ISimd<V> where V : struct, ISimd<V>
{
    /// <summary>Lanes in a vector.</summary>
    static abstract int Count { get; }

    /// <summary>All lanes zero.</summary>
    static abstract V Zero { get; }

    /// <summary>All lanes one.</summary>
    static abstract V One { get; }

    /// <summary>All lanes <paramref name="value"/>, rounded to the lanes' type.</summary>
    static abstract V Constant(double value);

    /// <summary>a + b.</summary>
    static abstract V operator +(V a, V b);

    /// <summary>a - b.</summary>
    static abstract V operator -(V a, V b);

    /// <summary>a * b.</summary>
    static abstract V operator *(V a, V b);

    /// <summary>a / b.</summary>
    static abstract V operator /(V a, V b);

    /// <summary>-a.</summary>
    static abstract V operator -(V a);

    /// <summary>a * b + c, with one rounding where the processor has an instruction for it: with AVX2, and on ARM64. Elsewhere the product is rounded too; one rounding would take a call a lane.</summary>
    static abstract V Fma(V a, V b, V c);

    /// <summary>The smaller of the two; NaN where either is NaN.</summary>
    static abstract V Min(V a, V b);

    /// <summary>The larger of the two; NaN where either is NaN.</summary>
    static abstract V Max(V a, V b);

    /// <summary>The larger of the two; either of them where one is NaN. One instruction, where <see cref="Max"/> is three.</summary>
    static abstract V Larger(V a, V b);

    /// <summary>|a|.</summary>
    static abstract V Abs(V a);

    /// <summary>Square root.</summary>
    static abstract V Sqrt(V a);

    /// <summary>a &lt; b ? <paramref name="then"/> : <paramref name="otherwise"/>, lane by lane; false where either is NaN.</summary>
    static abstract V IfLess(V a, V b, V then, V otherwise);

    /// <summary>a &lt;= b ? <paramref name="then"/> : <paramref name="otherwise"/>, lane by lane; false where either is NaN.</summary>
    static abstract V IfLessOrEqual(V a, V b, V then, V otherwise);

    /// <summary>a == b ? <paramref name="then"/> : <paramref name="otherwise"/>, lane by lane; false where either is NaN.</summary>
    static abstract V IfEqual(V a, V b, V then, V otherwise);

    /// <summary>e^x.</summary>
    static abstract V Exp(V x);

    /// <summary>Natural logarithm; NaN below zero, -infinity at zero.</summary>
    static abstract V Log(V x);

    /// <summary>Hyperbolic tangent.</summary>
    static abstract V Tanh(V x);

    /// <summary>1 / (1 + e^-x).</summary>
    static abstract V Sigmoid(V x);

    /// <summary>log(1 + e^x).</summary>
    static abstract V Softplus(V x);

    /// <summary>The error function.</summary>
    static abstract V Erf(V x);

    /// <summary>P(x) = (1 + erf(x / sqrt 2)) / 2, the probability that a normal variable is less than x, to 2e-7; 0 and 1 beyond 5.5. In double, to the last digits.</summary>
    static abstract V NormalProbability(V x);

    /// <summary>Sine; x in radians.</summary>
    static abstract V Sin(V x);

    /// <summary>Cosine; x in radians.</summary>
    static abstract V Cos(V x);

    /// <summary>x^y as <see cref="MathF.Pow"/> defines it, special values included.</summary>
    static abstract V Pow(V x, V y);
}

/// <summary>A vector whose lanes are of type <typeparamref name="T"/>: what a kernel's loop needs beside the formula, reading, writing and reducing.</summary>
/// <remarks>Horizontal functions such as <see cref="Sum"/> combine lanes in an order that depends on the width.</remarks>
public unsafe interface ISimd<V, T> : ISimd<V>
    where V : struct, ISimd<V, T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>All lanes <paramref name="value"/>.</summary>
    static abstract V Create(T value);

    /// <summary>Reads <c>Count</c> values from <paramref name="source"/>; any alignment.</summary>
    static abstract V Load(T* source);

    /// <summary>Reads <paramref name="count"/> values, <c>Count</c> at most and none below 1; the remaining lanes are <paramref name="fill"/>. Reads nothing beyond.</summary>
    static abstract V LoadPartial(T* source, int count, T fill);

    /// <summary>Writes <c>Count</c> values to <paramref name="destination"/>; any alignment.</summary>
    static abstract void Store(T* destination, V value);

    /// <summary>
    /// Writes <c>Count</c> values past the cache, where the processor can: what is not read again soon then displaces nothing there, nor is it read before it is written.
    /// <paramref name="destination"/> is a multiple of the vector's size. Before another thread reads them, <see cref="Streaming.End"/>.
    /// </summary>
    static abstract void StoreStreaming(T* destination, V value);

    /// <summary>Writes the first <paramref name="count"/> lanes, 0 to <c>Count</c>, and nothing beyond.</summary>
    static abstract void StorePartial(T* destination, V value, int count);

    /// <summary>Sum of all lanes, pairwise: halves are added until one lane is left.</summary>
    static abstract T Sum(V a);

    /// <summary>The largest lane; NaN where any is NaN.</summary>
    static abstract T MaxLane(V a);

    /// <summary>The number of the first lane that is not 0, or <c>Count</c> where all are.</summary>
    static abstract int FirstNonZero(V a);
}
