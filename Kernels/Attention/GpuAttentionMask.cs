using ILGPU;

namespace NeuralMemory.Gpu;

/// <summary>What <see cref="AttentionMask"/> is to the CPU's loops.</summary>
readonly struct GpuAttentionMask
{
    readonly ArrayView<float> added, paddingFloats;
    readonly ArrayView<int> seen, paddingIndices;
    readonly GpuLoop maskLoop, paddingLoop;
    readonly int maskRow, maskColumn, paddingColumn, lead, window, ahead;

    public GpuAttentionMask(
        GpuBackend gpu, Tensor? mask, Tensor? keyPadding, in StridedLoop maskLoop, in StridedLoop paddingLoop, int maskRow, int maskColumn, int paddingColumn, int lead, int window, int ahead)
    {
        (added, seen) = (Floats(gpu, mask), Indices(gpu, mask));
        (paddingFloats, paddingIndices) = (Floats(gpu, keyPadding), Indices(gpu, keyPadding));
        if (mask is not null) this.maskLoop = new(maskLoop);
        if (keyPadding is not null) this.paddingLoop = new(paddingLoop);
        (this.maskRow, this.maskColumn, this.paddingColumn, this.lead, this.window, this.ahead) = (maskRow, maskColumn, paddingColumn, lead, window, ahead);
    }

    static ArrayView<float> Floats(GpuBackend gpu, Tensor? tensor) => tensor is { DType: DType.Float32 } t ? gpu.View(t) : ArrayView<float>.Empty;

    static ArrayView<int> Indices(GpuBackend gpu, Tensor? tensor) => tensor is { DType: DType.Int32 } t ? gpu.View<int>(t) : ArrayView<int>.Empty;

    /// <summary>Where the masks of a score matrix begin.</summary>
    public void Locate(int matrix, out int mask, out int padding)
    {
        (mask, padding) = (0, 0);
        if (added.Length > 0 || seen.Length > 0) maskLoop.Locate(matrix, out mask, out _, out _, out _);
        if (paddingFloats.Length > 0 || paddingIndices.Length > 0) paddingLoop.Locate(matrix, out padding, out _, out _, out _);
    }

    /// <summary>A score with what the masks say: unchanged, with something added, or -infinity.</summary>
    public float Apply(float score, int query, int key, int mask, int padding)
    {
        if (key <= query + lead - window || key >= query + lead + ahead) return float.NegativeInfinity;
        int at = mask + query * maskRow + key * maskColumn, pad = padding + key * paddingColumn;
        if (seen.Length > 0 && seen[at] == 0) return float.NegativeInfinity;
        if (paddingIndices.Length > 0 && paddingIndices[pad] == 0) return float.NegativeInfinity;
        if (paddingFloats.Length > 0 && paddingFloats[pad] == 0) return float.NegativeInfinity;
        return added.Length > 0 ? score + added[at] : score;
    }

    /// <summary>The first key that the queries from <paramref name="query"/> on see, and the end of those that the queries up to <paramref name="last"/> see.</summary>
    public void Keys(int query, int last, int keys, out int from, out int to)
    {
        from = Clamp(query + lead - window + 1, keys);
        to = Clamp(last + lead + ahead, keys);
    }

    /// <summary>The first query that sees the keys from <paramref name="key"/> on, and the end of those that see the keys up to <paramref name="last"/>.</summary>
    public void Queries(int key, int last, int queries, out int from, out int to)
    {
        from = Clamp(key - lead - ahead + 1, queries);
        to = Clamp(last - lead + window, queries);
    }

    static int Clamp(int i, int limit) => IntrinsicMath.Max(0, IntrinsicMath.Min(i, limit));
}
