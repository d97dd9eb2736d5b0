using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;

namespace NeuralMemory.Cli;

/// <summary>Something that decides what a run computes: an option of <c>train</c>, where people may choose it, and a key of <c>config.json</c>.</summary>
abstract class Setting(string name, Option? option)
{
    /// <summary>As the command line spells it, without its dashes.</summary>
    public string Name { get; } = name;

    /// <summary>As <c>config.json</c> spells it.</summary>
    public string Key => Name.Replace('-', '_');

    /// <summary>Null where it follows from something else.</summary>
    public Option? Option { get; } = option;

    /// <summary>What was given on the command line, or null.</summary>
    public abstract object? Given(ParseResult parsed);

    /// <summary>What a configuration holds.</summary>
    /// <exception cref="UsageException">It is not what was expected.</exception>
    public abstract object Read(JsonElement json);

    public static void Write(Utf8JsonWriter json, object value)
    {
        switch (value)
        {
            case int number: json.WriteNumberValue(number); break;
            case long number: json.WriteNumberValue(number); break;
            case ulong number: json.WriteNumberValue(number); break;
            case double number: json.WriteNumberValue(number); break;
            case bool yes: json.WriteBooleanValue(yes); break;
            default: json.WriteStringValue((string)value); break;
        }
    }

    public static Setting<int> Count(string name, string description, int least = 1, int most = int.MaxValue)
    {
        Option<long?> option = Options.Count($"--{name}", description, least, most);
        return new(name, Whole(least, most), option, parsed => (int?)parsed.GetValue(option), json => json.TryGetInt32(out int value) && value >= least && value <= most ? value : null);
    }

    /// <summary>A whole number from 1 on; on the command line <c>all</c> as well, which is 0 and stands for several runs, so that no run's configuration holds it.</summary>
    public static Setting<int> CountOrAll(string name, string description, int most)
    {
        Option<long?> option = Options.CountOrAll($"--{name}", description, most);
        return new(name, Whole(1, most), option, parsed => (int?)parsed.GetValue(option), json => json.TryGetInt32(out int value) && value >= 1 && value <= most ? value : null);
    }

    public static Setting<long> LongCount(string name, string description, long most = long.MaxValue)
    {
        Option<long?> option = Options.Count($"--{name}", description, most: most);
        return new(name, Whole(1, most), option, parsed => parsed.GetValue(option), json => json.TryGetInt64(out long value) && value >= 1 && value <= most ? value : null);
    }

    /// <summary>A number of <paramref name="least"/> or more, up to but without <paramref name="end"/>; <paramref name="least"/> itself only where <paramref name="orLeast"/>.</summary>
    public static Setting<double> Number(string name, string description, double least = 0, double end = double.PositiveInfinity, bool orLeast = false)
    {
        string expected = $"a number {(orLeast ? "not below" : "above")} {least}{(double.IsFinite(end) ? $" and below {end}" : "")}";
        bool Fits(double value) => (orLeast ? value >= least : value > least) && value < end;           // never NaN
        Option<double?> option = Options.Number($"--{name}", description, expected, Fits);
        return new(name, expected, option, parsed => parsed.GetValue(option), json => json.TryGetDouble(out double value) && Fits(value) ? value : null);
    }

    public static Setting<string> Choice(string name, string description, params IReadOnlyList<string> choices)
    {
        Option<string?> option = Options.Choice($"--{name}", description, choices);
        return new(name, $"one of {string.Join(", ", choices)}", option, parsed => parsed.GetValue(option), json => choices.Contains(json.GetString()) ? json.GetString() : null);
    }

    public static Setting<bool> Switch(string name, string description)
    {
        Option<bool?> option = new($"--{name}") { Description = description, Arity = ArgumentArity.ZeroOrOne };
        // The bare option means yes.
        return new(name, "true or false", option, parsed => parsed.GetResult(option) is { } given ? given.Tokens.Count == 0 || given.GetValueOrDefault<bool>() : null,
            json => json.ValueKind is JsonValueKind.True or JsonValueKind.False ? json.GetBoolean() : null);
    }

    /// <summary>On the command line from where the program was started; a configuration holds the whole path, so that a run can go on from another folder.</summary>
    public static Setting<string> Path(string name, string description, string helpName)
    {
        Option<string?> option = Options.Folder($"--{name}", description);
        option.HelpName = helpName;
        return new(name, "a path", option, parsed => parsed.GetValue(option) is { } path ? System.IO.Path.GetFullPath(path) : null, json => json.GetString() is { Length: > 0 } path ? path : null);
    }

