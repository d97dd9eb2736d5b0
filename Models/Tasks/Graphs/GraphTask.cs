namespace NeuralMemory.Tasks;

/// <summary>
/// A task on graphs after Graves et al. 2016 ("Hybrid computing using a neural network with dynamic external memory", Methods, "Graph task descriptions"): the network is shown a graph it has never
/// seen, one connection a step and in random order, then asked a question about it, and answers one node a step without being shown anything more.
/// </summary>
/// <remarks>
/// Length L: the connections of the way asked for. Nodes are known by labels of D digits, drawn anew for every graph; every digit is a one-hot of its base. Every connection is shown in both
/// directions. Beside the labels of source and destination a connection has an edge label, which is unique among those that leave one node.
/// <code>
/// step      the connections     the question     thinking     the answer
/// input     source, edge, dest  ..., ask         think        answer
/// target                                                      dest, one a step
/// </code>
/// Input channels: source, destination, edge label, and the flags ask, think and answer. Output channels: a node's label.
/// </remarks>
public abstract class GraphTask : SequenceTask
{
    const int MostLabels = 1 << 24;

    readonly GraphSource source;
    readonly List<Example> examples = [];
    readonly List<(int From, int To)> shown = [];
    readonly int digits, radix, edges, labels;
    float[] said = [], right = [];

    private protected sealed class Example
    {
        public readonly Graph Graph = new();
        public readonly List<int> Path = [], Labels = [], Edges = [];

        /// <summary>The label of the edge from a node to its i-th neighbour.</summary>
        public int Edge(int node, int to, int most)
        {
            IReadOnlyList<int> neighbours = Graph.Neighbours(node);
            int i = 0;
            while (neighbours[i] != to) i++;
            return Edges[node * most + i];
        }
    }

    private protected GraphTask(GraphSource source, int digits, int radix, int minLength, int maxLength)
        : base(2 * AtLeast(1, digits) * AtLeast(2, radix) + source.MostNeighbours + 3, digits * radix, minLength, maxLength)
    {
        (this.source, this.digits, this.radix, edges) = (source, digits, radix, source.MostNeighbours);
        double labels = Math.Pow(radix, digits);
        this.labels = (int)Math.Min(labels, MostLabels);
        if (labels < source.Nodes)
            throw new ArgumentOutOfRangeException(nameof(digits), digits, $"Labels of {digits} digits to the base {radix} are {labels}, fewer than the {source.Nodes} nodes.");
        if (labels > MostLabels)
            throw new ArgumentOutOfRangeException(nameof(digits), digits, $"Labels of {digits} digits to the base {radix} are {labels}; at most {MostLabels} were expected.");
    }

    /// <summary>Channels of a node's label.</summary>
    private protected int LabelWidth => digits * radix;

    private protected int EdgeChannel => 2 * LabelWidth;
    private protected int AskChannel => EdgeChannel + edges;
    private protected int ThinkChannel => AskChannel + 1;
    private protected int AnswerChannel => AskChannel + 2;

    /// <summary>Steps that the question takes.</summary>
    private protected abstract int QuestionSteps(int length);

    /// <summary>Steps between question and answer.</summary>
    private protected abstract int ThinkingSteps { get; }

    /// <summary>Draws a way of that length in the example's graph.</summary>
    /// <returns>False where it has none.</returns>
    private protected abstract bool Choose(Philox random, Example example, int length);

    /// <summary>Writes the question of sequence b from step t on.</summary>
    private protected abstract void Ask(Example example, int t, int b);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">Among a thousand graphs none had a way of that length.</exception>
    public override Episode Next(Philox random, int batch, int length)
    {
        AtLeast(1, batch);
        AtLeast(1, length);
        while (examples.Count < batch) examples.Add(new());
        int most = 0;
        for (int b = 0; b < batch; b++)
        {
            Draw(random, examples[b], length);
            most = Math.Max(most, 2 * examples[b].Graph.Connections);
        }
        int question = QuestionSteps(length), answer = most + question + ThinkingSteps;
        Begin(answer + length, batch, length);
        for (int b = 0; b < batch; b++)
        {
            Example example = examples[b];
            shown.Clear();
            for (int node = 0; node < example.Graph.Nodes; node++)
                foreach (int to in example.Graph.Neighbours(node)) shown.Add((node, to));
            for (int i = shown.Count - 1; i > 0; i--)
            {
                int j = random.Next(0, i + 1);
                (shown[i], shown[j]) = (shown[j], shown[i]);
            }
            int t = most - shown.Count;                                                  // a smaller graph begins later
            foreach ((int from, int to) in shown)
            {
                Label(Input(t, b), example.Labels[from]);
                Label(Input(t, b)[LabelWidth..], example.Labels[to]);
                Input(t++, b)[EdgeChannel + example.Edge(from, to, edges)] = 1;
            }
            for (int i = 0; i < question; i++) Input(t + i, b)[AskChannel] = 1;
            Ask(example, t, b);
            for (t += question; t < answer; t++) Input(t, b)[ThinkChannel] = 1;
            for (int i = 0; i < length; i++)
            {
                Input(answer + i, b)[AnswerChannel] = 1;
                Label(Target(answer + i, b), example.Labels[example.Path[i + 1]]);
            }
        }
        return End(answer, length);
    }

