using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Copies parts of a matrix into the order in which the micro-kernel reads them, so that it walks through memory one line after another.</summary>
static unsafe class GemmPacking
{
    [ThreadStatic] static byte[]? buffer;

    /// <summary>At least <paramref name="count"/> values of this thread's own, aligned to a cache line, undefined, valid until the next call on this thread.</summary>
    public static T* Scratch<T>(long count) where T : unmanaged
    {
        long bytes = count * sizeof(T) + 64;
        if (buffer is null || buffer.Length < bytes) buffer = GC.AllocateUninitializedArray<byte>(checked((int)bytes), pinned: true);
        fixed (byte* start = buffer) return (T*)(((nint)start + 63) & -64);
    }

    /// <summary>Column by column: element (i, j) goes to <c>to[i + j * rows]</c>. What a tile reads of A.</summary>
    public static void Columns<T>(Matrix<T> from, T* to) where T : unmanaged
    {
        for (int i = 0; i < from.Rows; i++)
        {
            T* source = from.At(i, 0), target = to + i;
            for (int j = 0; j < from.Columns; j++, source += from.ColumnStride, target += from.Rows) *target = *source;
        }
    }

    /// <summary>Row by row, each <paramref name="width"/> values long and filled up with zeros. What a tile reads of B.</summary>
    public static void Rows<V, T>(Matrix<T> from, T* to, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < from.Rows; i++, to += width)
        {
            T* source = from.At(i, 0);
            for (int j = 0; j < from.Columns; j++, source += from.ColumnStride) to[j] = *source;
            for (int j = from.Columns; j < width; j++) to[j] = T.Zero;
        }
    }
}
