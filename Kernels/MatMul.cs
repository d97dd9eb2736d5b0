namespace NeuralMemory;

/// <summary>The matrix product y = a b, of vectors and of batches of matrices too.</summary>
/// <remarks>
/// Shapes as in <c>torch.matmul</c>: [..., m, k] x [..., k, n] gives [..., m, n], where the leading dimensions broadcast. A vector a is one row and a vector b one
/// column, and the dimension that this adds is missing from the result.
/// </remarks>
public sealed class MatMul : Operation<MatMul>
{
    /// <summary>Computes <c>a.MatMul(b)</c>.</summary>
    /// <exception cref="ShapeException">The inner sizes differ, the leading dimensions do not broadcast, or the types differ or are not real.</exception>
    public static Tensor Apply(Tensor a, Tensor b)
    {
        Shape shape = BatchShape(a, b);
        int batch = shape.Rank;
        if (a.Rank > 1) shape = shape.Concat([a.Shape[^2]]);
        if (b.Rank > 1) shape = shape.Concat([b.Shape[^1]]);
        Tensor y = Tensor.Empty(shape, a.DType);

        BatchedGemm gemm = new(Rows(a), Columns(b), a.Shape[^1], Left(a), Right(b), Result(y, a, b));
        for (int d = batch - 1; d >= 0; d--) gemm.Add(y.Shape[d], BatchStride(a, d - batch), BatchStride(b, d - batch), y.Strides[d]);
        gemm.Run(a, b, y, accumulate: false);
        Record(y, a, b);
        return y;
    }

    /// <inheritdoc/>
    protected override void Backward()
    {
        Tensor a = Input(0), b = Input(1), dy = OutputGradient();
        int m = Rows(a), n = Columns(b), k = a.Shape[^1], batch = BatchShape(a, b).Rank;
        if (NeedsGradient(0))               // dL/da = dL/dy b^T, summed over the dimensions along which a was broadcast
        {
            Tensor da = InputGradient(0, out bool isZero);   // [m, k] = [m, n] [n, k]
            BatchedGemm gemm = new(m, k, n, Result(dy, a, b), Right(b).Transposed, Left(da));
            for (int d = batch - 1; d >= 0; d--) gemm.Add(dy.Shape[d], dy.Strides[d], BatchStride(b, d - batch), BatchStride(da, d - batch));
            gemm.Run(dy, b, da, accumulate: !isZero);
        }
        if (NeedsGradient(1))               // dL/db = a^T dL/dy, likewise
        {
            Tensor db = InputGradient(1, out bool isZero);   // [k, n] = [k, m] [m, n]
            BatchedGemm gemm = new(k, n, m, Left(a).Transposed, Result(dy, a, b), Right(db));
            for (int d = batch - 1; d >= 0; d--) gemm.Add(dy.Shape[d], BatchStride(a, d - batch), dy.Strides[d], BatchStride(db, d - batch));
            gemm.Run(a, dy, db, accumulate: !isZero);
        }
    }

    static int Rows(Tensor a) => a.Rank == 1 ? 1 : a.Shape[^2];
    static int Columns(Tensor b) => b.Rank == 1 ? 1 : b.Shape[^1];

    static MatrixLayout Left(Tensor a) => new(a.Rank == 1 ? 0 : a.Strides[^2], a.Strides[^1]);
    static MatrixLayout Right(Tensor b) => b.Rank == 1 ? new(b.Strides[0], 0) : new(b.Strides[^2], b.Strides[^1]);
    static MatrixLayout Result(Tensor y, Tensor a, Tensor b) => new(a.Rank == 1 ? 0 : y.Strides[b.Rank == 1 ? ^1 : ^2], b.Rank == 1 ? 0 : y.Strides[^1]);

    /// <summary>The stride of a batch dimension, -1 being the innermost; 0 where the tensor lacks it or is broadcast along it.</summary>
    static int BatchStride(Tensor t, int dimension)
    {
        int d = t.Rank - 2 + dimension;
        return d < 0 || t.Shape[d] == 1 ? 0 : t.Strides[d];
    }

    /// <summary>The leading dimensions of the result.</summary>
    static Shape BatchShape(Tensor a, Tensor b)
    {
        Shape left = a.Shape, right = b.Shape;
        if (a.DType != b.DType || !a.DType.IsFloat())
            throw new ShapeException("MatMul", $"a {a.DType} {left} x b {b.DType} {right}: one real type was expected.");
        if (left.Rank == 0 || right.Rank == 0)
            throw new ShapeException("MatMul", $"a {left} x b {right}: a single number has no rows and columns; multiply with *.");
        int rows = right.Rank == 1 ? right[0] : right[^2];
        if (left[^1] != rows)
        {
            string inA = left.Rank == 1 ? "elements" : "columns", inB = right.Rank == 1 ? "elements" : "rows";
            throw new ShapeException("MatMul", $"a {left} x b {right}: a has {left[^1]} {inA} but b has {rows} {inB}.");
        }

        Span<int> sizes = stackalloc int[Math.Max(0, Math.Max(left.Rank, right.Rank) - 2)];
        for (int d = 1; d <= sizes.Length; d++)
        {
            int sizeA = d + 2 <= left.Rank ? left[left.Rank - 2 - d] : 1, sizeB = d + 2 <= right.Rank ? right[right.Rank - 2 - d] : 1;
            if (sizeA != sizeB && sizeA != 1 && sizeB != 1)
                throw new ShapeException("MatMul", $"a {left} x b {right}: dimension {-d - 2} is {sizeA} in a and {sizeB} in b, and neither is 1.");
            sizes[^d] = sizeA == 1 ? sizeB : sizeA;
        }
        return new(sizes);
    }
}

/// <summary>Adds <see cref="MatMul"/> to tensors.</summary>
public static class MatMulExtensions
{
    extension(Tensor a)
    {
        /// <summary>The matrix product a b: [..., m, k] x [..., k, n] gives [..., m, n]; leading dimensions broadcast, vectors as in <c>torch.matmul</c>.</summary>
        /// <exception cref="ShapeException">The inner sizes differ, the leading dimensions do not broadcast, or the types differ or are not real.</exception>
        public Tensor MatMul(Tensor b) => NeuralMemory.MatMul.Apply(a, b);
    }
}