    /// <summary>A text that follows from the data, and without which the parameters mean nothing: a vocabulary.</summary>
    public static Setting<string> Derived(string name) => new(name, "a text", null, _ => null, json => json.GetString() is { Length: > 0 } text ? text : null);

    public static Setting<ulong> SeedOf(string description)
    {
        Option<ulong?> option = Options.Seed(description);
        return new("seed", $"a whole number from 0 to {ulong.MaxValue}", option, parsed => parsed.GetValue(option), json => json.TryGetUInt64(out ulong value) ? value : null);
    }

    static string Whole(long least, long most) => $"a whole number from {least} to {most}";
}

/// <inheritdoc/>
sealed class Setting<T>(string name, string expected, Option? option, Func<ParseResult, object?> given, Func<JsonElement, object?> read) : Setting(name, option) where T : notnull
{
    const int MostShown = 40;

    public override object? Given(ParseResult parsed) => given(parsed);

    public override object Read(JsonElement json)
    {
        object? value = null;
        // Asked for a number, an element that is none throws.
        try { value = read(json); }
        catch (InvalidOperationException) { }
        if (value is not null) return value;
        string shown = json.ValueKind is JsonValueKind.Array or JsonValueKind.Object ? $"{json.ValueKind}" : json.GetRawText();
        throw new UsageException($"--{Name}: {(shown.Length <= MostShown ? shown : shown[..MostShown] + "...")} is not {expected}.");
    }

    /// <summary>What a recipe has for it where nothing else is asked for.</summary>
    public (Setting, object?) Is(T value) => (this, value);

    /// <summary>Off where nothing else is asked for.</summary>
    public (Setting, object?) Open => (this, null);
}

/// <summary>What more than one recipe can be asked for. Two settings never share a name.</summary>
static class Settings
{
    public static readonly Setting<string> Data = Setting.Path(
        "data", "A folder of data: bAbI files, Omniglot's zip files, or *.stations.csv and *.connections.csv; without it the program makes stories, prototypes or graphs of its own.", "DIR");

    public static readonly Setting<ulong> Seed = Setting.SeedOf("Decides first weights and sequences; 1 by default.");
    public static readonly Setting<long> Sequences = Setting.LongCount("sequences", "Sequences to train on.", most: long.MaxValue / 2);
    public static readonly Setting<int> Batch = Setting.Count("batch", "Sequences of an update.", most: 1_000_000);
    public static readonly Setting<double> LearningRate = Setting.Number("learning-rate", "The greatest step size; how it rises and falls is the recipe's.");
    public static readonly Setting<long> LogEvery = Setting.LongCount("log-every", "Sequences between lines of metrics.jsonl.");
    public static readonly Setting<int> EarlyStopping = Setting.Count("early-stopping", "Ends training after so many lines without a lower cost.");
    public static readonly Setting<int> Hidden = Setting.Count("hidden", "Units of the controller, or of a recurrent layer.");
    public static readonly Setting<int> Layers = Setting.Count("layers", "Layers of the lstm, or blocks of the transformer.");
    public static readonly Setting<int> Slots = Setting.Count("slots", "Rows of the memory.");
    public static readonly Setting<int> Width = Setting.Count("width", "Columns of the memory, or numbers of a transformer's vector.");
    public static readonly Setting<int> Embedding = Setting.Count("embedding", "Numbers of a symbol's vector.");
    public static readonly Setting<int> Heads = Setting.Count("heads", "Heads of each attention.");
    public static readonly Setting<double> Dropout = Setting.Number("dropout", "The probability of dropping an element.", least: 0, end: 1, orLeast: true);
    public static readonly Setting<int> FeedForward = Setting.Count("feed-forward", "Units of the transformer's feed-forward networks.");
    public static readonly Setting<string> Positions = Setting.Choice("positions", "What tells a transformer where a symbol or a step stands.", "sinusoidal", "none");
    public static readonly Setting<int> WarmUp = Setting.Count("warm-up", "Updates in which the learning rate rises.");
    public static readonly Setting<int> ReadHeads = Setting.Count("read-heads", "Heads that read.");
}
