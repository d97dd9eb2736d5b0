using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// A matrix of weights W [inner, outer], laid out for the products v W that a fused recurrence makes at every step: columns in panels, each panel one row after the other.
/// </summary>
/// <remarks>
/// A product walks through the matrix line after line, which is what the prefetching of a processor follows; rows of 400 columns, of which four vectors are read at a time, it does not follow. The
/// rows of a product's result are padded to whole vectors, and what comes out there is undefined.
/// </remarks>
readonly unsafe struct Panels
{
    /// <summary>Columns of a panel but the last, which has as many as are left.</summary>
    const int Columns = 64;

    readonly Tensor memory;
    readonly int inner, outer;

    Panels(int inner, int outer, DType type) => (this.inner, this.outer, memory) = (inner, Recurrence.Pad(outer), Tensor.Empty([inner, Recurrence.Pad(outer)], type));

    /// <summary>The matrix itself, with any strides.</summary>
    public static Panels Of(Tensor matrix)
    {
        Panels panels = new(matrix.Shape[0], matrix.Shape[1], matrix.DType);
        panels.Put(matrix, 0, 0);
        return panels;
    }

    /// <summary>One matrix on top of another: the product adds those of both, whose vectors follow each other.</summary>
    public static Panels Above(Tensor top, Tensor bottom)
    {
        Panels panels = new(top.Shape[0] + bottom.Shape[0], top.Shape[1], top.DType);
        panels.Put(top, 0, 0);
        panels.Put(bottom, top.Shape[0], 0);
        return panels;
    }

    /// <summary>One matrix beside another: the results of both follow each other.</summary>
    public static Panels Beside(Tensor left, Tensor right)
    {
        Panels panels = new(left.Shape[0], left.Shape[1] + right.Shape[1], left.DType);
        panels.Put(left.Contiguous(), 0, 0);
        panels.Put(right.Contiguous(), 0, left.Shape[1]);
        return panels;
    }

    void Put(Tensor block, int row, int column)
    {
        int first = column / Columns, last = (column + block.Shape[1] - 1) / Columns;
        if (block.Count > 0) Cpu.For(block.DType, last + 1 - first, Cpu.Rows(Columns * block.Shape[0]), new Packing(this, block, row, column, first));
    }

    /// <summary>Puts a block's columns into panels, counted from the <paramref name="first"/> that has any.</summary>
    readonly struct Packing(Panels panels, Tensor block, int row, int column, int first) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Matrix<T> columns = new Matrix<T>(block.Pointer<T>(), block.Shape[0], block.Shape[1], block.Strides[0], block.Strides[1]).Transposed;
            for (int i = first + start; i < first + end; i++)
            {
                int panel = i * Columns, width = Math.Min(Columns, panels.outer - panel), from = Math.Max(column, panel), count = Math.Min(column + columns.Rows, panel + width) - from;
                GemmPacking.Interleave<V, T>(columns.Block(from - column, 0, count, columns.Columns),
                    panels.memory.Pointer<T>() + (long)panel * panels.inner + (long)row * width + (from - panel), width, spills: false);
            }
        }
    }

    /// <summary>z[g] += v[g] W for each sequence g of a group, whose rows are <paramref name="vStride"/> and <paramref name="zStride"/> apart.</summary>
    public void MultiplyAdd<V, T>(T* v, int vStride, T* z, int zStride, int group) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T* w = memory.Pointer<T>();
        for (int o = 0, width; o < outer; o += width, w += (long)inner * width)
        {
            width = Math.Min(Columns, outer - o);
            Recurrence.MultiplyAdd<V, T>(w, width, v, vStride, inner, z + o, zStride, width, group);
        }
    }
}
