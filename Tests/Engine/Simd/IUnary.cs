using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory.Tests.Simd;

/// <summary>A function of <see cref="ISimd{V,T}"/>, so that one test body serves every function at every width; the reference is <see cref="Float64x1"/>.</summary>
public interface IUnary
{
    static abstract V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>;
}

public struct Exp : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Exp(x);
}

public struct Log : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Log(x);
}

public struct Tanh : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Tanh(x);
}

public struct Sigmoid : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Sigmoid(x);
}

public struct Softplus : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Softplus(x);
}

public struct Erf : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Erf(x);
}

public struct Sin : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Sin(x);
}

public struct Cos : IUnary
{
    public static V Apply<V, T>(V x) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.Cos(x);
}
