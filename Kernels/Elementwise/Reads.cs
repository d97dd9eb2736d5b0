using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Which arguments a formula reads: computed with these in place of numbers, its result says so, so that a backward pass need not go through tensors that it has no use for: in their place it gives the result's gradient, which it reads anyway. A formula that
/// chooses between two is taken to read both.
/// </summary>
/// <param name="arguments">A bit for each.</param>
readonly struct Reads(int arguments) : ISimd<Reads>
{
    readonly int arguments = arguments;

    /// <summary>Whether argument <paramref name="k"/> is read.</summary>
    public bool this[int k] => (arguments >> k & 1) != 0;

    /// <summary>Argument <paramref name="k"/> itself.</summary>
    public static Reads Argument(int k) => new(1 << k);

    public static int Count => 1;
    public static Reads Zero => default;
    public static Reads One => default;
    public static Reads Constant(double value) => default;
    public static Reads operator +(Reads a, Reads b) => new(a.arguments | b.arguments);
    public static Reads operator -(Reads a, Reads b) => a + b;
    public static Reads operator *(Reads a, Reads b) => a + b;
    public static Reads operator /(Reads a, Reads b) => a + b;
    public static Reads operator -(Reads a) => a;
    public static Reads Fma(Reads a, Reads b, Reads c) => a + b + c;
    public static Reads Min(Reads a, Reads b) => a + b;
    public static Reads Max(Reads a, Reads b) => a + b;
    public static Reads Larger(Reads a, Reads b) => a + b;
    public static Reads Abs(Reads a) => a;
    public static Reads Sqrt(Reads a) => a;
    public static Reads IfLess(Reads a, Reads b, Reads then, Reads otherwise) => a + b + then + otherwise;
    public static Reads IfLessOrEqual(Reads a, Reads b, Reads then, Reads otherwise) => a + b + then + otherwise;
    public static Reads IfEqual(Reads a, Reads b, Reads then, Reads otherwise) => a + b + then + otherwise;
    public static Reads Exp(Reads x) => x;
    public static Reads Log(Reads x) => x;
    public static Reads Tanh(Reads x) => x;
    public static Reads Sigmoid(Reads x) => x;
    public static Reads Softplus(Reads x) => x;
    public static Reads Erf(Reads x) => x;
    public static Reads NormalProbability(Reads x) => x;
    public static Reads Sin(Reads x) => x;
    public static Reads Cos(Reads x) => x;
    public static Reads Pow(Reads x, Reads y) => x + y;
}
