using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

// The choice of a kernel, and of what it needs to know of the operands.
unsafe partial struct BatchedGemm
{
    /// <summary>Groups that keep a large device busy. Products that make fewer have their sums cut into parts.</summary>
    const int BusyGroups = 128;

    readonly void RunOn(GpuBackend gpu, Tensor a, Tensor b, Tensor c, bool accumulate, Tensor? bias)
    {
        StridedLoop products = Loop(summed: false), summands = Loop(summed: true);
        long count = (long)m * n * products.Count;
        if (count == 0) return;

        MatMulRung rung = gpu.MatMulRung ?? Choose(gpu.MatMulPrecision, (long)k * summands.Count, products.Count);
        bool skinny = rung is MatMulRung.SkinnyDots or MatMulRung.SkinnyColumns;
        bool transpose = skinny ? n < m : this.c.Row == 1 && this.c.Column != 1;            // c^T = b^T a^T: few rows, and whole ones
        if (transpose)
        {
            Transposed.RunOn(gpu, rung, b, a, c, accumulate, bias, biasAlongRows: true);
            return;
        }
        RunOn(gpu, rung, a, b, c, accumulate, bias, biasAlongRows: false);
    }

    readonly void RunOn(GpuBackend gpu, MatMulRung rung, Tensor a, Tensor b, Tensor c, bool accumulate, Tensor? bias, bool biasAlongRows)
    {
        StridedLoop products = Loop(summed: false), summands = Loop(summed: true);
        GemmProblem problem = new()
        {
            M = m,
            N = n,
            K = k,
            A = new(gpu.View(a), (int)this.a.Row, (int)this.a.Column),
            B = new(gpu.View(b), (int)this.b.Column, (int)this.b.Row),
            C = gpu.View(c),
            CM = (int)this.c.Row,
            CN = (int)this.c.Column,
            Bias = bias is { } added ? gpu.View(added) : ArrayView<float>.Empty,
            BiasM = biasAlongRows ? 1 : 0,
            BiasN = biasAlongRows ? 0 : 1,
            Products = new(products),
            Summands = new(summands),
            Parts = 1,
            Accumulate = accumulate ? 1 : 0,
            WholeRows = IsWhole(n, this.c.Column, this.c.Row) && Aligned(c, products.Strides(2)) ? 1 : 0,
        };
        (int rows, int columns, int depth) = Tile(rung);
        int groups = GemmTile.Count(problem, rows, columns), parts = Parts(groups, (long)k * summands.Count, depth);
        if (parts == 1)
        {
            Launch(gpu, rung, groups, problem, a, b, products, summands);
            return;
        }
        Tensor scratch = Tensor.Empty([parts * products.Count, m, n]);
        GemmProblem cut = problem with
        {
            C = gpu.View(scratch),
            CM = n,
            CN = 1,
            Bias = ArrayView<float>.Empty,
            Parts = parts,
            Accumulate = 0,
            WholeRows = n % 4 == 0 ? 1 : 0,
        };
        Launch(gpu, rung, groups * parts, cut, a, b, products, summands);
        gpu.LaunchEach(m * n * products.Count, new JoinParts(problem with { Parts = parts }, gpu.View(scratch)));
    }

    readonly BatchedGemm Transposed
    {
        get
        {
            BatchedGemm t = new(n, m, k, b.Transposed, a.Transposed, c.Transposed) { rank = rank };
            for (int d = 0; d < rank; d++) (t.sizes[d], t.aStrides[d], t.bStrides[d], t.cStrides[d]) = (sizes[d], bStrides[d], aStrides[d], cStrides[d]);
            return t;
        }
    }

    /// <summary>The kernel that is fit for the shape, where a sum has <paramref name="terms"/> terms.</summary>
    readonly MatMulRung Choose(MatMulPrecision precision, long terms, int products)
    {
        int few = Math.Min(m, n);
        if (terms <= 4) return MatMulRung.Naive;                                            // writing c is all the work
        if (few <= 2 * SkinnyGemm.Rows) return (n < m ? a.Column : b.Row) == 1 && k >= 32 ? MatMulRung.SkinnyDots : MatMulRung.SkinnyColumns;
        if (few <= SharedGemm.Size) return MatMulRung.Shared;
        if (precision != MatMulPrecision.Float32) return MatMulRung.TensorCores;
        long large = (m + 127L) / 128 * ((n + 127) / 128) * products;
        return few > 64 && large * Math.Max(1, terms / 512) >= BusyGroups ? MatMulRung.Blocked128 : MatMulRung.Blocked64;
    }

    static (int Rows, int Columns, int Depth) Tile(MatMulRung rung) => rung switch
    {
        MatMulRung.Naive => (NaiveGemm.Rows, NaiveGemm.Columns, NaiveGemm.Depth),
        MatMulRung.Shared => (SharedGemm.Size, SharedGemm.Size, SharedGemm.Size),
        MatMulRung.Blocked64 => (Block4x4.Vectors, Block4x4.Vectors, Block4x4.Depth),
        MatMulRung.Blocked128 => (Block8x8.Vectors, Block8x8.Vectors, Block8x8.Depth),
        MatMulRung.TensorCores => (TensorCoreSize.Tile, TensorCoreSize.Tile, TensorCoreSize.Depth),
        MatMulRung.SkinnyDots => (SkinnyGemm.Rows, SkinnyDots.Columns, SkinnyDots.Depth),
        _ => (SkinnyGemm.Rows, SkinnyColumns.Columns, SkinnyColumns.Depth),
    };

