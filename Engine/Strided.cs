using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>Copies between strided memory and spans, converting element types.</summary>
static unsafe class Strided
{
    /// <summary>What is done with an element of the target and one of the source.</summary>
    public interface IAction
    {
        static abstract void Apply<T>(ref T target, T source) where T : unmanaged, INumber<T>;

        /// <summary>The same for as many elements as the widest vector of this machine has.</summary>
        static abstract Vector<T> Apply<T>(Vector<T> target, Vector<T> source) where T : unmanaged, INumber<T>;
    }

    /// <summary>target = source.</summary>
    public readonly struct Assign : IAction
    {
        public static void Apply<T>(ref T target, T source) where T : unmanaged, INumber<T> => target = source;
        public static Vector<T> Apply<T>(Vector<T> target, Vector<T> source) where T : unmanaged, INumber<T> => source;
    }

    /// <summary>target += source.</summary>
    public readonly struct Accumulate : IAction
    {
        public static void Apply<T>(ref T target, T source) where T : unmanaged, INumber<T> => target += source;
        public static Vector<T> Apply<T>(Vector<T> target, Vector<T> source) where T : unmanaged, INumber<T> => target + source;
    }

    /// <summary>Visits the elements of two tensors of one shape, in the order of their indices from dimension <paramref name="d"/> on.</summary>
    public static void ForEach<T, TAction>(T* target, T* source, Shape shape, Shape targetStrides, Shape sourceStrides, int d = 0)
        where T : unmanaged, INumber<T> where TAction : struct, IAction
    {
        if (d == shape.Rank)
        {
            TAction.Apply(ref *target, *source);
            return;
        }
        int size = shape[d], targetStride = targetStrides[d], sourceStride = sourceStrides[d];
        if (d < shape.Rank - 1)
            for (int i = 0; i < size; i++)
                ForEach<T, TAction>(target + (long)i * targetStride, source + (long)i * sourceStride, shape, targetStrides, sourceStrides, d + 1);
        else
        {
            int i = 0;
            if (targetStride == 1 && sourceStride == 1)
                for (; i <= size - Vector<T>.Count; i += Vector<T>.Count) TAction.Apply(Vector.Load(target + i), Vector.Load(source + i)).Store(target + i);
            for (; i < size; i++) TAction.Apply(ref target[(long)i * targetStride], source[(long)i * sourceStride]);
        }
    }

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
