using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>The affine map y = x W^T + b of the last dimension.</summary>
public sealed class Linear : Operation<Linear>
{
    /// <summary>Computes <c>x.Linear(weight, bias)</c>.</summary>
    /// <exception cref="ShapeException">The sizes do not fit, or the types differ or are not real.</exception>
    public static Tensor Apply(Tensor x, Tensor weight, Tensor? bias = null)
    {
        Check(x, weight, bias);
        Tensor y = Tensor.Empty(x.Shape.With(x.Rank - 1, weight.Shape[0]), x.DType);

        // [..., out] = [..., in] [in, out] + [out]
        BatchedGemm gemm = new(Rows(x), weight.Shape[0], weight.Shape[1], RowLayout(x), WeightLayout(weight).Transposed, RowLayout(y));
        for (int d = x.Rank - 3; d >= 0; d--) gemm.Add(x.Shape[d], x.Strides[d], 0, y.Strides[d]);
        gemm.Run(x, weight, y, accumulate: false, bias is { IsContiguous: false } gaps ? Contiguous(gaps) : bias);

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
            Tensor dx = InputGradient(0);               // [..., in] = [..., out] [out, in]
            BatchedGemm gemm = new(rows, inputs, outputs, RowLayout(dy), WeightLayout(weight), RowLayout(dx));
            for (int d = x.Rank - 3; d >= 0; d--) gemm.Add(x.Shape[d], dy.Strides[d], 0, dx.Strides[d]);
            gemm.Run(dy, weight, dx, accumulate: true);
        }
        if (NeedsGradient(1))                           // dL/dW = (dL/dy)^T x, summed over all rows
        {
            Tensor dw = InputGradient(1);               // [out, in] = [out, ...] [..., in]
            BatchedGemm gemm = new(outputs, inputs, rows, RowLayout(dy).Transposed, RowLayout(x), WeightLayout(dw));
            for (int d = x.Rank - 3; d >= 0; d--) gemm.Add(x.Shape[d], dy.Strides[d], x.Strides[d], 0);
            gemm.Run(dy, x, dw, accumulate: true);
        }
        if (InputCount > 2 && NeedsGradient(2))         // dL/db = the sum of dL/dy over all rows
        {
            Tensor db = InputGradient(2);
            if (dy.Count > 0) Cpu.For(db.DType, outputs, Math.Max(64, Cpu.Rows(dy.Count / outputs)), new ColumnSums { From = dy, To = db });
        }
    }

    static int Rows(Tensor x) => x.Rank == 1 ? 1 : x.Shape[^2];
    static MatrixLayout RowLayout(Tensor x) => new(x.Rank == 1 ? 0 : x.Strides[^2], x.Strides[^1]);
    static MatrixLayout WeightLayout(Tensor w) => new(w.Strides[0], w.Strides[1]);

    static unsafe Tensor Contiguous(Tensor vector)
    {
        Tensor copy = Tensor.Empty(vector.Shape, vector.DType);
        int stride = vector.Strides[0];
        if (vector.DType == DType.Float32) Copy(vector.Pointer<float>(), copy.Pointer<float>());
        else Copy(vector.Pointer<double>(), copy.Pointer<double>());
        return copy;

        void Copy<T>(T* from, T* to) where T : unmanaged
        {
            for (int i = 0; i < vector.Count; i++) to[i] = from[(long)i * stride];
        }
    }

    static void Check(Tensor x, Tensor weight, Tensor? bias)
    {
        string? wrong =
            weight.Rank != 2 ? $"the weight was expected to be [out, in]" :
            x.Rank == 0 || x.Shape[^1] != weight.Shape[1] ? $"x was expected to be [..., {weight.Shape[1]}]" :
            bias is { } b && (b.Rank != 1 || b.Shape[0] != weight.Shape[0]) ? $"bias {b.Shape} was expected to be [{weight.Shape[0]}]" :
            x.DType != weight.DType || !x.DType.IsFloat() || (bias is { } c && c.DType != x.DType) ? $"{x.DType} x, {weight.DType} weight and {bias?.DType ?? x.DType} bias were expected to be of one real type" : null;
        if (wrong is not null) throw new ShapeException("Linear", $"x {x.Shape} by weight {weight.Shape}: {wrong}.");
    }

    /// <summary>To[j] += the sum over i of From[i, j], pairwise over the rows: the rounding error grows with the logarithm of their number.</summary>
    unsafe struct ColumnSums : ICpuKernel
    {
        public Tensor From, To;

        public readonly void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int columns = To.Count, rows = From.Count / columns, stride = To.Strides[0];
            T* from = From.Pointer<T>(), to = To.Pointer<T>(), sums = stackalloc T[V.Count];
            for (int j = start; j < end; j += V.Count)
            {
                int lanes = Math.Min(V.Count, end - j);
                V.Store(sums, Sum<V, T>(from + j, rows, columns, lanes));
                for (int lane = 0; lane < lanes; lane++) to[(long)(j + lane) * stride] += sums[lane];
            }
        }

        static V Sum<V, T>(T* from, int rows, int columns, int lanes) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (rows > 64) return Sum<V, T>(from, rows / 2, columns, lanes) + Sum<V, T>(from + (long)(rows / 2) * columns, rows - rows / 2, columns, lanes);
            V even = V.Zero, odd = V.Zero;
            int i = 0;
            for (; i + 1 < rows; i += 2, from += 2 * columns)
            {
                even += V.LoadPartial(from, lanes, T.Zero);
                odd += V.LoadPartial(from + columns, lanes, T.Zero);
            }
            if (i < rows) even += V.LoadPartial(from, lanes, T.Zero);
            return even + odd;
        }
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
