using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Which keys a query sees, and what is added to their scores: the sum of up to three masks, none of which is ever laid out in full.</summary>
readonly unsafe struct AttentionMask
{
    readonly Tensor? mask, keyPadding;
    readonly StridedLoop maskLoop, paddingLoop;
    readonly int maskRow, maskColumn, paddingColumn, lead, window;
    readonly bool causal;

    /// <summary>The masks of q [.., Lq, d] and k [.., Lk, d], which have been checked.</summary>
    public AttentionMask(Tensor q, Tensor k, Tensor? mask, Tensor? keyPadding, bool causal, int? window)
    {
        Shape scores = Scores(q, k), leading = Leading(scores);
        (this.mask, this.keyPadding, this.causal, lead) = (mask, keyPadding, causal, k.Shape[^2] - q.Shape[^2]);
        this.window = Math.Min(window ?? int.MaxValue, q.Shape[^2] + k.Shape[^2]);         // as wide as anything can be seen
        if (mask is { } m)
        {
            Shape strides = StridedLoop.Expand(m, scores);
            (maskRow, maskColumn) = (strides[^2], strides[^1]);
            maskLoop = new(leading, Leading(strides));
        }
        if (keyPadding is { } p)
        {
            Span<int> strides = stackalloc int[leading.Rank];
            strides.Clear();
            strides[0] = p.Strides[0];
            paddingLoop = new(leading, new(strides));
            paddingColumn = p.Strides[1];
        }
    }

    static Shape Leading(Shape shape) => shape.Without(shape.Rank - 1).Without(shape.Rank - 2);

    static Shape Scores(Tensor q, Tensor k) => q.Shape.With(q.Rank - 1, k.Shape[^2]);

    /// <exception cref="ShapeException">A mask does not broadcast to the scores; its type does not fit; the window is empty.</exception>
    public static void Check(Tensor q, Tensor k, Tensor? mask, Tensor? keyPadding, int? window)
    {
        if (window < 1) throw new ShapeException(Title, $"a window of {window} keys: at least 1 was expected.");
        string Sizes() => $"q {q.Shape} and k {k.Shape}";
        Shape scores = Scores(q, k);
        if (mask is { } m)
        {
            CheckType(m, "mask");
            bool fits = m.Rank <= scores.Rank;
            for (int d = 1; d <= m.Rank && fits; d++) fits = m.Shape[^d] == 1 || m.Shape[^d] == scores[^d];
            if (!fits) throw new ShapeException(Title, $"{Sizes()}: the mask {m.Shape} does not broadcast to the scores {scores}.");
        }
        if (keyPadding is { } p)
        {
            CheckType(p, "keyPadding");
            if (q.Rank < 3) throw new ShapeException(Title, $"{Sizes()}: with a keyPadding, [batch, .., Lq, d] and [batch, .., Lk, d] were expected.");
            if (p.Shape != [q.Shape[0], scores[^1]])
                throw new ShapeException(Title, $"{Sizes()}: the keyPadding {p.Shape} was expected to be [batch, Lk], [{q.Shape[0]}, {scores[^1]}].");
        }

        void CheckType(Tensor tensor, string name)
        {
            if (tensor.DType != DType.Int32 && tensor.DType != q.DType)
                throw new ShapeException(Title, $"the {name} {tensor.Shape} is {tensor.DType}; Int32 or, as q, {q.DType} was expected.");
        }
    }

    const string Title = nameof(ScaledDotProductAttention);

    /// <summary>How many of the keys from the first on the queries up to number <paramref name="query"/> see at most.</summary>
    public int VisibleTo(int query, int keys) => Math.Clamp(query + lead + Ahead, 0, keys);

    /// <summary>The first key that the queries from number <paramref name="query"/> on see.</summary>
    public int VisibleFrom(int query, int keys) => Math.Clamp(query + lead - window + 1, 0, keys);

    /// <summary>The first query that sees the keys from number <paramref name="key"/> on.</summary>
    public int FirstToSee(int key, int queries) => Math.Clamp(key - lead - Ahead + 1, 0, queries);

    /// <summary>The end of the queries that see the keys up to number <paramref name="key"/>.</summary>
    public int EndToSee(int key, int queries) => Math.Clamp(key - lead + window, 0, queries);

    /// <summary>How many keys from the one that is level with it on a query sees.</summary>
    int Ahead => causal ? 1 : window;

    /// <summary>
    /// Adds to the scores of a query, row <paramref name="query"/> of number <paramref name="matrix"/>, and of the keys from <paramref name="firstKey"/> on: 0, what
    /// the additive mask says, or -infinity.
    /// </summary>
    public void Add<V, T>(int matrix, int query, int firstKey, T* scores, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (mask is { } m)
        {
            maskLoop.Locate(matrix, out long offset, out _, out _, out _);
            offset += (long)query * maskRow + (long)firstKey * maskColumn;
            if (m.DType == DType.Int32) Exclude(m.Pointer<int>() + offset, maskColumn, scores, count);
            else
                for (int j = 0; j < count; j += V.Count)
                {
                    V added = Lanes.Load<V, T>(m.Pointer<T>() + offset + (long)j * maskColumn, maskColumn, count - j);
                    Lanes.Store(scores + j, 1, Lanes.Load<V, T>(scores + j, 1, count - j) + added, count - j);
                }
        }
        if (keyPadding is { } p)
        {
            paddingLoop.Locate(matrix, out long offset, out _, out _, out _);
            offset += (long)firstKey * paddingColumn;
            if (p.DType == DType.Int32) Exclude(p.Pointer<int>() + offset, paddingColumn, scores, count);
            else Exclude(p.Pointer<T>() + offset, paddingColumn, scores, count);
        }
        int from = Math.Clamp(query + lead - window + 1 - firstKey, 0, count), to = Math.Clamp(query + lead + Ahead - firstKey, from, count);
        new Span<T>(scores, from).Fill(T.NegativeInfinity);
        new Span<T>(scores + to, count - to).Fill(T.NegativeInfinity);
    }

    /// <summary>The same for a GPU's kernels.</summary>
    public GpuAttentionMask On(GpuBackend gpu) => new(gpu, mask, keyPadding, maskLoop, paddingLoop, maskRow, maskColumn, paddingColumn, lead, window, Ahead);

    static void Exclude<T, M>(M* seen, int stride, T* scores, int count) where T : unmanaged, IBinaryFloatingPointIeee754<T> where M : unmanaged, INumber<M>
    {
        for (int j = 0; j < count; j++)
            if (seen[(long)j * stride] == M.Zero) scores[j] = T.NegativeInfinity;
    }
}
