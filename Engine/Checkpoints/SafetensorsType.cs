namespace NeuralMemory.Checkpoints;

/// <summary>What a tensor's elements are, by the name that the safetensors format gives it; little-endian, all of them.</summary>
public enum SafetensorsType
{
    /// <summary>IEEE 754, 64 bits.</summary>
    F64,
    /// <summary>IEEE 754, 32 bits.</summary>
    F32,
    /// <summary>IEEE 754, 16 bits.</summary>
    F16,
    /// <summary>The upper 16 bits of an <see cref="F32"/>.</summary>
    BF16,
    /// <summary>Signed, 64 bits.</summary>
    I64,
    /// <summary>Signed, 32 bits.</summary>
    I32,
    /// <summary>Signed, 16 bits.</summary>
    I16,
    /// <summary>Signed, 8 bits.</summary>
    I8,
    /// <summary>Unsigned, 64 bits.</summary>
    U64,
    /// <summary>Unsigned, 32 bits.</summary>
    U32,
    /// <summary>Unsigned, 16 bits.</summary>
    U16,
    /// <summary>Unsigned, 8 bits.</summary>
    U8,
    /// <summary>A byte, 0 or 1.</summary>
    BOOL,
}
