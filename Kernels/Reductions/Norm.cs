using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>y = sqrt(sum x_i^2) over the elements that make one of y. dL/dx_i = x_i / y dL/dy, and 0 where y is 0.</summary>
public sealed unsafe class Norm : Operation<Norm>
{
    Shape kept;

    /// <summary>The Euclidean norm of <paramref name="x"/> over <paramref name="dimensions"/>, or over all where there are none.</summary>
    public static Tensor Apply(Tensor x, ReadOnlySpan<int> dimensions, bool keepDimensions)
    {
        Require.Float("Norm", x);
        Reduced reduced = new("Norm", x.Shape, dimensions);
        Shape kept = reduced.Kept;
        Tensor squares = Tensor.Zeros(kept, x.DType), y = Tensor.Empty(keepDimensions ? kept : reduced.Dropped, x.DType);
        Summation.AddInto<Summation.Square>(x, squares);
        Deviations.SquareRoot(squares, y);
        Record(y, x)?.kept = kept;
        return y;
    }

    /// <summary>dL/dx_i += x_i (dL/dy / y).</summary>
    protected override void Backward()
    {
        Deviations.Quotient(OutputGradient(), Output()).TryView(kept, out Tensor g);
        Tensor x = Input(0), dx = InputGradient(0, out bool isZero);
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(new(x.Shape, x.Strides, StridedLoop.Expand(g, x.Shape), dx.Strides), x, g, dx), new GpuBackward(gpu.View(x), gpu.View(g), gpu.View(dx)));
        else Cpu.For(g.DType, x.Count, Cpu.Grain, new BackwardKernel(x, g, dx, isZero));
    }

    readonly struct GpuBackward(ArrayView<float> x, ArrayView<float> g, ArrayView<float> dx) : IGpuElements
    {
        public void One(int i, int ox, int og, int odx, int o3) => dx[odx] = GpuMath.Fma(x[ox], g[og], dx[odx]);

        public void Four(in GpuLoop loop, int i, int ox, int og, int odx, int o3) =>
            Float4.Fma(Float4.Load(x, ox, loop.Step0), Float4.Load(g, og, loop.Step1), Float4.Load(dx, odx)).Store(dx, odx);
    }

    readonly struct BackwardKernel(Tensor x, Tensor g, Tensor dx, bool isZero) : ICpuKernel
    {
        readonly StridedLoop loop = new(x.Shape, x.Strides, StridedLoop.Expand(g, x.Shape), dx.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            bool add = !isZero;
            int strideX = loop.InnerStride(0), strideG = loop.InnerStride(1), strideDx = loop.InnerStride(2);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long ox, out long og, out long odx, out _), end - start);
                T* px = x.Pointer<T>() + ox, pg = g.Pointer<T>() + og, pdx = dx.Pointer<T>() + odx;
                int i = 0;
                if (strideX == 1 && strideG is 0 or 1 && strideDx == 1)
                {
                    V same = V.Create(*pg);
                    bool streams = isZero && Streaming.Suits<V, T>(pdx, x.Count);
                    for (; i <= length - V.Count; i += V.Count) Streaming.Store(pdx + i, V.Fma(V.Load(px + i), strideG == 0 ? same : V.Load(pg + i), add ? V.Load(pdx + i) : V.Zero), streams);
                }
                for (; i < length; i += V.Count)
                {
                    int count = length - i;
                    V vx = Lanes.Load<V, T>(px + (long)i * strideX, strideX, count), vg = Lanes.Load<V, T>(pg + (long)i * strideG, strideG, count);
                    Lanes.Store(pdx + (long)i * strideDx, strideDx, V.Fma(vx, vg, add ? Lanes.Load<V, T>(pdx + (long)i * strideDx, strideDx, count) : V.Zero), count);
                }
            }
            Streaming.End();
        }
    }
}

/// <summary>Adds the Euclidean norm to <see cref="Tensor"/>.</summary>
public static class NormOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The square root of the sum of squares over <paramref name="dimensions"/>, which the result is without, or over all elements where none is named.
        /// Where all are 0, so are the norm and its gradient. Numbers above 1e19 overflow in Float32 when squared.
        /// </summary>
        /// <exception cref="ShapeException">A dimension is not there, or named twice; the elements are integers.</exception>
        public Tensor Norm(params ReadOnlySpan<int> dimensions) => NeuralMemory.Norm.Apply(x, dimensions, false);

        /// <summary>As above; where <paramref name="keepDimensions"/> holds, the dimensions stay, with size 1.</summary>
        public Tensor Norm(ReadOnlySpan<int> dimensions, bool keepDimensions) => NeuralMemory.Norm.Apply(x, dimensions, keepDimensions);
    }
}
