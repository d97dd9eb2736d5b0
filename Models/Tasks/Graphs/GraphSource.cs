namespace NeuralMemory.Tasks;

/// <summary>Where graphs come from. What is drawn follows from the generator alone.</summary>
public abstract class GraphSource
{
    /// <summary>The most nodes of a graph.</summary>
    public abstract int Nodes { get; }

    /// <summary>The most neighbours of a node.</summary>
    public abstract int MostNeighbours { get; }

    /// <summary>Fills <paramref name="graph"/>.</summary>
    public abstract void Next(Philox random, Graph graph);
}

/// <summary>
/// Random graphs as in Graves et al. 2016 (Methods, "Graph task descriptions"): points uniform in the unit square, each connected with its nearest ones. Here a connection has
/// no direction, and a node with <paramref name="most"/> neighbours gets no more.
/// </summary>
/// <param name="nodes">Points.</param>
/// <param name="nearest">With how many of the nearest points each is connected.</param>
/// <param name="most">The most neighbours of a node.</param>
public sealed class RandomGraphs(int nodes, int nearest = 2, int most = 4) : GraphSource
{
    readonly double[] x = new double[nodes >= 2 ? nodes : throw new ArgumentOutOfRangeException(nameof(nodes), nodes, "At least 2 nodes were expected.")];
    readonly double[] y = new double[nodes], far = new double[nodes];
    readonly int[] order = new int[nodes];

    /// <inheritdoc/>
    public override int Nodes => nodes;

    /// <inheritdoc/>
    public override int MostNeighbours { get; } = most >= 1 ? most : throw new ArgumentOutOfRangeException(nameof(most), most, "At least 1 neighbour was expected.");

    /// <inheritdoc/>
    public override void Next(Philox random, Graph graph)
    {
        graph.Reset(nodes);
        for (int i = 0; i < nodes; i++) (x[i], y[i]) = (random.NextDouble(), random.NextDouble());
        for (int i = 0; i < nodes; i++)
        {
            for (int j = 0; j < nodes; j++) (order[j], far[j]) = (j, (x[i] - x[j]) * (x[i] - x[j]) + (y[i] - y[j]) * (y[i] - y[j]));
            Array.Sort(far, order);                                                     // the first is i itself
            for (int k = 1; k <= Math.Min(nearest, nodes - 1); k++)
            {
                int j = order[k];
                if (graph.Neighbours(i).Count < MostNeighbours && graph.Neighbours(j).Count < MostNeighbours) graph.Connect(i, j);
            }
        }
    }
}

/// <summary>Parts of a map: a random station, then again and again a random neighbour of those there already, with all connections among them.</summary>
/// <param name="map">The map.</param>
/// <param name="nodes">Stations of a part.</param>
/// <param name="most">The most neighbours of a station: connections beyond are left out.</param>
public sealed class MapParts(StationMap map, int nodes, int most = 4) : GraphSource
{
    readonly List<int> chosen = [], edge = [];

    /// <inheritdoc/>
    public override int Nodes { get; } = nodes >= 2 ? nodes : throw new ArgumentOutOfRangeException(nameof(nodes), nodes, "At least 2 stations were expected.");

    /// <inheritdoc/>
    public override int MostNeighbours { get; } = most >= 1 ? most : throw new ArgumentOutOfRangeException(nameof(most), most, "At least 1 neighbour was expected.");

    /// <summary>The stations that the nodes of the last graph are.</summary>
    public IReadOnlyList<int> Stations => chosen;

    /// <inheritdoc/>
    public override void Next(Philox random, Graph graph)
    {
        chosen.Clear();
        edge.Clear();
        edge.Add(random.Next(0, map.Graph.Nodes));
        while (chosen.Count < Nodes && edge.Count > 0)
        {
            int at = random.Next(0, edge.Count), station = edge[at];
            edge[at] = edge[^1];
            edge.RemoveAt(edge.Count - 1);
            chosen.Add(station);
            foreach (int next in map.Graph.Neighbours(station))
                if (!chosen.Contains(next) && !edge.Contains(next)) edge.Add(next);
        }
        graph.Reset(chosen.Count);
        for (int i = 0; i < chosen.Count; i++)
            foreach (int next in map.Graph.Neighbours(chosen[i]))
            {
                int j = chosen.IndexOf(next);
                if (j >= 0 && graph.Neighbours(i).Count < MostNeighbours && graph.Neighbours(j).Count < MostNeighbours) graph.Connect(i, j);
            }
    }
}
