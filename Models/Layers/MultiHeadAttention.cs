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
    /// <param name="keyPadding">[batch, keys], 0 where a key is padding and not seen. (PyTorch's key_padding_mask says the opposite.)</param>
    /// <param name="causal">Whether a query sees only the keys that are not after it, the last query being at the last key.</param>
    /// <exception cref="ShapeException">A shape does not fit.</exception>
    public Tensor Forward(Tensor query, Tensor key, Tensor value, Tensor? keyPadding = null, bool causal = false)
    {
        if (IsTraining && dropout > 0) return Run(query, key, value, keyPadding, causal).Output;
        (Tensor q, Tensor k, Tensor v) = Project(query, key, value, keyPadding);
        return Join(q.ScaledDotProductAttention(k, v, causal: causal, keyPadding: keyPadding));
    }

    /// <summary>As <see cref="Forward(Tensor, Tensor, Tensor, Tensor?, bool)"/>, with the weights by which each head looked, before dropout: [batch, heads, queries, keys].</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor, Tensor, Tensor?, bool)"/>
    public (Tensor Output, Tensor Weights) Run(Tensor query, Tensor key, Tensor value, Tensor? keyPadding = null, bool causal = false)
    {
        (Tensor q, Tensor k, Tensor v) = Project(query, key, value, keyPadding);
        Tensor weights = q.AttentionWeights(k, causal: causal, keyPadding: keyPadding);
        return (Join(weights.Dropout(dropout, random, IsTraining).MatMul(v)), weights);
    }

    /// <summary>
    /// Attends from the positions of <paramref name="x"/> to themselves and to all that <paramref name="cache"/> holds, which they then join: what
    /// <see cref="Forward(Tensor, Tensor, Tensor, Tensor?, bool)"/> with <c>causal</c> gives for the last positions of the whole sequence.
    /// </summary>
    /// <param name="x">[batch, time, width], the positions that follow those in the cache.</param>
    /// <param name="cache">The positions before.</param>
    /// <exception cref="ShapeException">A shape does not fit, or the cache is full.</exception>
    /// <exception cref="InvalidOperationException">Gradients are being recorded, or dropout is at work: a cache serves a model that is not being trained.</exception>
    public Tensor Forward(Tensor x, KeyValueCache cache)
    {
        if (IsTraining && dropout > 0) throw new InvalidOperationException("MultiHeadAttention: a cache serves a model that is not being trained. Set IsTraining to false.");
        (Tensor q, Tensor k, Tensor v) = Project(x, x, x, null, cache.Length);
        (k, v) = cache.Append(k, v);
        return Join(q.ScaledDotProductAttention(k, v, causal: true));
    }

    /// <summary>What each head works on: [batch, heads, time, width / heads] each.</summary>
    (Tensor Q, Tensor K, Tensor V) Project(Tensor query, Tensor key, Tensor value, Tensor? keyPadding, int first = 0)
    {
        Check(query, key, value, keyPadding);
        Tensor q, k, v;
        if (query.IsSameAs(key) && query.IsSameAs(value))
        {
            Tensor all = query.Linear(inputWeight, inputBias);                          // one product of three times the columns
            (q, k, v) = (OfHeads(all, 0), OfHeads(all, 1), OfHeads(all, 2));
        }
        else (q, k, v) = (Split(query, 0), Split(key, 1), Split(value, 2));
        return rotary is null ? (q, k, v) : (rotary.Forward(q, first), rotary.Forward(k, first), v);
    }

    /// <summary>What the heads found, side by side, through the last linear map: [batch, heads, queries, width / heads] to [batch, queries, width].</summary>
    Tensor Join(Tensor found) => output.Forward(found.Transpose(1, 2).Reshape([found.Shape[0], found.Shape[2], Width]));

    /// <summary>Projection 0, 1 or 2 for each head: [batch, time, width] to [batch, heads, time, width / heads].</summary>
    Tensor Split(Tensor x, int projection)
    {
        int from = projection * Width, to = from + Width;
        return OfHeads(x.Linear(inputWeight.Slice(0, from, to), inputBias.Slice(0, from, to)), 0);
    }

    /// <summary>Projection 0, 1 or 2 of those that lie side by side, for each head.</summary>
    Tensor OfHeads(Tensor projections, int i) => projections.Slice(-1, i * Width, (i + 1) * Width)
        .Reshape([projections.Shape[0], projections.Shape[1], Heads, Width / Heads]).Transpose(1, 2);

    void Check(Tensor query, Tensor key, Tensor value, Tensor? keyPadding)
    {
        const string name = nameof(MultiHeadAttention);
        if (query.Rank != 3 || query.Shape[2] != Width) throw new ShapeException(name, $"the query is {query.Shape}; [batch, queries, {Width}] was expected.");
        if (key.Rank != 3 || key.Shape[2] != Width || key.Shape[0] != query.Shape[0])
            throw new ShapeException(name, $"the key is {key.Shape}; [{query.Shape[0]}, keys, {Width}] was expected, as the query is {query.Shape}.");
        if (value.Shape != key.Shape) throw new ShapeException(name, $"the value is {value.Shape}; {key.Shape} was expected, as the key's shape.");
        if (keyPadding is { } p && (p.Rank != 2 || p.Shape[0] != key.Shape[0] || p.Shape[1] != key.Shape[1]))
            throw new ShapeException(name, $"the padding is {p.Shape}; [{key.Shape[0]}, {key.Shape[1]}] was expected, as the key is {key.Shape}.");
    }
}
