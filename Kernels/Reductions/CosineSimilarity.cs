using System.Numerics;
using ILGPU;
using ILGPU.Algorithms;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y = a . b / max(|a| |b|, epsilon) along a dimension. Where the norms' product exceeds epsilon, dy/da = b / (|a| |b|) - y a / |a|^2; elsewhere it is
/// b / epsilon. Likewise for b.
/// </summary>
public sealed unsafe class CosineSimilarity : Operation<CosineSimilarity>
{
    int dimension;
    double epsilon;

    /// <summary>The cosine of the angles between the fibres of <paramref name="a"/> and <paramref name="b"/>, broadcast to one another.</summary>
    public static Tensor Apply(Tensor a, Tensor b, int dimension, double epsilon)
    {
        Require.SameFloat("CosineSimilarity", a, b);
        Shape shape = Shape.Broadcast(a.Shape, b.Shape, "CosineSimilarity");
        int d = shape.Dimension(dimension, "CosineSimilarity");
        Tensor y = Tensor.Empty(shape.Without(d), a.DType);
        Fibres fibres = new(shape, d, StridedLoop.Expand(a, shape), StridedLoop.Expand(b, shape), Fibres.OneEach(y, d));
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuForward(gpu.View(a), gpu.View(b), gpu.View(y), (float)epsilon));
        else Cpu.For(y.DType, fibres.Count, fibres.Grain(3), new Forward(fibres, a, b, y, epsilon));
        if (Record(y, a, b) is { } operation) (operation.dimension, operation.epsilon) = (d, epsilon);
        return y;
    }

    /// <summary>a . b, |a|^2 and |b|^2.</summary>
    static (V Dot, V SquareA, V SquareB) Products<V, T>(in Fibres fibres, in Fibre<V, T> a, in Fibre<V, T> b)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V dot = V.Zero, squareA = V.Zero, squareB = V.Zero;
        int n = fibres.Length, step = fibres.Step<V>();
        for (int j = 0; j < n; j += step)
        {
            V va = a.Load(j), vb = b.Load(j);
            dot = V.Fma(va, vb, dot);
            squareA = V.Fma(va, va, squareA);
            squareB = V.Fma(vb, vb, squareB);
        }
        return (fibres.Sum<V, T>(dot), fibres.Sum<V, T>(squareA), fibres.Sum<V, T>(squareB));
    }

    readonly struct Forward(Fibres fibres, Tensor a, Tensor b, Tensor y, double epsilon) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V least = V.Constant(epsilon);
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long oa, out long ob, out long oy, out _);
                Fibre<V, T> fa = fibres.At<V, T>(0, a.Pointer<T>() + oa, taken), fb = fibres.At<V, T>(1, b.Pointer<T>() + ob, taken);
                (V dot, V squareA, V squareB) = Products(fibres, fa, fb);
                fibres.At<V, T>(2, y.Pointer<T>() + oy, taken).StoreOne(dot / V.Max(V.Sqrt(squareA) * V.Sqrt(squareB), least));
            }
        }
    }

    /// <summary>dL/da += dL/dy dy/da, summed over the dimensions in which a was repeated; likewise for b.</summary>
    protected override void Backward()
    {
        if (NeedsGradient(0)) Accumulate(Input(0), Input(1), InputGradient(0));
        if (NeedsGradient(1)) Accumulate(Input(1), Input(0), InputGradient(1));
    }

    /// <summary>The gradient of one side, which the other is called b for: the formula is the same for both.</summary>
    void Accumulate(Tensor a, Tensor b, Tensor gradient)
    {
        Tensor y = Output();
        Shape shape = Shape.Broadcast(a.Shape, b.Shape, "CosineSimilarity");
        Tensor target = Broadcasting.BeginGradient(gradient, shape);
        Fibres fibres = new(shape, dimension, StridedLoop.Expand(a, shape), StridedLoop.Expand(b, shape), Fibres.OneEach(y, dimension), target.Strides);
        if (GpuBackend.Current is { } gpu) gpu.Launch(fibres, new GpuBackward(gpu.View(a), gpu.View(b), gpu.View(OutputGradient()), gpu.View(target), (float)epsilon));
        else Cpu.For(y.DType, fibres.Count, fibres.Grain(5), new BackwardKernel(fibres, a, b, OutputGradient(), target, epsilon));
        Broadcasting.EndGradient(gradient, target);
    }

    readonly struct BackwardKernel(Fibres fibres, Tensor a, Tensor b, Tensor dy, Tensor da, double epsilon) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = fibres.Length, step = fibres.Step<V>();
            V least = V.Constant(epsilon);
            for (int taken; start < end; start += taken)
            {
                taken = fibres.Take<V>(start, end, out long oa, out long ob, out long oy, out long od);
                Fibre<V, T> fa = fibres.At<V, T>(0, a.Pointer<T>() + oa, taken), fb = fibres.At<V, T>(1, b.Pointer<T>() + ob, taken);
                Fibre<V, T> fd = fibres.At<V, T>(3, da.Pointer<T>() + od, taken);
                (V dot, V squareA, V squareB) = Products(fibres, fa, fb);
                V g = fibres.At<V, T>(2, dy.Pointer<T>() + oy, taken).LoadOne(), norms = V.Sqrt(squareA) * V.Sqrt(squareB);
                V toB = g / V.Max(norms, least), toA = V.IfLess(least, norms, -(toB * dot / squareA), V.Zero);
                for (int j = 0; j < n; j += step) fd.Store(j, V.Fma(toB, fb.Load(j), V.Fma(toA, fa.Load(j), fd.Load(j))));
            }
        }
    }

    /// <summary>a . b, |a|^2 and |b|^2, in a kernel.</summary>
    readonly struct GpuProducts(float dot, float squareA, float squareB) : IReduction<GpuProducts>
    {
        public readonly float Dot = dot, SquareA = squareA, SquareB = squareB;

        /// <summary>|a| |b|.</summary>
        public float Norms => XMath.Sqrt(SquareA) * XMath.Sqrt(SquareB);

        public static GpuProducts Neutral => new(0, 0, 0);

        public static GpuProducts Join(GpuProducts p, GpuProducts q) => new(p.Dot + q.Dot, p.SquareA + q.SquareA, p.SquareB + q.SquareB);

        public static GpuProducts Of<T>(ArrayView<float> a, ArrayView<float> b, GpuFibre f) where T : struct, ITeam
        {
            GpuProducts products = Neutral;
            for (int j = T.Member; j < f.Length; j += T.Size)
            {
                float va = a[f.At0(j)], vb = b[f.At1(j)];
                products = new(GpuMath.Fma(va, vb, products.Dot), GpuMath.Fma(va, va, products.SquareA), GpuMath.Fma(vb, vb, products.SquareB));
            }
            return T.Reduce<GpuProducts, GpuProducts>(products);
        }
    }

    readonly struct GpuForward(ArrayView<float> a, ArrayView<float> b, ArrayView<float> y, float epsilon) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            GpuProducts products = GpuProducts.Of<T>(a, b, f);
            if (f.LedBy<T>()) y[f.At2(0)] = products.Dot / GpuFloat.Max(products.Norms, epsilon);
        }
    }

    readonly struct GpuBackward(ArrayView<float> a, ArrayView<float> b, ArrayView<float> dy, ArrayView<float> da, float epsilon) : IFibreKernel
    {
        public void Run<T>(GpuFibre f) where T : struct, ITeam
        {
            GpuProducts products = GpuProducts.Of<T>(a, b, f);
            float norms = products.Norms, toB = dy[f.At2(0)] / GpuFloat.Max(norms, epsilon), toA = norms > epsilon ? -(toB * products.Dot / products.SquareA) : 0;
            for (int j = T.Member; j < f.Length; j += T.Size) da[f.At3(j)] = GpuMath.Fma(toB, b[f.At1(j)], GpuMath.Fma(toA, a[f.At0(j)], da[f.At3(j)]));
        }
    }
}

/// <summary>Adds the cosine similarity to <see cref="Tensor"/>.</summary>
public static class CosineSimilarityOperation
{
    extension(Tensor a)
    {
        /// <summary>
        /// The cosine of the angle between the vectors along <paramref name="dimension"/> of two tensors, broadcast to one another: memory [B, N, W] and key
        /// [B, 1, W] give [B, N]. a . b / max(|a| |b|, epsilon), so that vectors of zeros are similar to nothing.
        /// </summary>
        /// <param name="b">The other tensor.</param>
        /// <param name="dimension">Along which the vectors lie, in the shape that both broadcast to. The result is without it.</param>
        /// <param name="epsilon">The least that is divided by. In its reach the gradient is as large as 1 / epsilon.</param>
        /// <exception cref="ShapeException">The shapes do not broadcast; there is no such dimension; the types differ; the elements are integers.</exception>
        public Tensor CosineSimilarity(Tensor b, int dimension = -1, double epsilon = 1e-8) => NeuralMemory.CosineSimilarity.Apply(a, b, dimension, epsilon);
    }
}
