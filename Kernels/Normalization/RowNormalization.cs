using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Every row of the last dimension normalised, scaled and moved: x^ = (x - mu) r and y = x^ w + b, with r = 1 / sqrt(mean (x - mu)^2 + epsilon). mu is the mean
/// of the row or, where nothing is centred, 0. What layer and RMS normalisation share.
/// </summary>
static unsafe partial class RowNormalization
{
    /// <summary>Whether the mean of a row is taken away first.</summary>
    public interface ICentering
    {
        static abstract bool Centers { get; }
    }

    public readonly struct Centered : ICentering
    {
        public static bool Centers => true;
    }

    public readonly struct Uncentered : ICentering
    {
        public static bool Centers => false;
    }

    // What is kept of each row for the way back: a first mean m, r, and r times what m lacks of the mean.
    const int Kept = 3;

    /// <exception cref="ShapeException">The shapes or types do not fit.</exception>
    public static void Check(string operation, Tensor x, Tensor? weight, Tensor? bias, double epsilon)
    {
        Require.Float(operation, x);
        if (x.Rank == 0 || x.Shape[^1] == 0) throw new ShapeException(operation, $"x {x.Shape}: [.., n] with n of at least 1 was expected.");
        Parameter("weight", weight);
        Parameter("bias", bias);
        if (!(epsilon >= 0)) throw new ArgumentOutOfRangeException(nameof(epsilon), epsilon, $"{operation}: an epsilon of at least 0 was expected.");

        void Parameter(string name, Tensor? parameter)
        {
            if (parameter is not { } p) return;
            if (p.Rank != 1 || p.Shape[0] != x.Shape[^1]) throw new ShapeException(operation, $"x {x.Shape} and {name} {p.Shape}: the {name} was expected to be [{x.Shape[^1]}].");
            if (p.DType != x.DType) throw new ShapeException(operation, $"x is {x.DType} and the {name} {p.DType}: both must have the same type.");
        }
    }

    /// <summary>y, and what <see cref="Backward"/> needs to know of each row. Weight and bias are contiguous.</summary>
    public static Tensor Forward<C>(Tensor x, Tensor? weight, Tensor? bias, double epsilon, out Tensor statistics) where C : struct, ICentering
    {
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        int rows = x.Count / x.Shape[^1];
        statistics = Tensor.Empty([rows, Kept], x.DType);
        if (GpuBackend.Current is { } gpu) LaunchForward<C>(gpu, x, weight, bias, y, statistics, (float)epsilon);
        else Cpu.For(x.DType, rows, Cpu.Rows(x.Shape[^1], 4), new ForwardKernel<C>(x, weight, bias, y, statistics, epsilon));
        return y;
    }

