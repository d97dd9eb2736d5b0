namespace NeuralMemory.Training;

/// <summary>
/// The independent streams of one seed (<see cref="Philox.Stream"/>): episodes for training, for validation and for testing come from numbers of their own. Stories that the program makes
/// (<see cref="Tasks.BabiTask.Generate"/>) come from the streams 0 and 1, which their model's first parameters and the choice of its batches are drawn from as well.
/// </summary>
public static class RandomStreams
{
    /// <summary>For a model's first parameters.</summary>
    public const ulong Initialization = 0;

    /// <summary>For the episodes that a model is trained on.</summary>
    public const ulong Training = 1;

    /// <summary>For the episodes of <see cref="Evaluation"/>.</summary>
    public const ulong Evaluation = 2;

    /// <summary>For the episodes of <see cref="Validation"/>, the same ones each time.</summary>
    public const ulong Validation = 3;

    /// <summary>For what a model draws while it is trained.</summary>
    public const ulong Noise = 4;
}
