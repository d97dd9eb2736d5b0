using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The weighted sum of a table's rows: <c>y[.., d] = sum_j w[.., j] E[x[.., j], d]</c>. A row whose weight is 0 is not read, so bags of fewer rows are padded with any index.
/// <c>dL/dE[x_j] += w_j dL/dy</c> and <c>dL/dw_j += E[x_j] . dL/dy</c>.
/// </summary>
public sealed unsafe class EmbeddingBag : Operation<EmbeddingBag>
{
    /// <summary>Computes <c>table.EmbeddingBag(indices, weights)</c>.</summary>
    public static Tensor Apply(Tensor table, Tensor indices, Tensor weights)
    {
        Require.SameFloat("EmbeddingBag", table, weights);
        if (table.Rank != 2) throw new ShapeException("EmbeddingBag", $"the table is {table.Shape}; [V, D] was expected.");
        if (indices.Rank == 0 || indices.Shape != weights.Shape)
            throw new ShapeException("EmbeddingBag", $"the indices are {indices.Shape} and the weights {weights.Shape}: both must be [.., J].");
        Indices.Check("EmbeddingBag", indices, table.Shape[0], 0, table.Shape);
        if (GpuBackend.Current is not null) return (table.Embedding(indices) * weights.Unsqueeze(-1)).Sum(-2);
        (indices, weights) = (indices.Contiguous(), weights.Contiguous());
        Tensor y = Tensor.Empty(indices.Shape.With(indices.Rank - 1, table.Shape[1]), table.DType);
        Cpu.For(y.DType, Bags(indices), Cpu.Rows(table.Shape[1] * indices.Shape[^1]), new Forward(table, indices, weights, y));
        Record(y, table, indices, weights);
        return y;
    }

    static int Bags(Tensor indices) => indices.Shape.Without(indices.Rank - 1).Count;

