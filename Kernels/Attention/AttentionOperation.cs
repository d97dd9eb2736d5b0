namespace NeuralMemory;

/// <summary>Adds attention to <see cref="Tensor"/>.</summary>
public static class AttentionOperation
{
    extension(Tensor q)
    {
        /// <summary>
        /// For every query the mean of the values, weighted by the softmax over all keys of q . k / sqrt(d) (Vaswani et al. 2017, equation 1): q [.., Lq, d],
        /// k [.., Lk, d] and v [.., Lk, dv] give [.., Lq, dv], of batch and heads in front as many as all three share. Memory grows with Lq + Lk, not with their product,
        /// and what <paramref name="causal"/> and <paramref name="window"/> hide is not computed. A query that sees no key gets zeros, and gradients of zero.
        /// </summary>
        /// <remarks>
        /// Where q is [.., batch, heads, Lq, d], and k and v have fewer heads whose number divides that of q, each serves a group of neighbouring heads of q (Ainslie et al. 2023; with one head
        /// Shazeer 2019). A GPU takes heads of at most 128 numbers.
        /// </remarks>
        /// <param name="k">The keys.</param>
        /// <param name="v">The values.</param>
        /// <param name="mask">
        /// Broadcast to [.., Lq, Lk]: Int32, where a key that is 0 is not seen; or of the type of q, to be added to the scores, where -infinity hides a key. It has no gradient.
        /// </param>
        /// <param name="causal">
        /// Whether queries see no key later than themselves. The last query is level with the last key: query i sees the keys up to i + Lk - Lq, as it must when
        /// the first keys come from a cache. With Lk &lt; Lq the first Lq - Lk queries see nothing.
        /// </param>
        /// <param name="keyPadding">[batch, Lk], for all heads and queries of an element of the first dimension: where it is 0, the key is padding and not seen.</param>
        /// <param name="window">
        /// How far a query sees (Beltagy et al. 2020): the key that it is level with and <paramref name="window"/> - 1 before it, and, unless <paramref name="causal"/>, as many after it.
        /// </param>
        /// <exception cref="ShapeException">The shapes or types do not fit; a mask requires a gradient; the window is empty.</exception>
        public Tensor ScaledDotProductAttention(Tensor k, Tensor v, Tensor? mask = null, bool causal = false, Tensor? keyPadding = null, int? window = null)
        {
            bool grouped = q.Rank > 3 && k.Rank == q.Rank && v.Rank == q.Rank && k.Shape[^3] == v.Shape[^3] && k.Shape[^3] is > 0 and int shared && q.Shape[^3] != shared && q.Shape[^3] % shared == 0;
            if (!grouped)
                return NeuralMemory.ScaledDotProductAttention.Apply(q, k, v, mask, causal, keyPadding, window);
            int heads = k.Shape[^3], group = q.Shape[^3] / heads, d = q.Rank - 3;
            Shape groups = q.Shape.With(d, group).Insert(d, heads);
            if (mask is { Rank: > 2 } m)
                mask = m.Shape[^3] == 1 ? m.Unsqueeze(m.Rank - 3) : m.Shape[^3] == heads * group ? m.Reshape(m.Shape.With(m.Rank - 3, group).Insert(m.Rank - 3, heads)) : m;
            return NeuralMemory.ScaledDotProductAttention.Apply(q.Reshape(groups), Shared(k, d, group), Shared(v, d, group), mask, causal, keyPadding, window).Reshape(q.Shape.With(q.Rank - 1, v.Shape[^1]));
        }

        /// <summary>
        /// The weights of attention themselves, [.., Lq, Lk]: rows of positive numbers that add up to 1, or of zeros for a query that sees no key. They are composed of
        /// the operations that define them and take as much memory as they have elements; the arguments are those of <c>ScaledDotProductAttention</c>.
        /// </summary>
        /// <example><c>Tensor w = q.AttentionWeights(k, causal: true), y = w.MatMul(v);</c></example>
        /// <exception cref="ShapeException">The shapes or types do not fit.</exception>
        public Tensor AttentionWeights(Tensor k, Tensor? mask = null, bool causal = false, Tensor? keyPadding = null, int? window = null)
        {
            NeuralMemory.ScaledDotProductAttention.Check(q, k, k);
            AttentionMask.Check(q, k, mask, keyPadding, window);
            Tensor scores = q.MatMul(k.T) * (1 / Math.Sqrt(q.Shape[^1]));                  // [.., Lq, Lk]
            if (mask is { } m) scores = m.DType == DType.Int32 ? Seen(scores, m) : scores + m;
            if (keyPadding is { } padding)
            {
                padding = padding.NotEqual(0);
                while (padding.Rank < q.Rank) padding = padding.Unsqueeze(1);             // [batch, .., 1, Lk]
                scores = Seen(scores, padding);
            }
            int queries = q.Shape[^2], keys = k.Shape[^2];
            if (causal) scores = Seen(scores, Tensor.Range(0, keys) <= Tensor.Range(keys - queries, queries).Unsqueeze(-1));
            if (window is { } w)
            {
                scores = Seen(scores, Tensor.Range(0, keys) > Tensor.Range(keys - queries - w, queries).Unsqueeze(-1));
                scores = Seen(scores, Tensor.Range(0, keys) < Tensor.Range(keys - queries + w, queries).Unsqueeze(-1));
            }
            return scores.Softmax();
        }
    }

    /// <summary>[.., heads, L, d] seen as [.., heads, group, L, d].</summary>
    static Tensor Shared(Tensor x, int d, int group) => x.Unsqueeze(d + 1).Expand(x.Shape.Insert(d + 1, group));

    static Tensor Seen(Tensor scores, Tensor seen) => Tensor.Where(seen, scores, Tensor.Full([], double.NegativeInfinity, scores.DType));
}
