using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>Copies between strided memory and spans, converting element types.</summary>
static unsafe class Strided
{
    /// <summary>Copies all elements in the order of their indices.</summary>
    public static void Copy<TSource, T>(TSource* source, Shape shape, Shape strides, Span<T> destination)
        where TSource : unmanaged, INumber<TSource> where T : unmanaged, INumber<T>
    {
        if (destination.IsEmpty) return;
        if (shape.Rank == 0)
        {
            destination[0] = T.CreateTruncating(*source);
            return;
        }
        int inner = shape[^1], innerStride = strides[^1];
        Span<int> index = stackalloc int[Shape.MaxRank];
        index.Clear();
        for (int done = 0; done < destination.Length; done += inner)
        {
            TSource* row = source;
            for (int d = 0; d < shape.Rank - 1; d++) row += (long)index[d] * strides[d];
            Span<T> target = destination.Slice(done, inner);
            if (innerStride == 1) Convert(new ReadOnlySpan<TSource>(row, inner), target);
            else for (int i = 0; i < inner; i++) target[i] = T.CreateTruncating(row[(long)i * innerStride]);
            for (int d = shape.Rank - 2; d >= 0 && ++index[d] == shape[d]; d--) index[d] = 0;
        }
    }

    /// <summary>Converts as many values as the source has.</summary>
    public static void Convert<TSource, T>(ReadOnlySpan<TSource> source, T* destination)
        where TSource : unmanaged, INumber<TSource> where T : unmanaged, INumber<T> => Convert(source, new Span<T>(destination, source.Length));

    static void Convert<TSource, T>(ReadOnlySpan<TSource> source, Span<T> destination)
        where TSource : unmanaged, INumber<TSource> where T : unmanaged, INumber<T>
    {
        if (typeof(TSource) == typeof(T))
            Unsafe.BitCast<ReadOnlySpan<TSource>, ReadOnlySpan<T>>(source).CopyTo(destination);
        else
            for (int i = 0; i < source.Length; i++) destination[i] = T.CreateTruncating(source[i]);
    }
}
