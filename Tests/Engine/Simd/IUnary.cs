using NeuralMemory.Simd;

namespace NeuralMemory.Tests.Simd;

/// <summary>A function of <see cref="ISimd{V}"/>: one test body serves every function at every width, and <see cref="Float64x1"/> judges.</summary>
public interface IUnary
{
    static abstract V Apply<V>(V x) where V : struct, ISimd<V>;
}

public struct Exp : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Exp(x);
}

public struct Log : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Log(x);
}

public struct Tanh : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Tanh(x);
}

public struct Sigmoid : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Sigmoid(x);
}

public struct Softplus : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Softplus(x);
}

public struct Erf : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Erf(x);
}

public struct Sin : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Sin(x);
}

public struct Cos : IUnary
{
    public static V Apply<V>(V x) where V : struct, ISimd<V> => V.Cos(x);
}
