using System.Globalization;
using System.Text;

namespace NeuralMemory.Tasks;

/// <summary>A file of stations or of connections that cannot be read, or a station or a path that is not there. The message names the file and the line where there is one.</summary>
public sealed class MapException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// A map of stations, read from two comma-separated files with a header line each: <c>*.stations.csv</c> with the columns <c>id</c> and <c>name</c>, and <c>*.connections.csv</c> with
/// <c>station1</c> and <c>station2</c>, which are ids. Other columns are passed over; a field may be quoted, and a quote within it is doubled.
/// </summary>
public sealed class StationMap
{
    readonly Dictionary<string, int> byName = new(StringComparer.OrdinalIgnoreCase);
    readonly List<string> names = [];

    StationMap() { }

    /// <summary>Stations and connections; two stations that several lines connect are connected once.</summary>
    public Graph Graph { get; } = new();

    /// <summary>The stations' names.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>Reads the two files of a folder.</summary>
    /// <exception cref="MapException">One is not there, or twice, or cannot be read, or a line is broken.</exception>
    public static StationMap Read(string folder)
    {
        if (!Directory.Exists(folder)) throw new MapException($"{folder}: there is no such folder.");
        return Read(Only("stations"), Only("connections"));

        string Only(string kind)
        {
            string[] files = Directory.GetFiles(folder, $"*{kind}.csv");
            return files.Length == 1 ? files[0] : throw new MapException($"{folder}: {files.Length} files are called *{kind}.csv; one was expected.");
        }
    }

    /// <summary>Reads the file of the stations and that of the connections.</summary>
    /// <exception cref="MapException">One cannot be read, or a line is broken, or a connection names a station that is not there.</exception>
    public static StationMap Read(string stations, string connections)
    {
        StationMap map = new();
        Dictionary<int, int> byId = [];
        foreach ((int line, int id, string name) in Rows(stations, "id", "name", (line, id, name) => (line, Number(stations, line, "id", id), name)))
        {
            if (!byId.TryAdd(id, map.names.Count)) throw new MapException($"{stations}:{line}: station {id} is there already.");
            if (name.Length == 0) throw new MapException($"{stations}:{line}: station {id} has no name.");
            if (!map.byName.TryAdd(name, map.names.Count)) throw new MapException($"{stations}:{line}: a station called '{name}' is there already.");
            map.names.Add(name);
        }
        if (map.names.Count == 0) throw new MapException($"{stations}: there are no stations in it.");
        map.Graph.Reset(map.names.Count);
        foreach ((int line, int a, int b) in Rows(connections, "station1", "station2", (line, a, b) => (line, Station(line, a), Station(line, b))))
        {
            if (a == b) throw new MapException($"{connections}:{line}: '{map.names[a]}' is connected with itself.");
            map.Graph.Connect(a, b);
        }
        if (map.Graph.Connections == 0) throw new MapException($"{connections}: there are no connections in it.");
        return map;

        int Station(int line, string text)
        {
            int id = Number(connections, line, "station", text);
            return byId.TryGetValue(id, out int index) ? index : throw new MapException($"{connections}:{line}: there is no station {id} in {stations}.");
        }
    }

    static int Number(string file, int line, string column, string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) ? value
            : throw new MapException($"{file}:{line}: {column} '{text}' is not a whole number.");

    /// <summary>The index of a station.</summary>
    /// <exception cref="MapException">There is none of that name; the message gives those whose names are alike.</exception>
    public int Find(string name)
    {
        if (byName.TryGetValue(name, out int station)) return station;
        string[] alike = [.. names.Where(n => name.Length > 0 && (n.Contains(name, StringComparison.OrdinalIgnoreCase) || name.Contains(n, StringComparison.OrdinalIgnoreCase))).Take(5)];
        throw new MapException($"There is no station '{name}'{(alike.Length > 0 ? $"; did you mean {string.Join(", ", alike)}?" : ".")}");
    }

    /// <summary>The stations of a shortest path, both ends included.</summary>
    /// <exception cref="MapException">There is no such station, or no path.</exception>
    public IReadOnlyList<int> ShortestPath(string from, string to)
    {
        List<int> path = [];
        return Graph.TryShortestPath(Find(from), Find(to), path) ? path : throw new MapException($"No path leads from '{from}' to '{to}'.");
    }

    /// <summary>The fields of two columns, line by line.</summary>
    static List<TRow> Rows<TRow>(string file, string first, string second, Func<int, string, string, TRow> row)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(file, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or DecoderFallbackException)
        {
            throw new MapException(e is DecoderFallbackException ? $"{file}: it is not UTF-8 text." : $"{file}: {e.Message}", e);
        }
        if (lines.Length == 0) throw new MapException($"{file}: it is empty; a header line with the columns {first} and {second} was expected.");
        List<string> fields = Split(file, 1, lines[0]);
        int columns = fields.Count, firstAt = fields.IndexOf(first), secondAt = fields.IndexOf(second);
        if (firstAt < 0 || secondAt < 0) throw new MapException($"{file}:1: the columns are {string.Join(", ", fields)}; {first} and {second} were expected among them.");
        List<TRow> rows = [];
        for (int i = 1; i < lines.Length; i++)
        {
            if (lines[i].Length == 0) continue;
            fields = Split(file, i + 1, lines[i]);
            if (fields.Count != columns) throw new MapException($"{file}:{i + 1}: {fields.Count} fields; {columns} were expected, as in the header.");
            rows.Add(row(i + 1, fields[firstAt], fields[secondAt]));
        }
        return rows;
    }

    static List<string> Split(string file, int number, string line)
    {
        List<string> fields = [];
        StringBuilder field = new();
        for (int i = 0; ; i++)
        {
            field.Clear();
            if (i < line.Length && line[i] == '"')
            {
                for (i++; ; i++)
                {
                    if (i == line.Length) throw new MapException($"{file}:{number}: a quote is not closed.");
                    if (line[i] != '"') field.Append(line[i]);
                    else if (i + 1 < line.Length && line[i + 1] == '"') field.Append(line[i++]);
                    else break;
                }
                i++;
                if (i < line.Length && line[i] != ',') throw new MapException($"{file}:{number}: text follows a closing quote at column {i + 1}.");
            }
            else for (; i < line.Length && line[i] != ','; i++) field.Append(line[i]);
            fields.Add(field.ToString());
            if (i >= line.Length) return fields;
        }
    }
}
