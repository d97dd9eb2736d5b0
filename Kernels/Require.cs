using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>The checks that many operations share, made once at the public edge.</summary>
static class Require
{
    /// <exception cref="ShapeException">The elements are integers.</exception>
    public static void Float(string operation, Tensor x)
    {
        if (!x.DType.IsFloat()) throw new ShapeException(operation, $"{x.Shape} holds {x.DType}; Float32 or Float64 was expected.");
    }

    /// <exception cref="ShapeException">The elements are not integers.</exception>
    public static void Indices(string operation, Tensor indices)
    {
        if (indices.DType != DType.Int32) throw new ShapeException(operation, $"the indices {indices.Shape} are {indices.DType}; Int32 was expected.");
    }

    /// <exception cref="ShapeException">The elements are integers, or of two types.</exception>
    public static void SameFloat(string operation, Tensor a, Tensor b)
    {
        Float(operation, a);
        if (a.DType != b.DType) throw new ShapeException(operation, $"{a.DType} {a.Shape} and {b.DType} {b.Shape}: both must have the same type.");
    }

    /// <exception cref="ShapeException">The shapes differ.</exception>
    public static void SameShape(string operation, Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape) throw new ShapeException(operation, $"{a.Shape} and {b.Shape}: the shapes must be the same.");
    }

    /// <exception cref="ShapeException">The shape is not the expected one.</exception>
    public static void Shape(string operation, string argument, Tensor x, Shape expected)
    {
        if (x.Shape != expected) throw new ShapeException(operation, $"{argument} is {x.Shape}; {expected} was expected.");
    }

    /// <summary>Called after a loop over pointers: a tensor outside any step is freed once nothing refers to it, and a pointer does not.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Alive(params ReadOnlySpan<Tensor> tensors) { }
}
