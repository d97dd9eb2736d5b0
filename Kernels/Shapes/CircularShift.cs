using System.Numerics;
using System.Runtime.CompilerServices;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y[i] = sum_k w[(i - o_k) mod N] s[k] with the offsets o_k = k - K/2 from -(K-1)/2 to (K-1)/2: the Neural Turing Machine's convolutional shift (Graves et al.
/// 2014, equation 8). dL/dw[j] = sum_k dL/dy[(j + o_k) mod N] s[k] and dL/ds[k] = sum_i dL/dy[i] w[(i - o_k) mod N].
/// </summary>
public sealed unsafe class CircularShift : Operation<CircularShift>
{
    /// <summary>Shifts <paramref name="w"/> [.., N] by the distribution <paramref name="s"/> [.., K].</summary>
    public static Tensor Apply(Tensor w, Tensor s)
    {
        Require.SameFloat("CircularShift", w, s);
        if (w.Rank == 0 || s.Rank != w.Rank || w.Shape.Without(w.Rank - 1) != s.Shape.Without(s.Rank - 1))
            throw new ShapeException("CircularShift", $"{w.Shape} by {s.Shape}: [.., N] and [.., K] that differ in the last dimension alone were expected.");
        if (s.Shape[^1] % 2 == 0 || s.Shape[^1] > w.Shape[^1])
            throw new ShapeException("CircularShift", $"{w.Shape} by {s.Shape}: the number of weights, {s.Shape[^1]}, must be odd and at most {w.Shape[^1]}.");
        Tensor y = Tensor.Zeros(w.Shape, w.DType);
        Loop rows = new(w, s, y);
        if (GpuBackend.Current is { } gpu) Launch(gpu, w, s, y, -1);
        else Cpu.For(y.DType, rows.Count, Cpu.Rows(y.Shape[^1], s.Shape[^1]), new Forward(rows));
        Record(y, w, s);
        return y;
    }

    /// <summary>Rows of a tensor [.., N], one [.., K], and another [.., N].</summary>
    readonly struct Loop(Tensor a, Tensor s, Tensor b)
    {
        readonly StridedLoop loop = new(a.Shape.Without(a.Rank - 1), a.Strides.Without(a.Rank - 1), s.Strides.Without(a.Rank - 1), b.Strides.Without(a.Rank - 1));

        public readonly int N = a.Shape[^1], K = s.Shape[^1], StrideA = a.Strides[^1], StrideS = s.Strides[^1], StrideB = b.Strides[^1];

        public int Count => loop.Count;

        public void Locate<T>(int row, out T* pa, out T* ps, out T* pb) where T : unmanaged
        {
            loop.Locate(row, out long oa, out long os, out long ob, out _);
            pa = a.Pointer<T>() + oa;
            ps = s.Pointer<T>() + os;
            pb = b.Pointer<T>() + ob;
        }

        /// <summary>o_k, counted from 0 to N - 1.</summary>
        public int Offset(int k) => (k - K / 2 + N) % N;
    }