    /// <summary>
    /// A row is read three times, from the cache after the first. The deviations from a first, rounded mean m give what m lacks and are freed of it: no digits
    /// are lost however far the mean is from 0 (Chan, Golub and LeVeque 1983, the corrected two-pass algorithm).
    /// </summary>
    readonly struct ForwardKernel<C>(Tensor x, Tensor? weight, Tensor? bias, Tensor y, Tensor statistics, double epsilon) : ICpuKernel where C : struct, ICentering
    {
        readonly StridedLoop loop = new(x.Shape.Without(x.Rank - 1), x.Strides.Without(x.Rank - 1));

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (x.Strides[^1] == 1) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = x.Shape[^1], stride = x.Strides[^1];
            T count = T.CreateTruncating(n), least = T.CreateTruncating(epsilon);
            T* w = weight is { } weights ? weights.Pointer<T>() : null, b = bias is { } biases ? biases.Pointer<T>() : null;
            Row<V, T> ws = new(w, n), bs = new(b, n);
            for (; start < end; start++)
            {
                loop.Locate(start, out long offset, out _, out _, out _);
                T* to = y.Pointer<T>() + (long)start * n, kept = statistics.Pointer<T>() + Kept * (long)start;
                F xs = F.Along(x.Pointer<T>() + offset, stride, n);
                Row<V, T> ys = new(to, n, Streaming.Suits<V, T>(to, y.Count));
                T mean = T.Zero, lack = T.Zero;
                if (C.Centers)
                {
                    V sum = V.Zero, sum1 = V.Zero, sum2 = V.Zero, sum3 = V.Zero;                // four at a time: an addition takes as long as four loads
                    for (int j = 0; j < n; j += 4 * V.Count)
                    {
                        sum += xs.Load(j);
                        sum1 += xs.Load(j + V.Count);
                        sum2 += xs.Load(j + 2 * V.Count);
                        sum3 += xs.Load(j + 3 * V.Count);
                    }
                    mean = V.Sum(sum + sum1 + (sum2 + sum3)) / count;
                }
                V m = V.Create(mean), deviations = V.Zero, squares = V.Zero, deviations1 = V.Zero, squares1 = V.Zero;
                for (int j = 0; j < n; j += 2 * V.Count)
                {
                    V d = xs.Load(j, mean) - m, d1 = xs.Load(j + V.Count, mean) - m;
                    if (C.Centers)
                    {
                        deviations += d;
                        deviations1 += d1;
                    }
                    squares = V.Fma(d, d, squares);
                    squares1 = V.Fma(d1, d1, squares1);
                }
                if (C.Centers) lack = V.Sum(deviations + deviations1) / count;
                T r = T.One / T.Sqrt(T.Max(V.Sum(squares + squares1) / count - lack * lack, T.Zero) + least);

                V factor = V.Create(r), shift = V.Create(lack * r);
                for (int j = 0; j < n; j += V.Count)
                {
                    V value = (xs.Load(j) - m) * factor - shift;
                    if (w != null) value *= ws.Load(j);
                    if (b != null) value += bs.Load(j);
                    ys.Store(j, value);
                    xs.Prefetch(j);
                }
                (kept[0], kept[1], kept[2]) = (mean, r, lack * r);
            }
            Streaming.End();
        }
    }

    /// <summary>
    /// With g = dL/dy: dL/dx += r (g w - mean(g w) - x^ mean(g w x^)), without the first mean where nothing was centred; dL/dw += sum g x^ and dL/db += sum g over
    /// all rows. Each gradient may be null; where dx <paramref name="isZero"/>, it is written.
    /// </summary>
    /// <remarks>The rows are cut into blocks that depend on the shape alone; each sums its part of dw and db, and the parts are added pairwise.</remarks>
    public static void Backward<C>(Tensor x, Tensor? weight, Tensor statistics, Tensor dy, Tensor? dx, bool isZero, Tensor? dw, Tensor? db) where C : struct, ICentering
    {
        if (x.Count == 0) return;
        int n = x.Shape[^1], rows = x.Count / n;
        if (GpuBackend.Current is { } gpu)
        {
            LaunchBackward<C>(gpu, x, weight, statistics, dy, dx, dw);
            if (db is { } sums) Summation.AddInto(dy, sums);
            return;
        }
        int perBlock = Math.Max(Math.Min(rows, Cpu.Rows(n, 8)), Math.Min(rows / 64, 256)), blocks = (rows + perBlock - 1) / perBlock;
        Tensor? dwParts = dw is null ? null : Tensor.Zeros([blocks, n], x.DType), dbParts = db is null ? null : Tensor.Zeros([blocks, n], x.DType);
        Cpu.For(x.DType, blocks, 1, new BackwardKernel<C>(x, weight, statistics, dy, dx, isZero, dwParts, dbParts, perBlock, rows));
        if (dw is { } weights && dwParts is { } ofWeights) Summation.AddInto(ofWeights, weights);
        if (db is { } biases && dbParts is { } ofBiases) Summation.AddInto(ofBiases, biases);
    }

    readonly struct BackwardKernel<C>(Tensor x, Tensor? weight, Tensor statistics, Tensor dy, Tensor? dx, bool isZero, Tensor? dw, Tensor? db, int perBlock, int rows) : ICpuKernel
        where C : struct, ICentering
    {
        readonly StridedLoop loop = new(x.Shape.Without(x.Rank - 1), x.Strides.Without(x.Rank - 1), dx is { } d ? d.Strides.Without(x.Rank - 1) : default);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (x.Strides[^1] == 1 && (dx is not { } d || d.Strides[^1] == 1)) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = x.Shape[^1], stride = x.Strides[^1], strideDx = dx is { } t ? t.Strides[^1] : 1;
            V share = V.Create(T.One / T.CreateTruncating(n));
            T* w = weight is { } weights ? weights.Pointer<T>() : null;
            Row<V, T> ws = new(w, n);
            bool add = !isZero;
            for (; start < end; start++)
            {
                T* partW = dw is { } forWeights ? forWeights.Pointer<T>() + (long)start * n : null, partB = db is { } forBiases ? forBiases.Pointer<T>() + (long)start * n : null;
                for (int row = start * perBlock; row < Math.Min(rows, (start + 1) * perBlock); row++)
                {
                    loop.Locate(row, out long ox, out long odx, out _, out _);
                    T* g = dy.Pointer<T>() + (long)row * n, kept = statistics.Pointer<T>() + Kept * (long)row;
                    F xs = F.Along(x.Pointer<T>() + ox, stride, n);
                    Row<V, T> gs = new(g, n), sumsW = new(partW, n), sumsB = new(partB, n);
                    V m = V.Create(kept[0]), r = V.Create(kept[1]), shift = V.Create(kept[2]), sum = V.Zero, dot = V.Zero;
                    for (int j = 0; j < n; j += V.Count)
                    {
                        V gj = gs.Load(j), normal = (xs.Load(j) - m) * r - shift;
                        if (partW != null) sumsW.Store(j, V.Fma(gj, normal, sumsW.Load(j)));
                        if (partB != null) sumsB.Store(j, sumsB.Load(j) + gj);
                        if (w != null) gj *= ws.Load(j);
                        sum += gj;
                        dot = V.Fma(gj, normal, dot);
                    }
                    if (dx is not { } gradient) continue;
                    T* to = gradient.Pointer<T>() + odx;
                    F dxs = F.Along(to, strideDx, n, isZero && Streaming.Suits<V, T>(to, gradient.Count));
                    V meanG = C.Centers ? V.Create(V.Sum(sum)) * share : V.Zero, meanDot = V.Create(V.Sum(dot)) * share;
                    for (int j = 0; j < n; j += V.Count)
                    {
                        V gj = gs.Load(j), normal = (xs.Load(j) - m) * r - shift;
                        if (w != null) gj *= ws.Load(j);
                        dxs.Store(j, V.Fma(r, gj - meanG - normal * meanDot, add ? dxs.Load(j) : V.Zero));
                        xs.Prefetch(j);
                        gs.Prefetch(j);
                    }
                }
            }
            Streaming.End();
        }
    }
}
