using System.Buffers;
using NeuralMemory.Tasks;

namespace NeuralMemory.Models;

/// <summary>Which weights the hops of a <see cref="MemN2N"/> share (section 2.2).</summary>
public enum MemoryTying
{
    /// <summary>What one hop reads as output is what the next one reads as input, A^(k+1) = C^k, and so for the times; B = A^1 and W^T = C^K.</summary>
    Adjacent,

    /// <summary>All hops read alike, A^1 = .. = A^K and C^1 = .. = C^K, and a matrix H takes the state from hop to hop, as in a recurrent network.</summary>
    LayerWise,
}

/// <summary>The sizes of a <see cref="MemN2N"/>, and which of the paper's refinements it has; by default all.</summary>
public sealed record MemN2NOptions
{
    /// <summary>d: the numbers that a sentence becomes.</summary>
    public int Width { get; init; } = 20;

    /// <summary>K: how often the memory is read.</summary>
    public int Hops { get; init; } = 3;

    /// <summary>The most sentences of a story that are kept: the newest.</summary>
    public int Capacity { get; init; } = 50;

    /// <summary>Which weights the hops share.</summary>
    public MemoryTying Tying { get; init; } = MemoryTying.Adjacent;

    /// <summary>Whether the order of a sentence's words counts (PE, section 4.1); else it is a bag of words (BoW).</summary>
    public bool PositionEncoding { get; init; } = true;

    /// <summary>
    /// What the weights of positions are multiplied by. The paper prints 1; the program that its authors released has 2, <c>1 + 4 (k - (d+1)/2) (j - (J+1)/2) / (d J)</c>, so that their mean is 1
    /// as in a bag of words. With 1 the three hops of task 16 are not found.
    /// </summary>
    public double PositionScale { get; init; } = 2;

    /// <summary>Whether the age of a sentence counts (section 4.1).</summary>
    public bool TimeEncoding { get; init; } = true;

    /// <summary>
    /// Whether the places up to <see cref="Capacity"/> that no sentence fills are memories too (section 4.2 pads stories with a null symbol, whose embedding is zero): they match any question by
    /// 0 and give 0, so that a hop can look at nothing.
    /// </summary>
    public bool NullMemories { get; init; } = true;

    /// <summary>In training, the probability of an empty memory before each sentence (RN, section 4.1): ages then differ from one reading of a story to the next.</summary>
    public double TimeNoise { get; init; } = .1;
}

/// <summary>
/// The end-to-end memory network of Sukhbaatar, Szlam, Weston and Fergus 2015 (arXiv:1503.08895): a story's sentences are memories, a question reads them in several hops, each of which asks
/// for what the one before has found. Equation numbers are the paper's.
/// </summary>
public sealed class MemN2N : Module
{
    readonly Tensor[] a, c, timesA, timesC;                                           // [vocabulary, d], [capacity, d]; of hop k at k - 1
    readonly Tensor b, w;
    readonly Tensor? h;
    readonly double[] column;                                                         // k/d of section 4.1
    readonly Tensor[] p;                                                              // where each hop looks, [batch, sentences]

