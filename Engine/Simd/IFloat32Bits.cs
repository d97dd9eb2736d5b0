namespace NeuralMemory.Simd;

/// <summary>What the elementary functions need beyond arithmetic: operations on the bits of a float32.</summary>
interface IFloat32Bits<V> : ISimd<V, float>
    where V : struct, IFloat32Bits<V>
{
}
