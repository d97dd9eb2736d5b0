namespace NeuralMemory;

/// <summary>The affine map y = x W^T + b of the last dimension.</summary>
sealed class Linear : Operation<Linear>
{
    /// <summary>Computes <c>x.Linear(weight, bias)</c>.</summary>
    /// <exception cref="ShapeException">The sizes do not fit, or the types differ or are not real.</exception>
    public static Tensor Apply(Tensor x, Tensor weight, Tensor? bias = null)
    {
        Check(x, weight, bias);
        bias = bias?.Contiguous();
        Tensor y = Tensor.Empty(x.Shape.With(x.Rank - 1, weight.Shape[0]), x.DType);

        // [..., out] = [..., in] [in, out] + [out]
        BatchedGemm gemm = new(Rows(x), weight.Shape[0], weight.Shape[1], RowLayout(x), WeightLayout(weight).Transposed, RowLayout(y));
        for (int d = x.Rank - 3; d >= 0; d--) gemm.Add(x.Shape[d], x.Strides[d], 0, y.Strides[d]);
        gemm.Run(x, weight, y, accumulate: false, bias);

        if (bias is { } b) Record(y, x, weight, b);
        else Record(y, x, weight);
        return y;
    }

    /// <inheritdoc/>
    protected override void Backward()
    {
        Tensor x = Input(0), weight = Input(1), dy = OutputGradient();
        int rows = Rows(x), outputs = weight.Shape[0], inputs = weight.Shape[1];
        if (NeedsGradient(0))                           // dL/dx = dL/dy W
        {
            Tensor dx = InputGradient(0, out bool isZero);   // [..., in] = [..., out] [out, in]
            BatchedGemm gemm = new(rows, inputs, outputs, RowLayout(dy), WeightLayout(weight), RowLayout(dx));
            for (int d = x.Rank - 3; d >= 0; d--) gemm.Add(x.Shape[d], dy.Strides[d], 0, dx.Strides[d]);
            gemm.Run(dy, weight, dx, accumulate: !isZero);
        }
        if (NeedsGradient(1))                           // dL/dW = (dL/dy)^T x, summed over all rows
        {
            Tensor dw = InputGradient(1, out bool isZero);   // [out, in] = [out, ...] [..., in]
            BatchedGemm gemm = new(outputs, inputs, rows, RowLayout(dy).Transposed, RowLayout(x), WeightLayout(dw));
            for (int d = x.Rank - 3; d >= 0; d--) gemm.Add(x.Shape[d], dy.Strides[d], x.Strides[d], 0);
            gemm.Run(dy, x, dw, accumulate: !isZero);
        }
        if (InputCount > 2 && NeedsGradient(2))         // dL/db = the sum of dL/dy over all rows
        {
            Summation.AddInto(dy, InputGradient(2));
        }
    }

    static int Rows(Tensor x) => x.Rank == 1 ? 1 : x.Shape[^2];
    static MatrixLayout RowLayout(Tensor x) => new(x.Rank == 1 ? 0 : x.Strides[^2], x.Strides[^1]);
    static MatrixLayout WeightLayout(Tensor w) => new(w.Strides[0], w.Strides[1]);

    static void Check(Tensor x, Tensor weight, Tensor? bias)
    {
        string? wrong =
            weight.Rank != 2 ? "the weight was expected to be [out, in]" :
            x.Rank == 0 || x.Shape[^1] != weight.Shape[1] ? $"x was expected to be [..., {weight.Shape[1]}]" :
            bias is { } b && (b.Rank != 1 || b.Shape[0] != weight.Shape[0]) ? $"bias {b.Shape} was expected to be [{weight.Shape[0]}]" :
            !x.DType.IsFloat() || x.DType != weight.DType || x.DType != (bias?.DType ?? x.DType)
                ? $"{x.DType} x, {weight.DType} weight and {bias?.DType ?? x.DType} bias were expected to be of one real type"
                : null;
        if (wrong is not null) throw new ShapeException("Linear", $"x {x.Shape} by weight {weight.Shape}: {wrong}.");
    }
}

/// <summary>Adds <see cref="Linear"/> to tensors.</summary>
public static class LinearExtensions
{
    extension(Tensor x)
    {
        /// <summary>The affine map x W^T + b of the last dimension: x [..., in], weight W [out, in], bias b [out] or none; the result is [..., out].</summary>
        /// <exception cref="ShapeException">The sizes do not fit, or the types differ or are not real.</exception>
        public Tensor Linear(Tensor weight, Tensor? bias = null) => NeuralMemory.Linear.Apply(x, weight, bias);
    }
}
