using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>What a tensor's elements are.</summary>
public enum DType : byte
{
    /// <summary>IEEE single precision: what networks compute in.</summary>
    Float32,

    /// <summary>IEEE double precision: the reference, in which gradients are checked.</summary>
    Float64,

    /// <summary>32-bit signed integers: indices and class labels. They carry no gradient.</summary>
    Int32,
}

/// <summary>Facts about element types.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType type) => type == DType.Float64 ? sizeof(double) : sizeof(float);

    /// <summary>Whether the elements are real numbers, which can carry a gradient.</summary>
    public static bool IsFloat(this DType type) => type != DType.Int32;

    /// <summary>The element type whose .NET type is <typeparamref name="T"/>.</summary>
    /// <exception cref="NotSupportedException"><typeparamref name="T"/> is not float, double or int.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DType Of<T>() where T : unmanaged =>
        typeof(T) == typeof(float) ? DType.Float32 :
        typeof(T) == typeof(double) ? DType.Float64 :
        typeof(T) == typeof(int) ? DType.Int32 :
        throw new NotSupportedException($"A tensor's elements are float, double or int, not {typeof(T).Name}.");
}