    /// <summary>A network with weights drawn from N(0, 0.1) (section 4.2).</summary>
    /// <param name="vocabulary">How many words there are; every one of them can be the answer.</param>
    /// <param name="options">Sizes and refinements.</param>
    /// <param name="random">Where the weights are drawn from.</param>
    /// <param name="noise">Where empty memories are drawn from in training.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, or the noise is not a probability.</exception>
    public MemN2N(int vocabulary, MemN2NOptions options, Philox random, Philox noise)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Width, 1, nameof(options.Width));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Hops, 1, nameof(options.Hops));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Capacity, 1, nameof(options.Capacity));
        if (!(options.PositionScale > 0 && double.IsFinite(options.PositionScale))) throw new ArgumentOutOfRangeException(nameof(options.PositionScale), options.PositionScale, "A number above 0 was expected.");
        if (!(options.TimeNoise is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(options.TimeNoise), options.TimeNoise, "A probability below 1 was expected.");
        (Vocabulary, Options, Noise) = (vocabulary, options, noise);
        (a, c, timesA, timesC) = (new Tensor[options.Hops], new Tensor[options.Hops], new Tensor[options.Hops], new Tensor[options.Hops]);
        p = new Tensor[options.Hops];
        bool adjacent = options.Tying == MemoryTying.Adjacent;

        Tensor Words(string name) => Parameter(name, [vocabulary, options.Width], Initializers.Normal(.1), random);
        Tensor Times(string name) => options.TimeEncoding ? Parameter(name, [options.Capacity, options.Width], Initializers.Normal(.1), random) : default;
        for (int k = 0; k < options.Hops; k++)
        {
            bool own = adjacent || k == 0;
            (a[k], timesA[k]) = k == 0 ? (Words("a_1"), Times("times_a_1")) : adjacent ? (c[k - 1], timesC[k - 1]) : (a[0], timesA[0]);
            (c[k], timesC[k]) = own ? (Words($"c_{k + 1}"), Times($"times_c_{k + 1}")) : (c[0], timesC[0]);
        }
        b = adjacent ? a[0] : Words("b");
        w = adjacent ? c[^1] : Words("w");
        h = adjacent ? null : Parameter("h", [options.Width, options.Width], Initializers.Normal(.1), random);
        column = [.. Enumerable.Range(1, options.Width).Select(k => (double)k / options.Width)];
    }

    /// <summary>How many words there are.</summary>
    public int Vocabulary { get; }

    /// <summary>Sizes and refinements.</summary>
    public MemN2NOptions Options { get; }

    /// <summary>Where empty memories are drawn from in training: its position is part of a run's state.</summary>
    public Philox Noise { get; }

    /// <summary>Whether the softmax of every hop is left out, so that only the answer's remains: linear start (LS, section 4.1) trains so at first.</summary>
    public bool IsLinear { get; set; }

    /// <summary>Logits of the answers: [batch, vocabulary].</summary>
    public Tensor Forward(StoryBatch stories) => Run(stories).Logits;

    /// <summary>Reads stories and answers their questions.</summary>
    /// <exception cref="ShapeException">A story has more sentences than the <see cref="MemN2NOptions.Capacity"/>, or a word is not in the vocabulary.</exception>
    public MemN2NRun Run(StoryBatch stories)
    {
        int slots = stories.Sentences.Shape[1];
        if (slots > Options.Capacity) throw new ShapeException(nameof(MemN2N), $"stories of {slots} sentences {stories.Sentences.Shape}; at most {Options.Capacity} were expected.");
        Bags sentences = Encode(stories.Sentences, stories.SentenceWords), questions = Encode(stories.Questions, stories.QuestionWords);
        (Tensor ages, Tensor present, Tensor nulls) = Ages(stories.SentenceWords);
        Tensor visible = present.Squeeze(2), hidden = (visible - 1) * 1e9;            // [batch, slots]: 1 and 0; 0 and -1e9

        Tensor u = Embed(b, questions), m = default, read = default;                  // [batch, d]
        for (int k = 0; k < Options.Hops; k++)
        {
            if (k == 0) m = Memories(a[0], timesA[0]);                                // m_i = sum_j l_j * A x_ij + T_A(i): [batch, slots, d]
            else if (Options.Tying == MemoryTying.Adjacent) m = read;                 // A^(k+1) = C^k
            if (k == 0 || Options.Tying == MemoryTying.Adjacent) read = Memories(c[k], timesC[k]);
            Tensor match = m.MatMul(u.Unsqueeze(2)).Squeeze(2);
            p[k] = IsLinear ? match * visible : Tensor.Concat(-1, match + hidden, nulls).Softmax().Slice(-1, 0, slots);       // (1) p_i = softmax(u^T m_i)
            Tensor o = p[k].Unsqueeze(1).MatMul(read).Squeeze(1);                     // (2) o = sum_i p_i c_i
            u = (h is { } matrix ? u.Linear(matrix) : u) + o;                         // (4) u^(k+1) = u^k + o^k, or H u^k + o^k
        }
        return new(u.Linear(w), Tensor.Stack(0, p).Detach());                         // (3) a = softmax(W (o + u)), here without the softmax

        Tensor Memories(Tensor words, Tensor times)
        {
            Tensor memories = Embed(words, sentences);
            return Options.TimeEncoding ? memories + times.EmbeddingBag(ages, present) : memories;
        }
    }

    /// <summary>Sentences as bags of words and the words' weights, [.., words]: l = first + column * second.</summary>
    readonly record struct Bags(Tensor Words, Tensor First, Tensor Second, Tensor Column);

    /// <summary>
    /// Section 4.1: the words' weights <c>l_kj = (1 - j/J) - (k/d) (1 - 2j/J)</c> for word j of J in column k of d, both from 1, times <see cref="MemN2NOptions.PositionScale"/>; or 1 in a bag
    /// of words.
    /// </summary>
    Bags Encode(Tensor words, Tensor counts)
    {
        int longest = words.Shape[^1];
        int[] lengths = ArrayPool<int>.Shared.Rent(counts.Count);
        double scale = Options.PositionScale;
        double[] first = ArrayPool<double>.Shared.Rent(words.Count), second = ArrayPool<double>.Shared.Rent(words.Count);
        counts.CopyTo(lengths.AsSpan(0, counts.Count));
        first.AsSpan(0, words.Count).Clear();
        second.AsSpan(0, words.Count).Clear();
        for (int i = 0; i < counts.Count; i++)
        {
            double n = lengths[i];
            for (int j = 1; j <= n; j++)
            {
                first[i * longest + j - 1] = Options.PositionEncoding ? scale * (1 - j / n) : 1;
                second[i * longest + j - 1] = -scale * (1 - 2 * j / n);
            }
        }
        Bags bags = new(words, Constant(first, words.Shape), Constant(second, words.Shape), Constant(column, [Options.Width]));
        ArrayPool<int>.Shared.Return(lengths);
        ArrayPool<double>.Shared.Return(first);
        ArrayPool<double>.Shared.Return(second);
        return bags;
    }

    /// <summary>sum_j l_j * A x_j: [.., d].</summary>
    Tensor Embed(Tensor table, Bags bags)
    {
        Tensor first = table.EmbeddingBag(bags.Words, bags.First);
        return Options.PositionEncoding ? first + bags.Column * table.EmbeddingBag(bags.Words, bags.Second) : first;
    }

    /// <summary>
    /// How many memories are newer than each sentence, empty ones included, and 1 where there is a sentence, both [batch, slots, 1]; and [batch, 1], the match of all null memories as one: n
    /// matches of 0 weigh as much in a softmax as one of ln n.
    /// </summary>
    (Tensor Ages, Tensor Present, Tensor Nulls) Ages(Tensor counts)
    {
        int slots = counts.Shape[1], count = counts.Count;
        int[] lengths = ArrayPool<int>.Shared.Rent(count), ages = ArrayPool<int>.Shared.Rent(count);
        double[] present = ArrayPool<double>.Shared.Rent(count), nulls = ArrayPool<double>.Shared.Rent(counts.Shape[0]);
        counts.CopyTo(lengths.AsSpan(0, count));
        ages.AsSpan(0, count).Clear();
        present.AsSpan(0, count).Clear();
        for (int i = 0; i < counts.Shape[0]; i++)
        {
            int left = Options.NullMemories ? Options.Capacity : 0;
            for (int slot = slots - 1, age = 0; slot >= 0; slot--)
            {
                int at = i * slots + slot;
                if (lengths[at] == 0) continue;
                if (IsTraining && Options.TimeNoise > 0 && Noise.NextDouble() < Options.TimeNoise) age++;
                ages[at] = Math.Min(age++, Options.Capacity - 1);
                present[at] = 1;
                left--;
            }
            nulls[i] = left > 0 ? Math.Log(left) : -1e9;
        }
        Shape shape = [counts.Shape[0], slots, 1];
        (Tensor, Tensor, Tensor) result = (Tensor.From(ages.AsSpan(0, count), shape), Constant(present, shape), Constant(nulls, [counts.Shape[0], 1]));
        ArrayPool<int>.Shared.Return(lengths);
        ArrayPool<int>.Shared.Return(ages);
        ArrayPool<double>.Shared.Return(present);
        ArrayPool<double>.Shared.Return(nulls);
        return result;
    }

    /// <summary>The first of some numbers, as many as the shape has, in the weights' type.</summary>
    Tensor Constant(double[] values, Shape shape)
    {
        Tensor tensor = Tensor.Empty(shape, b.DType);
        tensor.CopyFrom<double>(values.AsSpan(0, shape.Count));
        return tensor;
    }
}

/// <summary>What a network makes of questions.</summary>
/// <param name="Logits">Of the answers: [batch, vocabulary].</param>
/// <param name="Attention">Where each hop looked, for people to look at: [hops, batch, sentences], the oldest sentence first.</param>
public readonly record struct MemN2NRun(Tensor Logits, Tensor Attention);
