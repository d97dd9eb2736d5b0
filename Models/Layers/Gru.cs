namespace NeuralMemory.Layers;

/// <summary>Gated recurrent units (Cho et al. 2014), in PyTorch's form: the reset gate acts on W_hh h + b_hh. See <see cref="GruScan"/> for the equations.</summary>
/// <param name="inputs">Features of an input.</param>
/// <param name="hidden">Units of each layer in each direction.</param>
/// <param name="random">Where the weights are drawn from, uniform within 1 / sqrt(hidden), and dropout later.</param>
/// <param name="layers">Layers, each reading what the one before puts out.</param>
/// <param name="bidirectional">Whether every layer also walks backwards; the outputs of both ways are side by side.</param>
/// <param name="dropout">The probability of dropping an element between two layers while training.</param>
public sealed class Gru(int inputs, int hidden, Philox random, int layers = 1, bool bidirectional = false, double dropout = 0)
    : RecurrentLayer(3, inputs, hidden, random, layers, bidirectional, dropout)
{
    /// <summary>The last layer's hidden state at every step: [batch, time, inputs] to [batch, time, directions * hidden].</summary>
    public override Tensor Forward(Tensor x) => Run(x).Output;

    /// <inheritdoc cref="Rnn.Run(Tensor, Tensor?, Tensor?)"/>
    public (Tensor Output, Tensor Hidden) Run(Tensor x, Tensor? hidden = null, Tensor? lengths = null)
    {
        (Tensor output, Tensor last, _) = Run(x, hidden, null, lengths);
        return (output, last);
    }

    private protected override (Tensor Output, Tensor Hidden, Tensor Cell) Scan(Tensor x, in Weights w, Tensor hidden, Tensor cell, Tensor? lengths, bool reverse)
    {
        (Tensor output, Tensor last) = GruScan.Apply(x.Linear(w.Input, w.InputBias), w.Recurrent, w.RecurrentBias, hidden, lengths, reverse);
        return (output, last, last);
    }
}