    readonly struct Forward(Tensor table, Tensor indices, Tensor weights, Tensor y) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int bag = indices.Shape[^1], width = y.Shape[^1], stride = table.Strides[1];
            long row = table.Strides[0];
            T* e = table.Pointer<T>(), w = weights.Pointer<T>(), to = y.Pointer<T>();
            int* x = indices.Pointer<int>();
            int wide = stride == 1 ? width - width % (4 * V.Count) : 0;
            for (int b = start; b < end; b++)
            {
                // Four vectors at once share the weights and the looking up.
                for (int d = 0; d < wide; d += 4 * V.Count)
                {
                    V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero;
                    for (int j = b * bag; j < (b + 1) * bag; j++)
                    {
                        if (w[j] == T.Zero) continue;
                        V weight = V.Create(w[j]);
                        T* from = e + x[j] * row + d;
                        s0 = V.Fma(weight, V.Load(from), s0);
                        s1 = V.Fma(weight, V.Load(from + V.Count), s1);
                        s2 = V.Fma(weight, V.Load(from + 2 * V.Count), s2);
                        s3 = V.Fma(weight, V.Load(from + 3 * V.Count), s3);
                    }
                    T* sums = to + (long)b * width + d;
                    V.Store(sums, s0);
                    V.Store(sums + V.Count, s1);
                    V.Store(sums + 2 * V.Count, s2);
                    V.Store(sums + 3 * V.Count, s3);
                }
                for (int d = wide; d < width; d += V.Count)
                {
                    V sum = V.Zero;
                    for (int j = b * bag; j < (b + 1) * bag; j++)
                        if (w[j] != T.Zero) sum = V.Fma(V.Create(w[j]), Lanes.Load<V, T>(e + x[j] * row + (long)d * stride, stride, width - d), sum);
                    Lanes.Store(to + (long)b * width + d, 1, sum, width - d);
                }
            }
        }
    }

    /// <summary>Threads share the columns of the table, and each goes through all bags in order, so that sums of repeated rows have the same bits always.</summary>
    protected override void Backward()
    {
        (Tensor table, Tensor indices, Tensor weights) = (Input(0), Input(1), Input(2));
        if (NeedsGradient(0)) Cpu.For(table.DType, table.Shape[1], Math.Max(64, Cpu.Rows(indices.Count)), new TableGradient(indices, weights, OutputGradient(), InputGradient(0)));
        if (NeedsGradient(2) && InputGradient(2) is { Count: > 0 } dWeights) Cpu.For(table.DType, Bags(indices), Cpu.Rows(table.Shape[1] * indices.Shape[^1]), new WeightGradient(table, indices, OutputGradient(), dWeights));
    }

    readonly struct TableGradient(Tensor indices, Tensor weights, Tensor dy, Tensor dTable) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int bag = indices.Shape[^1], width = dy.Shape[^1], stride = dTable.Strides[1], count = indices.Count;
            long row = dTable.Strides[0];
            T* de = dTable.Pointer<T>(), w = weights.Pointer<T>(), from = dy.Pointer<T>();
            int* x = indices.Pointer<int>();
            int whole = stride == 1 ? end - (end - start) % V.Count : start;
            for (int first = 0; first < count; first += bag, from += width)
                for (int j = first; j < first + bag; j++)
                {
                    if (w[j] == T.Zero) continue;
                    V weight = V.Create(w[j]);
                    T* to = de + x[j] * row;
                    for (int d = start; d < whole; d += V.Count) V.Store(to + d, V.Fma(weight, V.Load(from + d), V.Load(to + d)));
                    for (int d = whole; d < end; d += V.Count)
                    {
                        T* element = to + (long)d * stride;
                        Lanes.Store(element, stride, V.Fma(weight, Lanes.Load<V, T>(from + d, 1, end - d), Lanes.Load<V, T>(element, stride, end - d)), end - d);
                    }
                }
        }
    }

    readonly struct WeightGradient(Tensor table, Tensor indices, Tensor dy, Tensor dWeights) : ICpuKernel
    {
        readonly StridedLoop elements = new(dWeights.Shape, dWeights.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int bag = indices.Shape[^1], width = dy.Shape[^1], stride = table.Strides[1];
            long row = table.Strides[0];
            T* e = table.Pointer<T>(), dw = dWeights.Pointer<T>(), from = dy.Pointer<T>();
            int* x = indices.Pointer<int>();
            from += (long)start * width;
            int whole = stride == 1 ? width - width % V.Count : 0;
            StridedLoop.Walk walk = new(in elements, start * bag / elements.Inner);
            for (int j = start * bag, column = j % elements.Inner; start < end; start++, from += width)
                for (int last = j + bag; j < last; j++)
                {
                    T* picked = e + x[j] * row;
                    V products = V.Zero;
                    for (int d = 0; d < whole; d += V.Count) products = V.Fma(V.Load(picked + d), V.Load(from + d), products);
                    for (int d = whole; d < width; d += V.Count)
                        products = V.Fma(Lanes.Load<V, T>(picked + (long)d * stride, stride, width - d), Lanes.Load<V, T>(from + d, 1, width - d), products);
                    dw[walk.O0 + (long)column * elements.InnerStride(0)] += V.Sum(products);
                    if (++column < elements.Inner) continue;
                    column = 0;
                    walk.Next();
                }
        }
    }
}

/// <summary>Adds the weighted sum of rows to <see cref="Tensor"/>.</summary>
public static class EmbeddingBagOperation
{
    extension(Tensor table)
    {
        /// <summary>
        /// For each bag of J indices the weighted sum of the rows of a table [V, D] that they name: [.., J] -> [.., D]. One pass, and no tensor [.., J, D] between.
        /// </summary>
        /// <param name="indices">Int32 [.., J], each from 0 to V - 1.</param>
        /// <param name="weights">[.., J]; 0 for a place that holds nothing.</param>
        /// <exception cref="ShapeException">An index is out of range; the table is not a matrix; indices and weights have different shapes.</exception>
        public Tensor EmbeddingBag(Tensor indices, Tensor weights) => NeuralMemory.EmbeddingBag.Apply(table, indices, weights);
    }
}
