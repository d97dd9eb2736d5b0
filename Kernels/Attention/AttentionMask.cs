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

    /// <summary>The keys that some of the queries from number <paramref name="query"/> on see lie from <paramref name="first"/> to before <paramref name="end"/>.</summary>
    public void Visible(int query, int queries, int keys, out int first, out int end)
    {
        first = Math.Clamp(query + lead - window + 1, 0, keys);
        end = Math.Clamp(query + queries - 1 + lead + Ahead, 0, keys);
    }

    /// <summary>The first query that sees the keys from number <paramref name="key"/> on.</summary>
    public int FirstToSee(int key, int queries) => Math.Clamp(key - lead - Ahead + 1, 0, queries);

    /// <summary>The end of the queries that see the keys up to number <paramref name="key"/>.</summary>
    public int EndToSee(int key, int queries) => Math.Clamp(key - lead + window, 0, queries);

    /// <summary>How many keys from the one that is level with it on a query sees.</summary>
    int Ahead => causal ? 1 : window;

    /// <summary>
    /// Adds to a tile of the scores of matrix number <paramref name="matrix"/> what the masks say, or puts -infinity. The tile has a row for each key from number <paramref name="key"/> on,
    /// in distances of <paramref name="row"/>, and a column for each query from number <paramref name="query"/> on, no more than two vectors. An additive mask is multiplied by <paramref name="scale"/>.
    /// </summary>
    public void Add<V, T>(int matrix, int query, int queries, int key, int keys, T* scores, int row, double scale) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (mask is { } m) Add<V, T>(m, matrix, query, queries, key, keys, scores, row, scale);
        if (keyPadding is { } p)
        {
            paddingLoop.Locate(matrix, out long offset, out _, out _, out _);
            for (int j = 0; j < keys; j++)
            {
                long at = offset + (long)(key + j) * paddingColumn;
                if (p.DType == DType.Int32 ? p.Pointer<int>()[at] == 0 : p.Pointer<T>()[at] == T.Zero) new Span<T>(scores + j * row, queries).Fill(T.NegativeInfinity);
            }
        }
        if (query + lead + Ahead >= key + keys && query + queries - 1 + lead - window < key) return;       // the first query sees the last key, the last one the first key
        int panel = 2 * V.Count;
        T* hidden = stackalloc T[3 * panel];                                                // read from the right place on, a panel's worth says which lanes are hidden
        new Span<T>(hidden, panel).Fill(T.NegativeInfinity);
        new Span<T>(hidden + panel, panel).Clear();
        new Span<T>(hidden + 2 * panel, panel).Fill(T.NegativeInfinity);
        V nothing = V.Create(T.NegativeInfinity);
        for (int j = 0; j < keys; j++)
        {
            int from = Math.Clamp(key + j - lead - Ahead + 1 - query, 0, panel), to = Math.Clamp(key + j - lead + window - query, 0, panel);
            for (int i = 0; i < queries; i += V.Count)
            {
                T* score = scores + j * row + i;
                V seen = V.IfLess(V.Load(hidden + panel - from + i), V.Zero, nothing, V.Load(score));
                V.Store(score, V.IfLess(V.Load(hidden + 2 * panel - to + i), V.Zero, nothing, seen));
            }
        }
    }

    void Add<V, T>(Tensor mask, int matrix, int query, int queries, int key, int keys, T* scores, int row, double scale) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int panel = 2 * V.Count;
        T* transposed = ThreadScratch<AttentionMask>.Take<T>(2L * keys * panel), added = transposed + (long)keys * panel;
        maskLoop.Locate(matrix, out long offset, out _, out _, out _);
        offset += (long)query * maskRow + (long)key * maskColumn;
        if (mask.DType != DType.Int32) GemmPacking.Interleave<V, T>(new(mask.Pointer<T>() + offset, queries, keys, maskRow, maskColumn), transposed, panel);
        else
        {
            for (int i = 0; i < queries; i++)
            {
                int* seen = mask.Pointer<int>() + offset + (long)i * maskRow;
                for (int j = 0; j < keys; j++) added[i * keys + j] = seen[(long)j * maskColumn] == 0 ? T.NegativeInfinity : T.Zero;
            }
            GemmPacking.Interleave<V, T>(new(added, queries, keys), transposed, panel);
        }
        V scales = V.Constant(scale), nothing = V.Create(T.NegativeInfinity), least = V.Create(T.BitIncrement(T.NegativeInfinity));
        for (int j = 0; j < keys; j++)
            for (int i = 0; i < queries; i += V.Count)
            {
                T* to = scores + j * row + i;
                V m = Lanes.Load<V, T>(transposed + j * panel + i, 1, queries - i), sum = V.Fma(scales, m, Lanes.Load<V, T>(to, 1, queries - i));
                Lanes.Store(to, 1, V.IfEqual(m, nothing, m, V.IfLess(sum, least, least, sum)), queries - i);        // the scale makes no infinity of a number
            }
    }

    /// <summary>The same for a GPU's kernels.</summary>
    public GpuAttentionMask On(GpuBackend gpu) => new(gpu, mask, keyPadding, maskLoop, paddingLoop, maskRow, maskColumn, paddingColumn, lead, window, Ahead);
}