    /// <summary>How many parts the sums are cut into: enough to keep the device busy, but of no less than 128 terms and 4 steps, because each part is written and read again.</summary>
    static int Parts(int groups, long terms, int depth) =>
        (int)Math.Clamp(Math.Min(BusyGroups / Math.Max(1, groups), terms / Math.Max(128, 4 * depth)), 1, BusyGroups);

    readonly void Launch(GpuBackend gpu, MatMulRung rung, int groups, in GemmProblem p, Tensor a, Tensor b, in StridedLoop products, in StridedLoop summands)
    {
        if (rung == MatMulRung.Naive) gpu.Launch(groups, GpuBackend.GroupSize, new NaiveGemm(p));
        else if (rung == MatMulRung.Shared) gpu.Launch(groups, GpuBackend.GroupSize, new SharedGemm(p));
        else if (rung == MatMulRung.SkinnyDots) gpu.Launch(groups, GpuBackend.GroupSize, new SkinnyDots(p));
        else if (rung == MatMulRung.SkinnyColumns) gpu.Launch(groups, GpuBackend.GroupSize, new SkinnyColumns(p));
        else
        {
            bool alignedA = Aligned(a, products.Strides(0)) && Aligned(a, summands.Strides(0)), alignedB = Aligned(b, products.Strides(1)) && Aligned(b, summands.Strides(1));
            Copy copyA = alignedA ? Way(m, this.a.Row, this.a.Column) : Copy.OneByOne, copyB = alignedB ? Way(n, this.b.Column, this.b.Row) : Copy.OneByOne;
            if (rung == MatMulRung.TensorCores && gpu.MatMulPrecision == MatMulPrecision.BFloat16) LaunchTensorCores<RoundBFloat16>(gpu, groups, p, copyA, copyB);
            else if (rung == MatMulRung.TensorCores) LaunchTensorCores<RoundTensorFloat32>(gpu, groups, p, copyA, copyB);
            else if (rung == MatMulRung.Blocked64) Launch<Block4x4>(gpu, groups, p, copyA, copyB);
            else Launch<Block8x8>(gpu, groups, p, copyA, copyB);
        }
    }

    static void Launch<T>(GpuBackend gpu, int groups, in GemmProblem p, Copy a, Copy b) where T : struct, IThreadBlock
    {
        if (a == Copy.FourAlong) Launch<T, FourAlong>(gpu, groups, p, b);
        else if (a == Copy.FourAcross) Launch<T, FourAcross>(gpu, groups, p, b);
        else Launch<T, OneByOne>(gpu, groups, p, b);
    }

    static void Launch<T, CA>(GpuBackend gpu, int groups, in GemmProblem p, Copy b) where T : struct, IThreadBlock where CA : struct, IPanelCopy
    {
        if (b == Copy.FourAlong) gpu.Launch(groups, GpuBackend.GroupSize, new BlockedGemm<T, CA, FourAlong>(p));
        else if (b == Copy.FourAcross) gpu.Launch(groups, GpuBackend.GroupSize, new BlockedGemm<T, CA, FourAcross>(p));
        else gpu.Launch(groups, GpuBackend.GroupSize, new BlockedGemm<T, CA, OneByOne>(p));
    }

    static void LaunchTensorCores<P>(GpuBackend gpu, int groups, in GemmProblem p, Copy a, Copy b) where P : struct, ITensorPrecision
    {
        if (a == Copy.FourAlong) LaunchTensorCores<P, TensorAlong>(gpu, groups, p, b);
        else if (a == Copy.FourAcross) LaunchTensorCores<P, TensorAcross>(gpu, groups, p, b);
        else LaunchTensorCores<P, TensorOneByOne>(gpu, groups, p, b);
    }

    static void LaunchTensorCores<P, PA>(GpuBackend gpu, int groups, in GemmProblem p, Copy b) where P : struct, ITensorPrecision where PA : struct, ITensorPanel
    {
        if (b == Copy.FourAlong) gpu.Launch(groups, GpuBackend.GroupSize, new TensorCoreGemm<P, PA, TensorAlong>(p));
        else if (b == Copy.FourAcross) gpu.Launch(groups, GpuBackend.GroupSize, new TensorCoreGemm<P, PA, TensorAcross>(p));
        else gpu.Launch(groups, GpuBackend.GroupSize, new TensorCoreGemm<P, PA, TensorOneByOne>(p));
    }

    enum Copy
    {
        FourAlong,
        FourAcross,
        OneByOne,
    }

    /// <summary>How an operand's panels can be copied, where it starts at a multiple of 16 bytes.</summary>
    readonly Copy Way(int vectors, nint across, nint along) =>
        IsWhole(k, along, across) ? Copy.FourAlong : IsWhole(vectors, across, along) ? Copy.FourAcross : Copy.OneByOne;

    /// <summary>Whether rows of <paramref name="count"/> elements lie in one piece each, and every fourth element at a multiple of 16 bytes if the first does.</summary>
    static bool IsWhole(int count, nint stride, nint next) => stride == 1 && count % 4 == 0 && next % 4 == 0;

    /// <summary>Whether a tensor starts at a multiple of 16 bytes, and whatever is reached from there by the strides.</summary>
    static bool Aligned(Tensor tensor, Shape strides)
    {
        foreach (int stride in strides.Sizes)
            if (stride % 4 != 0) return false;
        return tensor.Body.Address % 16 == 0;
    }
}