    void Draw(Philox random, Example example, int length)
    {
        const int Attempts = 1000;
        int attempt = 0;
        do
        {
            if (attempt++ == Attempts) throw new InvalidOperationException($"{Name}: among {Attempts} graphs none had a way of {length} connections to ask for.");
            source.Next(random, example.Graph);
        }
        while (!Choose(random, example, length));
        example.Labels.Clear();
        while (example.Labels.Count < example.Graph.Nodes)
        {
            int label = random.Next(0, labels);
            if (!example.Labels.Contains(label)) example.Labels.Add(label);
        }
        example.Edges.Clear();
        for (int node = 0; node < example.Graph.Nodes; node++)
        {
            int first = example.Edges.Count;
            for (int i = 0; i < edges; i++)
            {
                int j = random.Next(0, i + 1);
                example.Edges.Add(i);
                (example.Edges[first + i], example.Edges[first + j]) = (example.Edges[first + j], example.Edges[first + i]);
            }
        }
    }

    /// <summary>One-hot digits, the highest first.</summary>
    private protected void Label(Span<float> to, int label)
    {
        for (int d = digits - 1; d >= 0; d--, label /= radix) to[d * radix + label % radix] = 1;
    }

    /// <summary>Which sequences were answered without a fault: in every step of the answer, the largest logit of every digit is the right one.</summary>
    /// <param name="episode">The episode.</param>
    /// <param name="logits">[time, batch, outputs].</param>
    /// <param name="perSequence">Receives 1 or 0 for each sequence.</param>
    /// <exception cref="ShapeException">The logits are not shaped as the targets, or there is not one place a sequence.</exception>
    public void Correct(Episode episode, Tensor logits, Span<double> perSequence)
    {
        if (logits.Shape != episode.Targets.Shape || perSequence.Length != episode.Batch)
            throw new ShapeException(nameof(Correct), $"logits {logits.Shape} and {perSequence.Length} places for targets {episode.Targets.Shape}.");
        int count = logits.Count;
        if (said.Length < count) (said, right) = (new float[count], new float[count]);
        logits.CopyTo(said.AsSpan(0, count));
        episode.Targets.CopyTo(right.AsSpan(0, count));
        perSequence.Fill(1);
        for (int t = episode.OutputStart; t < episode.Steps; t++)
            for (int b = 0; b < episode.Batch; b++)
                for (int d = 0; d < digits; d++)
                {
                    int at = (t * episode.Batch + b) * OutputWidth + d * radix;
                    ReadOnlySpan<float> digit = said.AsSpan(at, radix), target = right.AsSpan(at, radix);
                    float correct = digit[target.IndexOf(1f)];
                    foreach (float other in digit)
                        if (!(correct >= other)) perSequence[b] = 0;
                }
    }
}

/// <summary>Shortest path: given two nodes, say the nodes on the way from one to the other. Only pairs with exactly one shortest path are asked for.</summary>
/// <param name="source">Where the graphs come from.</param>
/// <param name="digits">Digits of a label.</param>
/// <param name="radix">The base of a digit.</param>
/// <param name="minLength">The fewest connections of a path in training.</param>
/// <param name="maxLength">The most.</param>
/// <param name="thinking">Steps between question and answer; the paper has 10.</param>
public sealed class ShortestPathTask(GraphSource source, int digits = 2, int radix = 4, int minLength = 1, int maxLength = 3, int thinking = 4)
    : GraphTask(source, digits, radix, minLength, maxLength)
{
    readonly List<(int From, int To)> pairs = [];

    /// <inheritdoc/>
    public override string Name => "paths";

    private protected override int QuestionSteps(int length) => 1;

    private protected override int ThinkingSteps { get; } = AtLeast(0, thinking);

    private protected override bool Choose(Philox random, Example example, int length)
    {
        pairs.Clear();
        for (int from = 0; from < example.Graph.Nodes; from++)
        {
            example.Graph.Search(from);
            for (int to = 0; to < example.Graph.Nodes; to++)
                if (example.Graph.Distance(to) == length && example.Graph.IsUnique(to)) pairs.Add((from, to));
        }
        if (pairs.Count == 0) return false;
        (int start, int end) = pairs[random.Next(0, pairs.Count)];
        return example.Graph.TryShortestPath(start, end, example.Path);
    }

    private protected override void Ask(Example example, int t, int b)
    {
        Label(Input(t, b), example.Labels[example.Path[0]]);
        Label(Input(t, b)[LabelWidth..], example.Labels[example.Path[^1]]);
    }
}

/// <summary>Traversal: given a node and edge labels to follow one after the other, say the nodes passed.</summary>
/// <param name="source">Where the graphs come from.</param>
/// <param name="digits">Digits of a label.</param>
/// <param name="radix">The base of a digit.</param>
/// <param name="minLength">The fewest edges followed in training.</param>
/// <param name="maxLength">The most.</param>
public sealed class TraversalTask(GraphSource source, int digits = 2, int radix = 4, int minLength = 1, int maxLength = 4) : GraphTask(source, digits, radix, minLength, maxLength)
{
    readonly int most = source.MostNeighbours;

    /// <inheritdoc/>
    public override string Name => "traversal";

    private protected override int QuestionSteps(int length) => length;

    private protected override int ThinkingSteps => 0;

    private protected override bool Choose(Philox random, Example example, int length)
    {
        example.Path.Clear();
        int node = random.Next(0, example.Graph.Nodes);
        example.Path.Add(node);
        for (int i = 0; i < length; i++)
        {
            IReadOnlyList<int> neighbours = example.Graph.Neighbours(node);
            if (neighbours.Count == 0) return false;
            example.Path.Add(node = neighbours[random.Next(0, neighbours.Count)]);
        }
        return true;
    }

    private protected override void Ask(Example example, int t, int b)
    {
        Label(Input(t, b), example.Labels[example.Path[0]]);
        for (int i = 0; i + 1 < example.Path.Count; i++) Input(t + i, b)[EdgeChannel + example.Edge(example.Path[i], example.Path[i + 1], most)] = 1;
    }
}
