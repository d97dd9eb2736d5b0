namespace NeuralMemory.Tasks;

/// <summary>A graph without directions: nodes 0, 1, .. and which of them are connected. It can be filled again and again without new memory.</summary>
public sealed class Graph
{
    readonly List<List<int>> neighbours = [];
    readonly List<int> distances = [], ways = [], queue = [];

    /// <summary>The number of nodes.</summary>
    public int Nodes { get; private set; }

    /// <summary>The number of connections.</summary>
    public int Connections { get; private set; }

    /// <summary>Becomes a graph of that many nodes, none of them connected.</summary>
    public void Reset(int nodes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(nodes, 1);
        (Nodes, Connections) = (nodes, 0);
        while (neighbours.Count < nodes) neighbours.Add([]);
        for (int i = 0; i < nodes; i++) neighbours[i].Clear();
    }

    /// <summary>Connects two nodes, if they are not connected yet.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such node, or both are the same.</exception>
    public void Connect(int a, int b)
    {
        CheckNode(a);
        CheckNode(b);
        if (a == b) throw new ArgumentOutOfRangeException(nameof(b), b, "A node is not connected with itself.");
        if (neighbours[a].Contains(b)) return;
        neighbours[a].Add(b);
        neighbours[b].Add(a);
        Connections++;
    }

    /// <summary>The nodes that one is connected with, in the order in which they were connected.</summary>
    public IReadOnlyList<int> Neighbours(int node)
    {
        CheckNode(node);
        return neighbours[node];
    }

    /// <summary>Finds the distances of all nodes from one, breadth first.</summary>
    public void Search(int from)
    {
        CheckNode(from);
        distances.Clear();
        ways.Clear();
        queue.Clear();
        for (int i = 0; i < Nodes; i++)
        {
            distances.Add(-1);
            ways.Add(0);
        }
        (distances[from], ways[from]) = (0, 1);
        queue.Add(from);
        for (int i = 0; i < queue.Count; i++)
        {
            int node = queue[i];
            foreach (int next in neighbours[node])
            {
                if (distances[next] < 0)
                {
                    distances[next] = distances[node] + 1;
                    queue.Add(next);
                }
                if (distances[next] == distances[node] + 1) ways[next] = Math.Min(2, ways[next] + ways[node]);
            }
        }
    }

    /// <summary>Connections on the shortest way from where <see cref="Search"/> began; -1 where there is none.</summary>
    public int Distance(int node) => distances[node];

    /// <summary>Whether there is exactly one shortest way.</summary>
    public bool IsUnique(int node) => ways[node] == 1;

    /// <summary>The nodes of a shortest path, both ends included, in <paramref name="path"/>.</summary>
    /// <returns>False where there is no path; <paramref name="path"/> is then empty.</returns>
    public bool TryShortestPath(int from, int to, List<int> path)
    {
        CheckNode(from);
        path.Clear();
        Search(to);
        if (distances[from] < 0) return false;
        path.Add(from);
        for (int node = from; node != to;)
        {
            foreach (int next in neighbours[node])
                if (distances[next] == distances[node] - 1)
                {
                    node = next;
                    break;
                }
            path.Add(node);
        }
        return true;
    }

    void CheckNode(int node)
    {
        if ((uint)node >= (uint)Nodes) throw new ArgumentOutOfRangeException(nameof(node), node, $"Nodes 0 to {Nodes - 1} were expected.");
    }
}
