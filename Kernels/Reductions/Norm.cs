using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>y = sqrt(sum x_i^2) over the elements that make one of y. dL/dx_i = x_i / y dL/dy, and 0 where y is 0.</summary>
public sealed class Norm : Operation<Norm>
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
        else ElementLoop<Slope>.Run(new(), dx, x, g, isZero: isZero);
    }

    readonly struct GpuBackward(ArrayView<float> x, ArrayView<float> g, ArrayView<float> dx) : IGpuElements
    {
        public void One(int i, int ox, int og, int odx, int o3) => dx[odx] = GpuMath.Fma(x[ox], g[og], dx[odx]);

        public void Four(in GpuLoop loop, int i, int ox, int og, int odx, int o3) =>
            Float4.Fma(Float4.Load(x, ox, loop.Step0), Float4.Load(g, og, loop.Step1), Float4.Load(dx, odx)).Store(dx, odx);
    }

    readonly struct Slope : IElement
    {
        public static int Operands => 2;
        public static bool Adds => true;
        public V Of<V>(V x, V g, V c, V d, V dx) where V : struct, ISimd<V> => V.Fma(x, g, dx);
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
