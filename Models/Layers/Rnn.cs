namespace NeuralMemory.Layers;

/// <summary>A simple recurrent network (Elman 1990): h_t = tanh(W_ih x_t + b_ih + W_hh h_t-1 + b_hh).</summary>
/// <param name="inputs">Features of an input.</param>
/// <param name="hidden">Units of each layer in each direction.</param>
/// <param name="random">Where the weights are drawn from, uniform within 1 / sqrt(hidden), and dropout later.</param>
/// <param name="layers">Layers, each reading what the one before puts out.</param>
/// <param name="bidirectional">Whether every layer also walks backwards; the outputs of both ways are side by side.</param>
/// <param name="dropout">The probability of dropping an element between two layers while training.</param>
public sealed class Rnn(int inputs, int hidden, Philox random, int layers = 1, bool bidirectional = false, double dropout = 0)
    : RecurrentLayer(1, inputs, hidden, random, layers, bidirectional, dropout)
{
    /// <summary>The last layer's hidden state at every step: [batch, time, inputs] to [batch, time, directions * hidden].</summary>
    public override Tensor Forward(Tensor x) => Run(x).Output;

    /// <summary>As <see cref="Forward"/>, from a given state and with lengths.</summary>
    /// <param name="x">[batch, time, inputs].</param>
    /// <param name="hidden">[layers * directions, batch, hidden], a layer's way back after its way forth; zero where it is not given.</param>
    /// <param name="lengths">How long each sequence is: Int32 [batch]. What follows does not count; its output is zero.</param>
    /// <returns>The output, and each layer's hidden state after its last step.</returns>
    /// <exception cref="ShapeException">A shape does not fit, or a length is out of range.</exception>
    public (Tensor Output, Tensor Hidden) Run(Tensor x, Tensor? hidden = null, Tensor? lengths = null)
    {
        (Tensor output, Tensor last, _) = Run(x, hidden, null, lengths);
        return (output, last);
    }

    private protected override (Tensor Output, Tensor Hidden, Tensor Cell) Scan(Tensor x, in Weights w, Tensor hidden, Tensor cell, Tensor? lengths, bool reverse)
    {
        (Tensor output, Tensor last) = RnnScan.Apply(x.Linear(w.Input, w.InputBias + w.RecurrentBias), w.Recurrent, hidden, lengths, reverse);
        return (output, last, last);
    }
}
