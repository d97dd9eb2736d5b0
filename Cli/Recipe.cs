using NeuralMemory.Optimizers;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>How a model is trained on a task where nothing else is asked for, and what it is tested on. A pair of task and model that the program knows is a recipe in <see cref="All"/>.</summary>
abstract class Recipe(string task, string model)
{
    /// <summary>Every task, and its models, the first of them the default.</summary>
    public static IReadOnlyList<Recipe> All { get; } =
        [.. SequenceRecipe.All, .. ReverseRecipe.All, .. LanguageRecipe.All, .. BabiRecipe.All, .. OneShotRecipe.All, .. GraphRecipe.All];

    /// <summary>The tasks' names.</summary>
    public static IReadOnlyList<string> Tasks { get; } = [.. All.Select(recipe => recipe.Task).Distinct()];

    /// <summary>The models' names.</summary>
    public static IReadOnlyList<string> Models { get; } = [.. All.Select(recipe => recipe.Model).Distinct()];

    /// <summary>The settings of all recipes together.</summary>
    public static IReadOnlyList<Setting> AllSettings { get; } = [.. All.SelectMany(recipe => recipe.Defaults).Select(s => s.Setting).Distinct()];

    /// <summary>The recipe of a task and a model; the task's first where <paramref name="model"/> is null.</summary>
    /// <exception cref="UsageException">There is none; the message lists those there are.</exception>
    public static Recipe Of(string task, string? model)
    {
        Recipe[] there = [.. All.Where(recipe => recipe.Task == task)];
        if (there.Length == 0) throw new UsageException($"No task is called '{task}'. The tasks are {string.Join(", ", Tasks)}.");
        return model is null ? there[0] : there.FirstOrDefault(recipe => recipe.Model == model)
            ?? throw new UsageException($"--model: '{model}' is not one of {string.Join(", ", there.Select(recipe => recipe.Model))}, the models for {task}.");
    }

    public string Task { get; } = task;
    public string Model { get; } = model;

    /// <summary>What can be asked for, in the order of <c>config.json</c>, and what it is where nothing is; null for a setting that is off. <see cref="Common"/> ones are among them.</summary>
    public abstract IReadOnlyList<(Setting Setting, object? Default)> Defaults { get; }

    /// <summary>The settings that every recipe must have.</summary>
    protected static IEnumerable<(Setting, object?)> Common(long sequences, int batch, double learningRate, long logEvery) =>
    [
        Settings.Seed.Is(1), Settings.Sequences.Is(sequences), Settings.Batch.Is(batch), Settings.LearningRate.Is(learningRate), Settings.LogEvery.Is(logEvery),
    ];

    /// <exception cref="UsageException">Values that are in their ranges do not go with each other; the message names them as the command line does.</exception>
    public virtual void Check(RunConfiguration run) { }

    /// <summary>A new run's configuration with what follows from the data: a vocabulary.</summary>
    public virtual RunConfiguration Prepare(RunConfiguration run) => run;

    /// <summary>The model, with random weights, and what it is trained for.</summary>
    public abstract Objective Create(RunConfiguration run);

    public abstract Optimizer CreateOptimizer(RunConfiguration run, Module model);

    /// <summary>Adds clipping, schedule and validation.</summary>
    public abstract TrainerOptions Complete(RunConfiguration run, TrainerOptions options);

    /// <summary>The model and its sizes, for people.</summary>
    public abstract string Describe(RunConfiguration run);

    /// <summary>What the live view draws the curve of, and calls the cost.</summary>
    public virtual double Cost(TrainingMetrics metrics) => metrics.Loss;

    /// <summary>What <see cref="Cost"/> counts.</summary>
    public virtual string CostUnit => "nats";

    /// <summary>A log interval in a few words.</summary>
    public virtual string Describe(TrainingMetrics metrics) =>
        string.Join(", ", [$"loss {metrics.Loss:0.000} nats", .. metrics.Values.Select(metric => $"{metric.Name.Replace('_', ' ')} {metric.Value:0.000}")]);

    /// <summary>Tests the best parameters of a run that has ended, and says how it did.</summary>
    public abstract Report Test(RunConfiguration run, Objective objective, CancellationToken cancelled);

    /// <summary>What to try next with a run's folder.</summary>
    public abstract string Hint(Objective objective, string folder);

    /// <summary>Tests a run as <c>eval</c> was asked to.</summary>
    /// <exception cref="UsageException">It was asked for something that the task does not have.</exception>
    public abstract Report Evaluate(RunConfiguration run, Objective objective, EvaluationOptions options, CancellationToken cancelled);

    /// <summary>More parameters than a tensor should have: 4 GB, and no size that a machine of today could train.</summary>
    public static void AtMost(double elements, string what)
    {
        const long most = 1L << 30;
        if (elements > most) throw new UsageException($"{what}: {elements:0} parameters are too many; at most {most} fit in a tensor.");
    }
}

/// <summary>What <c>eval</c> was asked for; null or none where it was not.</summary>
/// <param name="Lengths">The sequences' lengths.</param>
/// <param name="Sequences">How many.</param>
/// <param name="Data">A file or folder of data, instead of that trained on.</param>
sealed record EvaluationOptions(IReadOnlyList<int> Lengths, int? Sequences, string? Data);
