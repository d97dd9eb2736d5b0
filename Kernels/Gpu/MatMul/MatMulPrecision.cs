namespace NeuralMemory;

/// <summary>How exactly a GPU multiplies matrices. Inputs and results are float32 in memory, and so are all sums.</summary>
public enum MatMulPrecision
{
    /// <summary>Operands are taken as they are: 24 significant bits.</summary>
    Float32,

    /// <summary>
    /// Where results are larger than 32 x 32, operands are rounded to 11 significant bits (TensorFloat32) on their way into tensor cores: a relative error of up to 2^-11 each. The range is that of float32.
    /// </summary>
    TensorFloat32,

    /// <summary>As <see cref="TensorFloat32"/>, but to 8 significant bits (bfloat16): a relative error of up to 2^-8 each, at twice the speed of the instruction.</summary>
    BFloat16,
}

/// <summary>The kernels for products of matrices, each of which can do any. Which one is fit follows from the shapes.</summary>
enum MatMulRung
{
    /// <inheritdoc cref="Gpu.NaiveGemm"/>
    Naive,

    /// <inheritdoc cref="Gpu.SharedGemm"/>
    Shared,

    /// <inheritdoc cref="Gpu.Block4x4"/>
    Blocked64,

    /// <inheritdoc cref="Gpu.Block8x8"/>
    Blocked128,

    /// <summary>For precisions below Float32. <inheritdoc cref="Gpu.TensorCoreGemm{P, PA, PB}"/></summary>
    TensorCores,

    /// <inheritdoc cref="Gpu.SkinnyDots"/>
    SkinnyDots,

    /// <inheritdoc cref="Gpu.SkinnyColumns"/>
    SkinnyColumns,
}
