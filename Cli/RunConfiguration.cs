using System.CommandLine;
using System.Text;
using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>All that decides what a run computes: it is kept in the run's folder, and model, task and optimiser are made from it again. A value for each setting of a recipe.</summary>
sealed class RunConfiguration
{
    readonly Dictionary<Setting, object> values = [];

    RunConfiguration(Recipe recipe) => Recipe = recipe;

    /// <summary>A recipe as it is without any option.</summary>
    public static RunConfiguration Of(Recipe recipe)
    {
        RunConfiguration run = new(recipe);
        foreach ((Setting setting, object? value) in recipe.Defaults)
            if (value is not null) run.values[setting] = value;
        return run;
    }

    public Recipe Recipe { get; }
    public string Task => Recipe.Task;
    public string Model => Recipe.Model;
    public ulong Seed => Get(Settings.Seed);
    public long Sequences => Get(Settings.Sequences);
    public int Batch => Get(Settings.Batch);
    public double LearningRate => Get(Settings.LearningRate);
    public long LogEvery => Get(Settings.LogEvery);

    /// <summary>Updates from the first to the last.</summary>
    public long Updates => (Sequences + Batch - 1) / Batch;

    /// <summary>The value of a setting that the recipe has.</summary>
    public T Get<T>(Setting<T> setting) where T : notnull => (T)values[setting];

    /// <summary>Whether a setting has a value: one that is off has none.</summary>
    public bool Has(Setting setting) => values.ContainsKey(setting);

    /// <summary>The same but for one value.</summary>
    public RunConfiguration With(Setting setting, object value)
    {
        RunConfiguration changed = new(Recipe);
        foreach ((Setting key, object old) in values) changed.values[key] = old;
        changed.values[setting] = value;
        return changed;
    }

    /// <summary>Changed by what the command line gave.</summary>
    /// <exception cref="UsageException">An option is another recipe's, or a value does not go with the others.</exception>
    public RunConfiguration Changed(ParseResult parsed)
    {
        RunConfiguration changed = this;
        foreach (Setting setting in Recipe.AllSettings)
        {
            if (setting.Given(parsed) is not { } given) continue;
            if (!Recipe.Defaults.Any(s => s.Item1 == setting)) throw new UsageException($"--{setting.Name} is no option of the model {Model} on the task {Task}.");
            changed = changed.With(setting, given);
        }
        changed.Recipe.Check(changed);
        return changed;
    }

    /// <summary>Whether two runs compute the same, however long each of them trains.</summary>
    public bool SameButForLength(RunConfiguration other) => With(Settings.Sequences, other.Sequences).ToJson() == other.ToJson();

    public string ToJson()
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteString("task", Task);
            json.WriteString("model", Model);
            foreach ((Setting setting, _) in Recipe.Defaults)
            {
                if (!values.TryGetValue(setting, out object? value)) continue;
                json.WritePropertyName(setting.Key);
                Setting.Write(json, value);
            }
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }

    /// <summary>The configuration that a checkpoint was written with.</summary>
    /// <exception cref="CheckpointException">It is another program's, or a value is out of its range.</exception>
    public static RunConfiguration Read(Checkpoint checkpoint)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(checkpoint.Configuration);
            JsonElement json = document.RootElement;
            RunConfiguration run = new(Recipe.Of(Text(json, "task"), Text(json, "model")));
            foreach (JsonProperty property in json.EnumerateObject())
            {
                if (property.Name is "task" or "model") continue;
                (Setting setting, _) = run.Recipe.Defaults.FirstOrDefault(s => s.Item1.Key == property.Name);
                if (setting is null) throw new UsageException($"\"{property.Name}\" is no setting of {run.Model} on {run.Task}.");
                run.values[setting] = setting.Read(property.Value);
            }
            foreach ((Setting setting, object? value) in run.Recipe.Defaults)
                if (value is not null && !run.Has(setting)) throw new UsageException($"\"{setting.Key}\" is missing.");
            run.Recipe.Check(run);
            return run;
        }
        catch (UsageException e)
        {
            throw new CheckpointException($"{checkpoint.Path}: metadata \"configuration\": {e.Message}", e);
        }
    }

    static string Text(JsonElement json, string key) => json.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()!
        : throw new UsageException($"\"{key}\" is missing.");

    /// <summary>How the trainer is to be set up.</summary>
    public TrainerOptions TrainerOptions(string folder) => Recipe.Complete(this, new()
    {
        Batch = Batch,
        Sequences = Sequences,
        Seed = Seed,
        LogInterval = LogEvery,
        EarlyStopping = Has(Settings.EarlyStopping) ? new(Get(Settings.EarlyStopping)) : null,
        Folder = folder,
        Configuration = ToJson(),
    });
}
