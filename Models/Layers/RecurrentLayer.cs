namespace NeuralMemory.Layers;

/// <summary>
/// What <see cref="Rnn"/>, <see cref="Gru"/> and <see cref="Lstm"/> share: layers on top of each other, each in one direction or in both, sequences of different lengths
/// in one batch. Parameters have PyTorch's names and shapes: <c>weight_ih_l0</c> [gates * hidden, inputs], <c>weight_hh_l0</c> [gates * hidden, hidden],
/// <c>bias_ih_l0</c> and <c>bias_hh_l0</c> [gates * hidden]; those of the way back end in <c>_reverse</c>.
/// </summary>
public abstract class RecurrentLayer : Layer
{
    readonly Weights[] weights;
    readonly Tensor[] lastHidden, lastCell, outputs;                     // kept, so that a step allocates nothing
    readonly double dropout;
    readonly Philox random;

    /// <summary>The weights of one layer in one direction.</summary>
    private protected readonly record struct Weights(Tensor Input, Tensor Recurrent, Tensor InputBias, Tensor RecurrentBias);

    private protected RecurrentLayer(int gates, int inputs, int hidden, Philox random, int layers, bool bidirectional, double dropout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(hidden, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        if (!(dropout is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(dropout), dropout, "A probability from 0 to less than 1 was expected.");
        (Inputs, Hidden, Layers, Directions) = (inputs, hidden, layers, bidirectional ? 2 : 1);
        (this.dropout, this.random) = (dropout, random);
        weights = new Weights[layers * Directions];
        (lastHidden, lastCell, outputs) = (new Tensor[weights.Length], new Tensor[weights.Length], new Tensor[Directions]);
        Initializer uniform = Initializers.Uniform(1 / Math.Sqrt(hidden));
        for (int i = 0; i < weights.Length; i++)
        {
            string suffix = $"l{i / Directions}{(i % Directions == 1 ? "_reverse" : "")}";
            weights[i] = new(
                Parameter($"weight_ih_{suffix}", [gates * hidden, i < Directions ? inputs : hidden * Directions], uniform, random),
                Parameter($"weight_hh_{suffix}", [gates * hidden, hidden], uniform, random),
                Parameter($"bias_ih_{suffix}", [gates * hidden], uniform, random),
                Parameter($"bias_hh_{suffix}", [gates * hidden], uniform, random));
        }
    }

    /// <summary>Features of an input.</summary>
    public int Inputs { get; }

    /// <summary>Units of each layer in each direction.</summary>
    public int Hidden { get; }

    /// <summary>Layers on top of each other.</summary>
    public int Layers { get; }

    /// <summary>2 where every layer also walks from the end to the start, else 1.</summary>
    public int Directions { get; }

    /// <summary>One layer in one direction, time first: from x [time, batch, features] to the output and the state after it.</summary>
    private protected abstract (Tensor Output, Tensor Hidden, Tensor Cell) Scan(Tensor x, in Weights w, Tensor hidden, Tensor cell, Tensor? lengths, bool reverse);

    /// <summary>All layers; the states are [layers * directions, batch, hidden], zero where none is given.</summary>
    private protected (Tensor Output, Tensor Hidden, Tensor Cell) Run(Tensor x, Tensor? hidden, Tensor? cell, Tensor? lengths)
    {
        string name = GetType().Name;
        if (x.Rank != 3 || x.Shape[2] != Inputs) throw new ShapeException(name, $"the input is {x.Shape}; [batch, time, {Inputs}] was expected.");
        int batch = x.Shape[0];
        Shape shape = [weights.Length, batch, Hidden];
        if (hidden is { } h && h.Shape != shape) throw new ShapeException(name, $"the hidden state is {h.Shape}; {shape} was expected.");
        if (cell is { } c && c.Shape != shape) throw new ShapeException(name, $"the cell is {c.Shape}; {shape} was expected.");
        Tensor zeros = Tensor.Zeros([batch, Hidden], x.DType), y = x.Transpose(0, 1);                 // [time, batch, features]
        for (int layer = 0; layer < Layers; layer++)
        {
            if (layer > 0) y = y.Dropout(dropout, random, IsTraining);
            for (int direction = 0; direction < Directions; direction++)
            {
                int i = layer * Directions + direction;
                (outputs[direction], lastHidden[i], lastCell[i]) =
                    Scan(y, weights[i], hidden?.Select(0, i) ?? zeros, cell?.Select(0, i) ?? zeros, lengths, reverse: direction == 1);
            }
            y = Directions == 1 ? outputs[0] : Tensor.Concat(-1, outputs);
        }
        return (y.Transpose(0, 1), Tensor.Stack(0, lastHidden), Tensor.Stack(0, lastCell));
    }
}
