using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class GraphTests
{
    /// <summary>0 - 1 - 2 - 3, 0 - 4 - 3, 5 alone, 3 - 6.</summary>
    static Graph Example()
    {
        Graph graph = new();
        graph.Reset(7);
        foreach ((int a, int b) in ((int, int)[])[(0, 1), (1, 2), (2, 3), (0, 4), (4, 3), (3, 6), (6, 3)]) graph.Connect(a, b);
        return graph;
    }

    [Test]
    public void Search_gives_distances_and_whether_the_way_is_the_only_one()
    {
        Graph graph = Example();
        Assert.That((graph.Nodes, graph.Connections), Is.EqualTo((7, 6)));
        graph.Search(0);
        Assert.That(Enumerable.Range(0, 7).Select(graph.Distance), Is.EqualTo((int[])[0, 1, 2, 2, 1, -1, 3]));
        Assert.That(Enumerable.Range(0, 7).Select(graph.IsUnique), Is.EqualTo((bool[])[true, true, true, true, true, false, true]));
        graph.Search(1);
        Assert.That((graph.Distance(3), graph.IsUnique(3), graph.Distance(4), graph.IsUnique(4)), Is.EqualTo((2, true, 2, true)));
        graph.Connect(1, 4);
        graph.Search(2);
        Assert.That((graph.Distance(4), graph.IsUnique(4)), Is.EqualTo((2, false)), "by 1 and by 3");
    }

    [Test]
    public void The_shortest_path_is_one_and_there_is_none_to_a_node_apart()
    {
        Graph graph = Example();
        List<int> path = [9];
        Assert.That(graph.TryShortestPath(0, 6, path));
        Assert.That(path, Is.EqualTo((int[])[0, 4, 3, 6]));
        Assert.That(graph.TryShortestPath(2, 2, path));
        Assert.That(path, Is.EqualTo((int[])[2]));
        Assert.That(graph.TryShortestPath(0, 5, path), Is.False);
        Assert.That(path, Is.Empty);
    }

    [Test]
    public void Bad_nodes_are_named()
    {
        Graph graph = Example();
        Assert.That(() => graph.Connect(0, 7), SequenceTaskTests.Refused("node"));
        Assert.That(() => graph.Connect(-1, 0), SequenceTaskTests.Refused("node"));
        Assert.That(() => graph.Connect(2, 2), SequenceTaskTests.Refused("b"));
        Assert.That(() => graph.Neighbours(7), SequenceTaskTests.Refused("node"));
        Assert.That(() => graph.Search(7), SequenceTaskTests.Refused("node"));
        Assert.That(() => graph.Reset(0), SequenceTaskTests.Refused("nodes"));
        Assert.That(() => new RandomGraphs(1), SequenceTaskTests.Refused("nodes"));
        Assert.That(() => new RandomGraphs(5, most: 0), SequenceTaskTests.Refused("most"));
    }

    [Test]
    public void Random_graphs_keep_to_their_bounds_and_follow_from_the_generator()
    {
        RandomGraphs source = new(9, nearest: 3, most: 4);
        Graph graph = new(), again = new();
        Philox random = new(1);
        HashSet<int> connections = [];
        for (int n = 0; n < 50; n++)
        {
            ulong position = random.Position;
            source.Next(random, graph);
            new RandomGraphs(9, 3, 4).Next(new Philox(1) { Position = position }, again);
            connections.Add(graph.Connections);
            for (int node = 0; node < 9; node++)
            {
                Assert.That(graph.Neighbours(node), Is.EqualTo(again.Neighbours(node)));
                Assert.That(graph.Neighbours(node), Has.Count.InRange(1, 4).And.Not.Member(node).And.Unique);
                foreach (int other in graph.Neighbours(node)) Assert.That(graph.Neighbours(other), Has.Member(node));
            }
        }
        Assert.That(connections, Has.Count.GreaterThan(3));
    }
}

public class GraphTaskTests
{
    const int Digits = 2, Radix = 4, Width = Digits * Radix;

    static int? Label(ReadOnlySpan<float> channels)
    {
        int label = 0;
        for (int d = 0; d < Digits; d++)
        {
            ReadOnlySpan<float> digit = channels.Slice(d * Radix, Radix);
            if (digit.IndexOf(1f) < 0) return null;
            Assert.That(digit.ToArray().Sum(), Is.EqualTo(1));
            label = label * Radix + digit.IndexOf(1f);
        }
        return label;
    }

    /// <summary>What a reader who knows nothing but the episode finds in it.</summary>
    static (Dictionary<(int From, int Edge), int> Edges, List<(int? From, int? To, int Edge)> Question, int Thinking, int[] Answer) Read(Episode episode, int b, int edges)
    {
        Dictionary<(int, int), int> shown = [];
        List<(int?, int?, int)> question = [];
        List<int> answer = [];
        int thinking = 0;
        for (int t = 0; t < episode.Steps; t++)
        {
            float[] x = episode.Inputs.Select(1, b).Select(0, t).ToArray(), y = episode.Targets.Select(1, b).Select(0, t).ToArray();
            int edge = Array.IndexOf(x[(2 * Width)..(2 * Width + edges)], 1f);
            float[] flags = x[^3..];
            Assert.That(flags.Sum(), Is.LessThanOrEqualTo(1));
            if (flags[0] == 1) question.Add((Label(x), Label(x.AsSpan(Width)), edge));
            else if (flags[1] == 1) thinking++;
            else if (flags[2] == 1) answer.Add(Label(y)!.Value);
            else if (Label(x) is { } from) Assert.That(shown.TryAdd((from, edge), Label(x.AsSpan(Width))!.Value), "two edges of one node have the same label");
            if (flags[2] == 0) Assert.That(y, Is.All.Zero);
            else Assert.That(x[..^3], Is.All.Zero, "no help during the answer");
        }
        return (shown, question, thinking, [.. answer]);
    }

