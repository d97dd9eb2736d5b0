namespace NeuralMemory;

/// <summary>The tensors that a Differentiable Neural Computer begins with, and ends with. Without links, N is 0 in precedence and links.</summary>
/// <param name="Memory">M: [batch, N, W].</param>
/// <param name="Usage">u: [batch, N].</param>
/// <param name="Precedence">p: [batch, N].</param>
/// <param name="Links">L: [batch, N, N]. L[i, j] is how far slot i was written right after slot j.</param>
/// <param name="WriteWeighting">Where it wrote last: [batch, N].</param>
/// <param name="ReadWeightings">Where every head read last: [batch, R, N].</param>
/// <param name="Reads">What the heads read last: [batch, R W].</param>
/// <param name="Hidden">The controller's hidden state: [batch, hidden].</param>
/// <param name="Cell">The controller's cell: [batch, hidden].</param>
public readonly record struct DncState(
    Tensor Memory, Tensor Usage, Tensor Precedence, Tensor Links, Tensor WriteWeighting, Tensor ReadWeightings, Tensor Reads, Tensor Hidden, Tensor Cell);

/// <summary>The trained weights that act within the recurrence.</summary>
/// <param name="Read">Vectors read to controller: [gates, R W].</param>
/// <param name="Recurrent">Hidden state to controller: [gates, hidden].</param>
/// <param name="Interface">Controller to interface: [interface parameters, hidden].</param>
/// <param name="InterfaceBias">[interface parameters].</param>
public readonly record struct DncWeights(Tensor Read, Tensor Recurrent, Tensor Interface, Tensor InterfaceBias);

/// <summary>What the memory did at every step, for people to look at; no gradient flows through it.</summary>
/// <param name="ReadWeightings">[time, batch, R, N].</param>
/// <param name="WriteWeightings">[time, batch, N].</param>
/// <param name="Usage">[time, batch, N].</param>
/// <param name="Links">[time, batch, N, N], where they were asked for.</param>
public readonly record struct DncTrace(Tensor ReadWeightings, Tensor WriteWeightings, Tensor Usage, Tensor? Links);
