using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// An optimiser's equations for one weight: the formula that every device and width is compiled from. Its fields are the numbers in them, the same for all weights of a parameter in one step.
/// </summary>
public interface IUpdateRule
{
    /// <summary>Changes a weight and its state.</summary>
    /// <param name="g">dL/dw.</param>
    /// <param name="w">The weight.</param>
    /// <param name="a">Its part of the optimiser's state 0; 0, and not kept, where there is no such state.</param>
    /// <param name="b">Likewise of state 1.</param>
    /// <param name="c">Likewise of state 2.</param>
    void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V>;
}
