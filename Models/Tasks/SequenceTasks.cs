namespace NeuralMemory.Tasks;

/// <summary>The tasks by name.</summary>
public static class SequenceTasks
{
    static readonly (string Name, Func<SequenceTask> Create)[] all =
    [
        ("copy", () => new CopyTask()),
        ("repeat-copy", () => new RepeatCopyTask()),
        ("recall", () => new AssociativeRecallTask()),
        ("ngrams", () => new DynamicNGramsTask()),
        ("priority-sort", () => new PrioritySortTask()),
    ];

    /// <summary>The names of all tasks, in the paper's order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. all.Select(task => task.Name)];

    /// <summary>The task of that name, with the paper's sizes.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists those there are.</exception>
    public static SequenceTask Create(string name)
    {
        foreach ((string known, Func<SequenceTask> create) in all)
            if (known == name) return create();
        throw new ArgumentException($"No task is called '{name}'. The tasks are {string.Join(", ", Names)}.", nameof(name));
    }
}
