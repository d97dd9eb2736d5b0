using NeuralMemory.Gpu;

namespace NeuralMemory;

/// <summary>The gradient of an input whose elements were repeated to fit the other inputs: the sum over the copies.</summary>
static class Broadcasting
{
    /// <summary>
    /// What to add an input's gradient into element by element, of the output's <paramref name="shape"/>: <paramref name="gradient"/> itself, or zeros
    /// that <see cref="EndGradient"/> sums into it.
    /// </summary>
    public static Tensor BeginGradient(Tensor gradient, Shape shape) => gradient.Shape == shape ? gradient : Tensor.Zeros(shape, gradient.DType);

    /// <summary>As <see cref="BeginGradient(Tensor, Shape)"/>, for a kernel that spares itself the reading of zeros: where <paramref name="isZero"/>, every element must be written.</summary>
    public static Tensor BeginGradient(Tensor gradient, Shape shape, ref bool isZero)
    {
        if (gradient.Shape == shape || GpuBackend.Current is not null) return BeginGradient(gradient, shape);
        isZero = true;
        return Tensor.Empty(shape, gradient.DType);
    }

    /// <summary>Sums <paramref name="full"/>, which <see cref="BeginGradient(Tensor, Shape)"/> gave, into <paramref name="gradient"/> where they are not the same.</summary>
    public static void EndGradient(Tensor gradient, Tensor full)
    {
        if (gradient.Shape != full.Shape) Summation.AddInto(full, gradient);
    }
}
