namespace NeuralMemory.Layers;

/// <summary>
/// Multi-head attention (Vaswani et al. 2017, section 3.2): every head looks from each query at all keys and takes the mean of the values, weighted by
/// softmax(q . k / sqrt(width / heads)). Parameters have PyTorch's names: <c>in_proj_weight</c> [3 * width, width], for query, key and value, <c>in_proj_bias</c>, and
/// <c>out_proj</c>.
/// </summary>
public sealed class MultiHeadAttention : Module
{
    readonly Tensor inputWeight, inputBias;
    readonly Linear output;
    readonly RotaryPositions? rotary;
    readonly double dropout;
    readonly Philox random;

    /// <summary>A layer with random weights.</summary>
    /// <param name="width">Elements of a query, key, value and result: a multiple of <paramref name="heads"/>.</param>
    /// <param name="heads">Heads, each of which works on width / heads elements.</param>
    /// <param name="random">Where the weights are drawn from, and dropout later.</param>
    /// <param name="dropout">The probability of dropping an attention weight while training.</param>
    /// <param name="rotary">Whether queries and keys are turned by their positions, see <see cref="RotaryPositions"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, or the heads do not divide the width.</exception>
    public MultiHeadAttention(int width, int heads, Philox random, double dropout = 0, bool rotary = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        if (heads < 1 || width % heads != 0) throw new ArgumentOutOfRangeException(nameof(heads), heads, $"A divisor of the width, {width}, was expected.");
        if (!(dropout is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(dropout), dropout, "A probability from 0 to less than 1 was expected.");
        (Width, Heads, this.dropout, this.random) = (width, heads, dropout, random);
        inputWeight = Parameter("in_proj_weight", [3 * width, width], Initializers.XavierUniform(), random);
        inputBias = Parameter("in_proj_bias", [3 * width], 0);
        output = Child("out_proj", new Linear(width, width, random));
        if (rotary) this.rotary = Child("rotary", new RotaryPositions(width / heads));
    }

    /// <summary>Elements of a query.</summary>
    public int Width { get; }

    /// <summary>Heads.</summary>
    public int Heads { get; }

    /// <summary>Attends from every query to all keys: the result is [batch, queries, width].</summary>
    /// <param name="query">[batch, queries, width].</param>
    /// <param name="key">[batch, keys, width].</param>
    /// <param name="value">[batch, keys, width].</param>
    /// <param name="padding">[batch, keys], not 0 where a key is not to be looked at.</param>
    /// <param name="causal">Whether query t sees the keys 0 to t only; there must be as many of both.</param>
    /// <exception cref="ShapeException">A shape does not fit.</exception>
    public Tensor Forward(Tensor query, Tensor key, Tensor value, Tensor? padding = null, bool causal = false) => Run(query, key, value, padding, causal).Output;

    /// <summary>As <see cref="Forward"/>, with the weights by which each head looked: [batch, heads, queries, keys].</summary>
    /// <inheritdoc cref="Forward"/>
    public (Tensor Output, Tensor Weights) Run(Tensor query, Tensor key, Tensor value, Tensor? padding = null, bool causal = false)
    {
        Check(query, key, value, padding, causal);
        int batch = query.Shape[0], queries = query.Shape[1], keys = key.Shape[1];
        Tensor q = Split(query, 0), k = Split(key, 1), v = Split(value, 2);                        // [batch, heads, .., width / heads]
        if (rotary is not null) (q, k) = (rotary.Forward(q), rotary.Forward(k));

        Tensor scores = q.MatMul(k.T) * (1 / Math.Sqrt(Width / Heads));                           // [batch, heads, queries, keys]
        if (padding is { } hidden) scores = Tensor.Where(hidden.Reshape([batch, 1, 1, keys]), Low(scores.DType), scores);
        if (causal) scores = Tensor.Where(Tensor.Range(0, keys) > Tensor.Range(0, queries).Unsqueeze(1), Low(scores.DType), scores);
        Tensor weights = scores.Softmax();

        Tensor mixed = weights.Dropout(dropout, random, IsTraining).MatMul(v).Transpose(1, 2);     // [batch, queries, heads, width / heads]
        return (output.Forward(mixed.Reshape([batch, queries, Width])), weights);
    }

    /// <summary>So low that its exponential is 0 beside any score; finite, so that a query that may look at nothing looks at everything alike and not at NaN.</summary>
    static Tensor Low(DType type) => Tensor.Scalar(-1e30, type);

    /// <summary>Projection 0, 1 or 2 for each head: [batch, time, width] to [batch, heads, time, width / heads].</summary>
    Tensor Split(Tensor x, int projection)
    {
        int from = projection * Width, to = from + Width;
        return x.Linear(inputWeight.Slice(0, from, to), inputBias.Slice(0, from, to)).Reshape([x.Shape[0], x.Shape[1], Heads, Width / Heads]).Transpose(1, 2);
    }

    void Check(Tensor query, Tensor key, Tensor value, Tensor? padding, bool causal)
    {
        const string name = nameof(MultiHeadAttention);
        if (query.Rank != 3 || query.Shape[2] != Width) throw new ShapeException(name, $"the query is {query.Shape}; [batch, queries, {Width}] was expected.");
        if (key.Rank != 3 || key.Shape[2] != Width || key.Shape[0] != query.Shape[0])
            throw new ShapeException(name, $"the key is {key.Shape}; [{query.Shape[0]}, keys, {Width}] was expected, as the query is {query.Shape}.");
        if (value.Shape != key.Shape) throw new ShapeException(name, $"the value is {value.Shape}; {key.Shape} was expected, as the key's shape.");
        if (padding is { } p && (p.Rank != 2 || p.Shape[0] != key.Shape[0] || p.Shape[1] != key.Shape[1]))
            throw new ShapeException(name, $"the padding is {p.Shape}; [{key.Shape[0]}, {key.Shape[1]}] was expected, as the key is {key.Shape}.");
        if (causal && query.Shape[1] != key.Shape[1])
            throw new ShapeException(name, $"{query.Shape[1]} queries and {key.Shape[1]} keys: causal attention was expected to have as many of both.");
    }
}
