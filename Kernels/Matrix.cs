using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>A matrix somewhere in memory: element (i, j) lies at <c>Address + i * RowStride + j * ColumnStride</c>. Transposing or slicing copies nothing.</summary>
/// <param name="address">Element (0, 0), which must stay where it is for as long as the matrix is used.</param>
/// <param name="rows">The number of rows.</param>
/// <param name="columns">The number of columns.</param>
/// <param name="rowStride">Elements between a row and the next.</param>
/// <param name="columnStride">Elements between a column and the next.</param>
public readonly unsafe struct Matrix<T>(T* address, int rows, int columns, nint rowStride, nint columnStride) where T : unmanaged
{
    /// <summary>A matrix of which each row is contiguous and follows the one before.</summary>
    public Matrix(T* address, int rows, int columns) : this(address, rows, columns, columns, 1) { }

    /// <summary>Element (0, 0).</summary>
    public T* Address { get; } = address;

    /// <summary>The number of rows.</summary>
    public int Rows { get; } = rows;

    /// <summary>The number of columns.</summary>
    public int Columns { get; } = columns;

    /// <summary>Elements between a row and the next.</summary>
    public nint RowStride { get; } = rowStride;

    /// <summary>Elements between a column and the next.</summary>
    public nint ColumnStride { get; } = columnStride;

    /// <summary>Rows and columns exchanged.</summary>
    public Matrix<T> Transposed => new(Address, Columns, Rows, ColumnStride, RowStride);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal T* At(int row, int column) => Address + row * RowStride + column * ColumnStride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Matrix<T> Block(int row, int column, int rows, int columns) => new(At(row, column), rows, columns, RowStride, ColumnStride);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Matrix<T> Band(int row, int rows) => Block(row, 0, rows, Columns);
}
