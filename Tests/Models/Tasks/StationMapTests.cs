using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class StationMapTests
{
    const string Stations = """
        "id","zone","name"
        7,1,"North"
        3,2,"East, by the ""Old"" Mill"
        12,1,South
        5,1,"West"
        9,1,"Island"
        """;

    const string Connections = """
        "station1","station2","line"
        7,3,1
        3,12,1

        12,5,2
        3,7,4
        """;

    string folder = "";

    [SetUp]
    public void SetUp() => folder = Directory.CreateTempSubdirectory("map").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(folder, recursive: true);

    StationMap Read(string? stations = Stations, string? connections = Connections)
    {
        if (stations is not null) File.WriteAllText(Path.Combine(folder, "town.stations.csv"), stations);
        if (connections is not null) File.WriteAllText(Path.Combine(folder, "town.connections.csv"), connections);
        return StationMap.Read(folder);
    }

    [Test]
    public void Reads_stations_and_connections()
    {
        StationMap map = Read();
        Assert.That(map.Names, Is.EqualTo((string[])["North", "East, by the \"Old\" Mill", "South", "West", "Island"]));
        Assert.That(map.Graph.Connections, Is.EqualTo(3), "two stations that two lines connect are connected once");
        Assert.That(map.ShortestPath("west", "NORTH").Select(s => map.Names[s]), Is.EqualTo((string[])["West", "South", "East, by the \"Old\" Mill", "North"]));
    }

    [Test]
    public void An_unknown_station_and_no_path_are_named()
    {
        StationMap map = Read();
        Assert.That(() => map.Find("Centre"), Fails("There is no station 'Centre'."));
        Assert.That(() => map.ShortestPath("North", "East"), Fails("There is no station 'East'; did you mean East, by the \"Old\" Mill?"));
        Assert.That(() => map.Find(""), Fails("There is no station ''."));
        Assert.That(() => map.ShortestPath("North", "Island"), Fails("No path leads from 'North' to 'Island'."));
    }

    [TestCase("id,name\n1,A\n2\n", ":3: 1 fields; 2 were expected, as in the header.")]
    [TestCase("id,name\n1,A\nx,B\n", ":3: id 'x' is not a whole number.")]
    [TestCase("id,name\n1,A\n1,B\n", ":3: station 1 is there already.")]
    [TestCase("id,name\n1,A\n2,a\n", ":3: a station called 'a' is there already.")]
    [TestCase("id,name\n1,A\n2,\n", ":3: station 2 has no name.")]
    [TestCase("id,name\n1,\"A\n", ":2: a quote is not closed.")]
    [TestCase("id,name\n1,\"A\"B\n", ":2: text follows a closing quote at column 6.")]
    [TestCase("id,title\n1,A\n", ":1: the columns are id, title; id and name were expected among them.")]
    [TestCase("id,name\n", ": there are no stations in it.")]
    [TestCase("", ": it is empty; a header line with the columns id and name was expected.")]
    public void A_broken_file_of_stations_is_named_with_its_line(string text, string message) =>
        Assert.That(() => Read(stations: text), Fails(Path.Combine(folder, "town.stations.csv") + message));

    [TestCase("station1,station2\n7,3\n7,99\n", ":3: there is no station 99 in ")]
    [TestCase("station1,station2\n7,3\n7,\n", ":3: station '' is not a whole number.")]
    [TestCase("station1,station2\n7,7\n", ":2: 'North' is connected with itself.")]
    [TestCase("station1,station2\n7,3,1\n", ":2: 3 fields; 2 were expected, as in the header.")]
    [TestCase("station1,station2\n", ": there are no connections in it.")]
    [TestCase("", ": it is empty; a header line with the columns station1 and station2 was expected.")]
    public void A_broken_file_of_connections_is_named_with_its_line(string text, string message) =>
        Assert.That(() => Read(connections: text), Throws.TypeOf<MapException>().With.Message.StartsWith(Path.Combine(folder, "town.connections.csv") + message));

    [Test]
    public void What_is_not_there_or_no_text_is_named()
    {
        Assert.That(() => StationMap.Read(Path.Combine(folder, "none")), Fails(Path.Combine(folder, "none") + ": there is no such folder."));
        Assert.That(() => Read(connections: null), Fails(folder + ": 0 files are called *connections.csv; one was expected."));
        File.WriteAllText(Path.Combine(folder, "other.stations.csv"), Stations);
        Assert.That(() => Read(), Fails(folder + ": 2 files are called *stations.csv; one was expected."));
        string bad = Path.Combine(folder, "bad.csv"), missing = Path.Combine(folder, "missing.csv");
        File.WriteAllBytes(bad, [.. "id,name\n1,"u8, 0xff, 0xfe]);
        Assert.That(() => StationMap.Read(bad, bad), Fails(bad + ": it is not UTF-8 text."));
        Assert.That(() => StationMap.Read(missing, missing), Throws.TypeOf<MapException>().With.Message.StartsWith(missing + ": "));
    }

    [Test]
    public void Parts_of_a_map_are_connected_and_have_the_maps_connections()
    {
        StationMap map = Read();
        MapParts parts = new(map, 3);
        Graph graph = new();
        Philox random = new(1);
        for (int n = 0; n < 40; n++)
        {
            parts.Next(random, graph);
            Assert.That(graph.Nodes, Is.EqualTo(parts.Stations.Contains(4) ? 1 : 3), "the island has no neighbours");
            graph.Search(0);
            for (int i = 0; i < graph.Nodes; i++)
            {
                Assert.That(graph.Distance(i), Is.GreaterThanOrEqualTo(0));
                for (int j = 0; j < graph.Nodes; j++)
                    Assert.That(graph.Neighbours(i).Contains(j), Is.EqualTo(map.Graph.Neighbours(parts.Stations[i]).Contains(parts.Stations[j])));
            }
        }
    }

    static NUnit.Framework.Constraints.Constraint Fails(string message) => Throws.TypeOf<MapException>().With.Message.EqualTo(message);
}
