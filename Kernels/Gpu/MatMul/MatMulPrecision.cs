namespace NeuralMemory;

/// <summary>How exactly a GPU multiplies matrices. Sums are float32 in all cases, and so are inputs and results in memory.</summary>
public enum MatMulPrecision
{
    /// <summary>Products of float32, 24 bits each: relative error 2^-24 a product.</summary>
    Float32,

    /// <summary>Inputs are rounded to 11 bits (TensorFloat32) on the way into tensor cores: relative error about 2^-11 a product. Range as in float32.</summary>
    TensorFloat32,

    /// <summary>Inputs are rounded to 8 bits (bfloat16) on the way into tensor cores: relative error about 2^-8 a product. Range as in float32.</summary>
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

    /// <inheritdoc cref="Gpu.SkinnyDots"/>
    SkinnyDots,

    /// <inheritdoc cref="Gpu.SkinnyColumns"/>
    SkinnyColumns,
}
