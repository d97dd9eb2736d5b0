namespace NeuralMemory.Tasks;

/// <summary>A batch of pairs of sequences for a <see cref="Models.EncoderDecoder"/>. Its tensors end with the step of the tape that they were made in.</summary>
/// <param name="Source">Int32 [batch, source]: what is read, <see cref="Models.EncoderDecoder.Padding"/> at its end.</param>
/// <param name="Lengths">Int32 [batch]: how long each source is.</param>
/// <param name="Inputs">Int32 [batch, target]: <see cref="Models.EncoderDecoder.Begin"/> and the symbols to be said, but the last.</param>
/// <param name="Labels">Int32 [batch, target]: the symbols to be said and <see cref="Models.EncoderDecoder.End"/>; padding where nothing is to be said.</param>
public readonly record struct Translation(Tensor Source, Tensor Lengths, Tensor Inputs, Tensor Labels);
