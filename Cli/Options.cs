using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace NeuralMemory.Cli;

/// <summary>Options that check their value as it is read, so that every message names the option, the text and what was expected. Null where one is not given.</summary>
static class Options
{
    public static Option<long?> Count(string name, string description, long least = 1, long most = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => Number<long>(result, name, $"a whole number from {least} to {most}", value => value >= least && value <= most),
    };

    /// <summary>Several whole numbers, separated by commas; none where the option is not given.</summary>
    public static Option<int[]> Counts(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "N,N...",
        DefaultValueFactory = _ => [],
        CustomParser = result =>
        {
            List<int> counts = [];
            foreach (string text in result.Tokens[0].Value.Split(','))
            {
                if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count < 1)
                    result.AddError($"{name}: '{text}' is not a whole number from 1 to {int.MaxValue}.");
                else if (counts.Contains(count)) result.AddError($"{name}: {count} stands there twice.");
                else counts.Add(count);
            }
            return [.. counts];
        },
    };

    /// <summary>A whole number from 1 on, or <c>all</c>, which is 0.</summary>
    public static Option<long?> CountOrAll(string name, string description, int most) => new(name)
    {
        Description = description,
        HelpName = "N|all",
        CustomParser = result => result.Tokens[0].Value == "all" ? 0 : Number<long>(result, name, $"a whole number from 1 to {most}, or all", value => value >= 1 && value <= most),
    };

    public static Option<ulong?> Seed(string description) => new("--seed")
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => Number<ulong>(result, "--seed", $"a whole number from 0 to {ulong.MaxValue}", _ => true),
    };

    public static Option<double?> Number(string name, string description, string expected, Func<double, bool> fits) => new(name)
    {
        Description = description,
        HelpName = "X",
        CustomParser = result => Number<double>(result, name, expected, value => double.IsFinite(value) && fits(value)),
    };

    public static Option<string?> Choice(string name, string description, params IReadOnlyList<string> choices) => new(name)
    {
        Description = description,
        HelpName = string.Join('|', choices),
        CustomParser = result => Choose(result, $"{name}: '{result.Tokens[0].Value}' is not one of {string.Join(", ", choices)}.", choices),
    };

    public static Option<string?> Folder(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "DIR",
        CustomParser = result => NotEmpty(result, name),
    };

    public static Argument<string?> Path(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result => NotEmpty(result, name),
    };

    public static string? Choose(ArgumentResult result, string error, IReadOnlyList<string> choices)
    {
        if (choices.Contains(result.Tokens[0].Value)) return result.Tokens[0].Value;
        result.AddError(error);
        return null;
    }

    /// <summary>A file that is written.</summary>
    public static Option<string?> File(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "FILE",
        CustomParser = result => NotEmpty(result, name),
    };

    static string? NotEmpty(ArgumentResult result, string name)
    {
        string value = result.Tokens[0].Value;
        if (string.IsNullOrWhiteSpace(value) || value.Contains('\0')) result.AddError($"{name}: a path was expected, not an empty text.");
        return value;
    }

    static T? Number<T>(ArgumentResult result, string name, string expected, Func<T, bool> fits) where T : struct, INumber<T>
    {
        string text = result.Tokens[0].Value;
        NumberStyles styles = typeof(T) == typeof(double) ? NumberStyles.Float : NumberStyles.AllowLeadingSign;
        if (T.TryParse(text, styles, CultureInfo.InvariantCulture, out T value) && fits(value)) return value;
        result.AddError($"{name}: '{text}' is not {expected}.");
        return null;
    }
}