    readonly struct Forward(Loop rows) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (; start < end; start++)
            {
                rows.Locate(start, out T* w, out T* s, out T* y);
                for (int k = 0; k < rows.K; k++)
                {
                    // y[o ..] += s w[0 ..], and then w's end, which comes round to y's beginning.
                    int o = rows.Offset(k), rest = rows.N - o;
                    V factor = V.Create(s[(long)k * rows.StrideS]);
                    AddProduct(w, rows.StrideA, factor, y + (long)o * rows.StrideB, rows.StrideB, rest);
                    AddProduct(w + (long)rest * rows.StrideA, rows.StrideA, factor, y, rows.StrideB, o);
                }
            }
        }
    }

    /// <summary>Both gradients as the equations above have them.</summary>
    protected override void Backward()
    {
        Tensor w = Input(0), s = Input(1), dy = OutputGradient();
        if (GpuBackend.Current is { } gpu)
        {
            if (NeedsGradient(0)) Launch(gpu, dy, s, InputGradient(0), 1);
            if (NeedsGradient(1)) LaunchToS(gpu, w, InputGradient(1), dy);
            return;
        }
        int grain = Cpu.Rows(w.Shape[^1], s.Shape[^1]);
        if (NeedsGradient(0))
        {
            Loop rows = new(dy, s, InputGradient(0));
            Cpu.For(dy.DType, rows.Count, grain, new BackwardToW(rows));
        }
        if (NeedsGradient(1))
        {
            Loop rows = new(w, InputGradient(1), dy);
            Cpu.For(dy.DType, rows.Count, grain, new BackwardToS(rows));
        }
    }

    readonly struct BackwardToW(Loop rows) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (; start < end; start++)
            {
                rows.Locate(start, out T* dy, out T* s, out T* dw);
                for (int k = 0; k < rows.K; k++)
                {
                    int o = rows.Offset(k), rest = rows.N - o;
                    V factor = V.Create(s[(long)k * rows.StrideS]);
                    AddProduct(dy + (long)o * rows.StrideA, rows.StrideA, factor, dw, rows.StrideB, rest);
                    AddProduct(dy, rows.StrideA, factor, dw + (long)rest * rows.StrideB, rows.StrideB, o);
                }
            }
        }
    }

    readonly struct BackwardToS(Loop rows) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (; start < end; start++)
            {
                rows.Locate(start, out T* w, out T* ds, out T* dy);
                for (int k = 0; k < rows.K; k++)
                {
                    int o = rows.Offset(k), rest = rows.N - o;
                    V dot = Dot<V, T>(w, rows.StrideA, dy + (long)o * rows.StrideB, rows.StrideB, rest, V.Zero);
                    dot = Dot(w + (long)rest * rows.StrideA, rows.StrideA, dy, rows.StrideB, o, dot);
                    ds[(long)k * rows.StrideS] += V.Sum(dot);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void AddProduct<V, T>(T* from, int strideFrom, V factor, T* to, int strideTo, int count)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < count; i += V.Count)
        {
            V old = Lanes.Load<V, T>(to + (long)i * strideTo, strideTo, count - i);
            V sum = V.Fma(factor, Lanes.Load<V, T>(from + (long)i * strideFrom, strideFrom, count - i), old);
            Lanes.Store(to + (long)i * strideTo, strideTo, sum, count - i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Dot<V, T>(T* a, int strideA, T* b, int strideB, int count, V sum)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < count; i += V.Count)
        {
            // The lanes beyond the end are 0, unless both rows repeat one element, and gradients never do.
            V va = Lanes.Load<V, T>(a + (long)i * strideA, strideA, count - i), vb = Lanes.Load<V, T>(b + (long)i * strideB, strideB, count - i);
            sum = V.Fma(va, vb, sum);
        }
        return sum;
    }

    static GpuLoop Rows(Tensor a, Tensor s, Tensor b)
    {
        int last = a.Rank - 1;
        return new(new StridedLoop(a.Shape.Without(last), a.Strides.Without(last), s.Strides.Without(last), b.Strides.Without(last)));
    }

    /// <summary>to[i] += sum_k from[(i + direction o_k) mod N] s[k].</summary>
    static void Launch(GpuBackend gpu, Tensor from, Tensor s, Tensor to, int direction) => gpu.LaunchEach(to.Count, new GpuShift(
        gpu.View(from), gpu.View(s), gpu.View(to), Rows(from, s, to), to.Shape[^1], s.Shape[^1], from.Strides[^1], s.Strides[^1], to.Strides[^1], direction));

    readonly struct GpuShift(ArrayView<float> from, ArrayView<float> s, ArrayView<float> to, GpuLoop rows, int n, int kernel, int strideFrom, int strideS, int strideTo, int direction) : IGpuKernel
    {
        public void Run()
        {
            int element = Grid.IdxX * Group.DimX + Group.IdxX, row = element / n, i = element - row * n;
            if (row >= rows.Count) return;
            rows.Locate(row, out int of, out int os, out int ot, out _);
            float sum = to[ot + i * strideTo];
            for (int k = 0; k < kernel; k++)
            {
                int j = i + direction * (k - kernel / 2);
                j += j < 0 ? n : j >= n ? -n : 0;
                sum = GpuMath.Fma(s[os + k * strideS], from[of + j * strideFrom], sum);
            }
            to[ot + i * strideTo] = sum;
        }
    }

    static void LaunchToS(GpuBackend gpu, Tensor w, Tensor ds, Tensor dy) => gpu.LaunchEach(32 * ds.Count, new GpuBackwardToS(
        gpu.View(w), gpu.View(ds), gpu.View(dy), Rows(w, ds, dy), w.Shape[^1], ds.Shape[^1], w.Strides[^1], ds.Strides[^1], dy.Strides[^1]));

    /// <summary>A warp for each weight.</summary>
    readonly struct GpuBackwardToS(ArrayView<float> w, ArrayView<float> ds, ArrayView<float> dy, GpuLoop rows, int n, int kernel, int strideW, int strideS, int strideDy) : IGpuKernel
    {
        public void Run()
        {
            int weight = (Grid.IdxX * Group.DimX + Group.IdxX) / 32, row = weight / kernel, k = weight - row * kernel, os = 0;
            float sum = 0;
            if (row < rows.Count)
            {
                rows.Locate(row, out int ow, out os, out int oy, out _);
                for (int i = Warp.LaneIdx; i < n; i += 32)
                {
                    int j = i + k - kernel / 2;
                    j += j < 0 ? n : j >= n ? -n : 0;
                    sum = GpuMath.Fma(w[ow + i * strideW], dy[oy + j * strideDy], sum);
                }
            }
            sum = WarpReduce.Sum(sum);
            if (Warp.LaneIdx == 0 && row < rows.Count) ds[os + k * strideS] += sum;
        }
    }
}

/// <summary>Adds the circular shift to <see cref="Tensor"/>.</summary>
public static class CircularShiftOperation
{
    extension(Tensor w)
    {
        /// <summary>
        /// w [.., N] shifted by a distribution over offsets, <paramref name="s"/> [.., K] -> [.., N]: y[i] = sum_k w[(i - (k - K/2)) mod N] s[k]. The middle weight
        /// leaves everything where it is, the last moves it up.
        /// </summary>
        /// <exception cref="ShapeException">K is even or above N; the other dimensions or the types differ; the elements are integers.</exception>
        public Tensor CircularShift(Tensor s) => NeuralMemory.CircularShift.Apply(w, s);
    }
}