    [Test]
    public void A_shortest_path_is_asked_for_and_is_the_only_one()
    {
        ShortestPathTask task = new(new RandomGraphs(8, 2, 4), Digits, Radix, 1, 3, thinking: 5);
        Philox random = new(3);
        using var _ = Tape.Step();
        for (int length = 1; length <= 3; length++)
        {
            Episode episode = task.Next(random, 5, length);
            for (int b = 0; b < 5; b++)
            {
                (Dictionary<(int From, int Edge), int> edges, List<(int? From, int? To, int Edge)> question, int thinking, int[] answer) = Read(episode, b, 4);
                Assert.That((question.Count, thinking, answer.Length, episode.OutputSteps), Is.EqualTo((1, 5, length, length)));
                int[] nodes = [question[0].From!.Value];
                for (int i = 0; i < length; i++)
                {
                    Assert.That(nodes.Count(n => n == question[0].To), Is.Zero, "there is a shorter path");
                    nodes = [.. nodes.SelectMany(n => edges.Where(e => e.Key.From == n).Select(e => e.Value))];
                }
                Assert.That(nodes.Count(n => n == question[0].To), Is.EqualTo(1), "paths of that length");
                int at = question[0].From!.Value;
                foreach (int next in answer)
                {
                    Assert.That(edges.Any(e => e.Key.From == at && e.Value == next), $"{at} and {next} are not connected");
                    at = next;
                }
                Assert.That(at, Is.EqualTo(question[0].To));
                foreach (((int from, int _), int to) in edges) Assert.That(edges.Any(e => e.Key.From == to && e.Value == from), "shown in one direction alone");
            }
        }
    }

    [Test]
    public void A_traversal_follows_the_labels_of_its_edges()
    {
        TraversalTask task = new(new RandomGraphs(8, 2, 4), Digits, Radix, 1, 4);
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(4), 6, 4);
        for (int b = 0; b < 6; b++)
        {
            (Dictionary<(int From, int Edge), int> edges, List<(int? From, int? To, int Edge)> question, int thinking, int[] answer) = Read(episode, b, 4);
            Assert.That((question.Count, thinking, answer.Length), Is.EqualTo((4, 0, 4)));
            int at = question[0].From!.Value;
            for (int i = 0; i < 4; i++)
            {
                if (i > 0) Assert.That(question[i].From, Is.Null);
                Assert.That(answer[i], Is.EqualTo(at = edges[(at, question[i].Edge)]));
            }
        }
    }

    [Test]
    public void Correct_counts_only_what_is_right_throughout()
    {
        ShortestPathTask task = new(new RandomGraphs(8, 2, 4), Digits, Radix);
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(5), 3, 2);
        float[] logits = episode.Targets.ToArray();
        int last = ((episode.Steps - 1) * 3 + 1) * Width;
        int right = Array.IndexOf(logits, 1f, last), wrong = right == last ? last + 1 : last;
        logits[wrong] = 2;
        logits[0] = float.NaN;                                                           // before the answer: not judged
        double[] correct = new double[3];
        task.Correct(episode, Tensor.From(logits, episode.Targets.Shape), correct);
        Assert.That(correct, Is.EqualTo((double[])[1, 0, 1]));
        logits[wrong] = float.NaN;
        task.Correct(episode, Tensor.From(logits, episode.Targets.Shape), correct);
        Assert.That(correct[1], Is.Zero);
        Assert.That(() => task.Correct(episode, Tensor.Zeros([1, 3, Width]), correct), Throws.TypeOf<ShapeException>());
        Assert.That(() => task.Correct(episode, episode.Targets, new double[2]), Throws.TypeOf<ShapeException>());
    }

    [Test]
    public void The_same_position_gives_the_same_episodes()
    {
        ShortestPathTask task = new(new RandomGraphs(8, 2, 4), Digits, Radix);
        Philox random = new(6);
        using var _ = Tape.Step();
        task.Next(random, 4);
        ulong position = random.Position;
        float[] second = task.Next(random, 4).Inputs.ToArray();
        Assert.That(new ShortestPathTask(new RandomGraphs(8, 2, 4), Digits, Radix).Next(new Philox(6) { Position = position }, 4).Inputs.ToArray(), Is.EqualTo(second));
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        RandomGraphs graphs = new(8);
        Assert.That(() => new ShortestPathTask(graphs, digits: 1, radix: 7), SequenceTaskTests.Refused("digits").And.Message.Contains("7, fewer than the 8 nodes"));
        Assert.That(() => new ShortestPathTask(graphs, digits: 30, radix: 7), SequenceTaskTests.Refused("digits"));
        Assert.That(() => new ShortestPathTask(graphs, thinking: -1), SequenceTaskTests.Refused("thinking"));
        Assert.That(() => new ShortestPathTask(graphs, minLength: 0), SequenceTaskTests.Refused("minLength"));
        Assert.That(() => new TraversalTask(graphs, maxLength: 0), SequenceTaskTests.Refused("maxLength"));
        Assert.That(() => new TraversalTask(graphs).Next(new Philox(1), 0, 1), SequenceTaskTests.Refused("batch"));
        Assert.That(() => new ShortestPathTask(graphs).Next(new Philox(1), 1, 0), SequenceTaskTests.Refused("length"));
        Assert.That(() => new ShortestPathTask(graphs).Next(new Philox(1), 1, 8),
            Throws.InvalidOperationException.With.Message.EqualTo("paths: among 1000 graphs none had a way of 8 connections to ask for."));
    }
}
