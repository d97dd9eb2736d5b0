using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>The strides of a matrix.</summary>
readonly record struct MatrixLayout(nint Row, nint Column)
{
    public MatrixLayout Transposed => new(Column, Row);
}

/// <summary>
/// Products c[i] = a[i] b[i] over any number of batch dimensions, each with its own stride in a, b and c: 0 in a or b broadcasts, 0 in c sums.
/// </summary>
/// <remarks>
/// Where the strides allow it, a batch dimension is made part of the matrices, so that one large product replaces many small ones: as rows of a and c
/// when b is shared, as columns of b and c when a is, as columns of a and rows of b when the results are summed.
/// </remarks>
unsafe partial struct BatchedGemm(int m, int n, int k, MatrixLayout a, MatrixLayout b, MatrixLayout c)
{
    /// <summary>Floating-point operations that are worth handing to another thread.</summary>
    const double Grain = 5e5;

    /// <summary>From here on a product is large enough to occupy all threads by itself.</summary>
    const double Large = 16 * Grain;

    int m = m, n = n, k = k;
    MatrixLayout a = a, b = b, c = c;

    // The batch dimensions that are left, the innermost first.
    int rank;
    fixed int sizes[Shape.MaxRank], aStrides[Shape.MaxRank], bStrides[Shape.MaxRank], cStrides[Shape.MaxRank];

    /// <summary>Adds a batch dimension around those that there are.</summary>
    public void Add(int size, int aStride, int bStride, int cStride)
    {
        if (size == 1) return;
        if (bStride == 0 && cStride != 0 && Joins(m, a.Row, aStride) && Joins(m, c.Row, cStride))
        {
            if (m == 1) (a, c) = (a with { Row = aStride }, c with { Row = cStride });
            m *= size;
        }
        else if (aStride == 0 && bStride != 0 && cStride != 0 && Joins(n, b.Column, bStride) && Joins(n, c.Column, cStride))
        {
            if (n == 1) (b, c) = (b with { Column = bStride }, c with { Column = cStride });
            n *= size;
        }
        else if (cStride == 0 && Joins(k, a.Column, aStride) && Joins(k, b.Row, bStride))
        {
            if (k == 1) (a, b) = (a with { Column = aStride }, b with { Row = bStride });
            k *= size;
        }
        else
        {
            (sizes[rank], aStrides[rank], bStrides[rank], cStrides[rank]) = (size, aStride, bStride, cStride);
            rank++;
        }
    }

    static bool Joins(int extent, nint stride, int batchStride) => extent == 1 || batchStride == extent * stride;

    /// <summary>Computes c (+)= a b, and adds <paramref name="bias"/>, which must be contiguous, to every row.</summary>
    public readonly void Run(Tensor a, Tensor b, Tensor c, bool accumulate, Tensor? bias = null)
    {
        if (GpuBackend.Current is { } gpu)
        {
            RunOn(gpu, a, b, c, accumulate, bias);
            return;
        }
        int count = Count(summed: false), summands = Count(summed: true);
        if (summands == 0 && !accumulate) Transfer.Copy(Tensor.Zeros([1], c.DType).Expand(c.Shape), c);              // c may be a view
        double work = 2.0 * m * n * k * summands;
        int grain = work >= Large ? Math.Max(1, count) : (int)Math.Clamp(Grain / Math.Max(work, 1), 1, int.MaxValue);
        Cpu.For(c.DType, count, grain, new Kernel { Batch = this, A = a, B = b, C = c, Bias = bias, Accumulate = accumulate });
        KeepAlive(a, b, c, bias);
    }

    // A tensor outside any step is freed once nothing refers to it, and a pointer does not.
    [MethodImpl(MethodImplOptions.NoInlining)]
    static void KeepAlive(Tensor a, Tensor b, Tensor c, Tensor? bias) { }

    readonly int Count(bool summed)
    {
        int count = 1;
        for (int d = 0; d < rank; d++)
            if (cStrides[d] == 0 == summed) count *= sizes[d];
        return count;
    }

    /// <summary>The dimensions of c, or those that are summed, for a kernel: offsets in a, b and c.</summary>
    readonly StridedLoop Loop(bool summed)
    {
        Span<int> size = stackalloc int[Shape.MaxRank], inA = stackalloc int[Shape.MaxRank], inB = stackalloc int[Shape.MaxRank], inC = stackalloc int[Shape.MaxRank];
        int count = 0;
        for (int d = rank - 1; d >= 0; d--)
            if (cStrides[d] == 0 == summed) (size[count], inA[count], inB[count], inC[count++]) = (sizes[d], aStrides[d], bStrides[d], cStrides[d]);
        return new(new(size[..count]), new(inA[..count]), new(inB[..count]), new(inC[..count]));
    }

    struct Kernel : ICpuKernel
    {
        public BatchedGemm Batch;
        public Tensor A, B, C;
        public Tensor? Bias;
        public bool Accumulate;

        public readonly void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* bias = Bias is { } row ? row.Pointer<T>() : null;
            int summands = Batch.Count(summed: true);
            for (int i = start; i < end; i++)
            {
                Pointers<T> product = new() { A = A.Pointer<T>(), B = B.Pointer<T>(), C = C.Pointer<T>() };
                Batch.Move(ref product, i, summed: false);
                for (int s = 0; s < summands; s++)
                {
                    Pointers<T> summand = product;
                    Batch.Move(ref summand, s, summed: true);
                    Gemm.Multiply<V, T>(
                        new(summand.A, Batch.m, Batch.k, Batch.a.Row, Batch.a.Column),
                        new(summand.B, Batch.k, Batch.n, Batch.b.Row, Batch.b.Column),
                        new(summand.C, Batch.m, Batch.n, Batch.c.Row, Batch.c.Column), Accumulate || s > 0, s > 0 ? null : bias);
                }
            }
        }
    }

    struct Pointers<T> where T : unmanaged
    {
        public T* A, B, C;
    }

    /// <summary>Moves on to product <paramref name="index"/>, counted over the dimensions of c or over those that are summed.</summary>
    readonly void Move<T>(ref Pointers<T> product, int index, bool summed) where T : unmanaged
    {
        for (int d = 0; d < rank; d++)
        {
            if (cStrides[d] == 0 != summed) continue;
            (index, nint i) = Math.DivRem(index, sizes[d]);
            product.A += i * aStrides[d];
            product.B += i * bStrides[d];
            product.C += i * cStrides[d];
        }
    }
}
