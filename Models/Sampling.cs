namespace NeuralMemory.Models;

/// <summary>How the next symbol is chosen of its logits: the most likely, or one drawn.</summary>
/// <param name="Temperature">What the logits are divided by: below 1 the likely become likelier, at 0 only the likeliest is left.</param>
/// <param name="TopK">Only so many of the likeliest can be drawn (Fan et al. 2018); null for all.</param>
/// <param name="TopP">Only the fewest of the likeliest whose probabilities reach this sum can be drawn (Holtzman et al. 2020); 1 for all.</param>
public sealed record Sampling(double Temperature = 1, int? TopK = null, double TopP = 1)
{
    /// <summary>Always the likeliest, the first of several.</summary>
    public static Sampling Greedy { get; } = new(Temperature: 0);

    /// <summary>What the logits are divided by.</summary>
    public double Temperature { get; } = Temperature >= 0 && double.IsFinite(Temperature) ? Temperature
        : throw new ArgumentOutOfRangeException(nameof(Temperature), Temperature, "A number not below 0 was expected.");

    /// <summary>How many can be drawn.</summary>
    public int? TopK { get; } = TopK is null or >= 1 ? TopK : throw new ArgumentOutOfRangeException(nameof(TopK), TopK, "At least 1 was expected.");

    /// <summary>The sum of the probabilities of those that can be drawn, at least.</summary>
    public double TopP { get; } = TopP is > 0 and <= 1 ? TopP : throw new ArgumentOutOfRangeException(nameof(TopP), TopP, "A number above 0 and not above 1 was expected.");

    /// <summary>The probabilities by which a symbol is drawn: softmax(logits / temperature) of those that are left, 0 of the others.</summary>
    public double[] Probabilities(ReadOnlySpan<float> logits)
    {
        int[] order = new int[logits.Length];
        double[] keys = new double[logits.Length], p = new double[logits.Length];
        for (int i = 0; i < order.Length; i++) (order[i], keys[i]) = (i, -logits[i]);
        Array.Sort(keys, order);
        // Equal logits in the order of their symbols.
        for (int start = 0, end; start < order.Length; start = end)
        {
            for (end = start + 1; end < order.Length && keys[end] == keys[start];) end++;
            Array.Sort(order, start, end - start);
        }
        if (Temperature == 0)
        {
            p[order[0]] = 1;
            return p;
        }
        int left = Math.Min(TopK ?? order.Length, order.Length);
        double most = logits[order[0]], sum = 0, reached = 0;
        for (int i = 0; i < left; i++) sum += p[order[i]] = Math.Exp((logits[order[i]] - most) / Temperature);
        for (int i = 0; i < left; i++)
        {
            bool enough = reached >= TopP * sum;
            reached += p[order[i]];
            if (enough) p[order[i]] = 0;
        }
        sum = p.Sum();
        for (int i = 0; i < p.Length; i++) p[i] /= sum;
        return p;
    }

    /// <summary>Draws a symbol.</summary>
    /// <param name="logits">One for each symbol.</param>
    /// <param name="random">Where the one number that is needed is drawn from.</param>
    public int Next(ReadOnlySpan<float> logits, Philox random)
    {
        double[] p = Probabilities(logits);
        double threshold = random.NextDouble(), cumulative = 0;
        int drawn = Array.FindLastIndex(p, x => x > 0);                  // what rounding leaves over is the last one's
        for (int i = 0; i < drawn; i++)
            if ((cumulative += p[i]) > threshold) return i;
        return drawn;
    }
}

/// <summary>Adds writing to a <see cref="LanguageModel"/>.</summary>
public static class Generation
{
    extension(LanguageModel model)
    {
        /// <summary>Goes on with a text, symbol by symbol, for as long as somebody asks for more.</summary>
        /// <param name="prompt">What it begins with, at least one symbol and at most <see cref="LanguageModel.Context"/>.</param>
        /// <param name="sampling">How each symbol is chosen.</param>
        /// <param name="random">Where it is drawn from.</param>
        /// <remarks>
        /// Each symbol costs one step of a <see cref="LanguageModel.Reader"/>. Where the context is full, the last half of it is read again and the text goes on from there, so that the
        /// cost of a symbol stays bounded.
        /// </remarks>
        /// <exception cref="ArgumentException">The prompt is empty, or longer than the context.</exception>
        public IEnumerable<int> Generate(IReadOnlyList<int> prompt, Sampling sampling, Philox random)
        {
            if (prompt.Count == 0) throw new ArgumentException("Generate: the prompt is empty; one symbol at least was expected.", nameof(prompt));
            if (prompt.Count > model.Context) throw new ArgumentException($"Generate: the prompt has {prompt.Count} symbols; at most {model.Context}, the model's context, were expected.", nameof(prompt));
            return Continue(model, prompt, sampling, random);
        }
    }

    static IEnumerable<int> Continue(LanguageModel model, IReadOnlyList<int> prompt, Sampling sampling, Philox random)
    {
        List<int> text = [.. prompt];
        LanguageModel.Reader reader = model.Read();
        int unread = text.Count;
        float[] logits = new float[model.Symbols];
        while (true)
        {
            if (reader.Length + unread > model.Context)
            {
                reader.Clear();
                unread = Math.Max(1, model.Context / 2);
                text.RemoveRange(0, text.Count - unread);
            }
            using (Tape.Step())
            using (Tape.NoGradient())
                reader.Next(Tensor.From([.. text[^unread..]], [1, unread])).Select(1, ^1).CopyTo<float>(logits);
            int next = sampling.Next(logits, random);
            text.Add(next);
            unread = 1;
            yield return next;
        }
    }
}
