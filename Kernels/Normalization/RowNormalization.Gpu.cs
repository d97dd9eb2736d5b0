using ILGPU;
using ILGPU.Algorithms;
using NeuralMemory.Gpu;

namespace NeuralMemory;

static partial class RowNormalization
{
    static void LaunchForward<C>(GpuBackend gpu, Tensor x, Tensor? weight, Tensor? bias, Tensor y, Tensor statistics, float epsilon) where C : struct, ICentering
    {
        Fibres rows = new(x.Shape, x.Rank - 1, x.Strides, y.Strides);
        gpu.Launch(rows, new GpuForward<C>(gpu.View(x), View(gpu, weight), View(gpu, bias), gpu.View(y), gpu.View(statistics), epsilon));
    }

    static ArrayView<float> View(GpuBackend gpu, Tensor? parameter) => parameter is { } p ? gpu.View(p) : ArrayView<float>.Empty;

    /// <summary>As <see cref="ForwardKernel{C}"/>: a team takes a row, and reads it from the cache after the first time.</summary>
    readonly struct GpuForward<C>(ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, ArrayView<float> statistics, float epsilon) : IFibreKernel
        where C : struct, ICentering
    {
        public void Run<T>(GpuFibre row) where T : struct, ITeam
        {
            float count = row.CommonLength, mean = 0, lack = 0;
            if (C.Centers)
            {
                float sum = 0;
                for (int j = T.Member; j < row.Length; j += T.Size) sum += x[row.At0(j)];
                mean = T.Reduce<FloatSum, float>(sum) / count;
            }
            float deviations = 0, squares = 0;
            for (int j = T.Member; j < row.Length; j += T.Size)
            {
                float d = x[row.At0(j)] - mean;
                deviations += d;
                squares = GpuMath.Fma(d, d, squares);
            }
            TwoSums sums = T.Reduce<TwoSums, TwoSums>(new(deviations, squares));
            if (C.Centers) lack = sums.First / count;
            float variance = sums.Second / count - lack * lack;
            float r = 1 / XMath.Sqrt((variance < 0 ? 0 : variance) + epsilon), shift = lack * r;
            for (int j = T.Member; j < row.Length; j += T.Size)
            {
                float value = (x[row.At0(j)] - mean) * r - shift;
                if (weight.IsValid) value *= weight[j];
                if (bias.IsValid) value += bias[j];
                y[row.At1(j)] = value;
            }
            if (!row.LedBy<T>()) return;
            int kept = Kept * row.Number;
            statistics[kept] = mean;
            statistics[kept + 1] = r;
            statistics[kept + 2] = shift;
        }
    }

    static void LaunchBackward<C>(GpuBackend gpu, Tensor x, Tensor? weight, Tensor statistics, Tensor dy, Tensor? dx, Tensor? dw) where C : struct, ICentering
    {
        int last = x.Rank - 1, n = x.Shape[^1], rows = x.Count / n;
        if (dx is { } gradient)
        {
            Fibres fibres = new(x.Shape, last, x.Strides, dy.Strides, gradient.Strides);
            gpu.Launch(fibres, new GpuBackward<C>(gpu.View(x), View(gpu, weight), gpu.View(statistics), gpu.View(dy), gpu.View(gradient)));
        }
        if (dw is { } target)
        {
            // As many blocks of rows as keep a device busy, but none of fewer than 64.
            int columns = (n + ColumnTeam.Fibres - 1) / ColumnTeam.Fibres, perBlock = Math.Max(64, rows / Math.Max(1, 512 / columns)), blocks = (rows + perBlock - 1) / perBlock;
            Tensor parts = Tensor.Empty([blocks, n], x.DType);
            GpuLoop loop = new(new StridedLoop(x.Shape.Without(last), x.Strides.Without(last)));
            gpu.Launch(columns * blocks, ColumnTeam.Fibres * ColumnTeam.Members,
                new GpuWeight(gpu.View(x), loop, x.Strides[^1], gpu.View(statistics), gpu.View(dy), gpu.View(parts), n, columns, rows, perBlock));
            Summation.AddInto(parts, target);
        }
    }

    readonly struct GpuBackward<C>(ArrayView<float> x, ArrayView<float> weight, ArrayView<float> statistics, ArrayView<float> dy, ArrayView<float> dx) : IFibreKernel
        where C : struct, ICentering
    {
        public void Run<T>(GpuFibre row) where T : struct, ITeam
        {
            int kept = Kept * (row.Number < 0 ? 0 : row.Number);
            float mean = statistics[kept], r = statistics[kept + 1], shift = statistics[kept + 2], sum = 0, dot = 0;
            for (int j = T.Member; j < row.Length; j += T.Size)
            {
                float g = dy[row.At1(j)], normal = (x[row.At0(j)] - mean) * r - shift;
                if (weight.IsValid) g *= weight[j];
                sum += g;
                dot = GpuMath.Fma(g, normal, dot);
            }
            TwoSums sums = T.Reduce<TwoSums, TwoSums>(new(sum, dot));
            float count = row.CommonLength, meanG = C.Centers ? sums.First / count : 0, meanDot = sums.Second / count;
            for (int j = T.Member; j < row.Length; j += T.Size)
            {
                float g = dy[row.At1(j)], normal = (x[row.At0(j)] - mean) * r - shift;
                if (weight.IsValid) g *= weight[j];
                dx[row.At2(j)] = GpuMath.Fma(r, g - meanG - normal * meanDot, dx[row.At2(j)]);
            }
        }
    }

    /// <summary>sum g x^ over a block of rows, for 32 neighbouring columns that a group takes.</summary>
    readonly struct GpuWeight(
        ArrayView<float> x, GpuLoop loop, int strideX, ArrayView<float> statistics, ArrayView<float> dy, ArrayView<float> parts, int n, int columns, int rows, int perBlock) : IGpuKernel
    {
        public void Run()
        {
            int block = Grid.IdxX / columns, j = (Grid.IdxX - block * columns) * ColumnTeam.Fibres + Group.IdxX % ColumnTeam.Fibres;
            int end = j < n ? Math.Min(rows, (block + 1) * perBlock) : 0;
            float sum = 0;
            for (int row = block * perBlock + ColumnTeam.Member; row < end; row += ColumnTeam.Members)
            {
                loop.Locate(row, out int ox, out _, out _, out _);
                float normal = (x[ox + j * strideX] - statistics[Kept * row]) * statistics[Kept * row + 1] - statistics[Kept * row + 2];
                sum = GpuMath.Fma(dy[row * n + j], normal, sum);
            }
            sum = ColumnTeam.Reduce<FloatSum, float>(sum);
            if (ColumnTeam.Member == 0 && j < n) parts[block * n + j] = sum;
        }
    }
}
