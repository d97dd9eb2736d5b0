using NeuralMemory.Models;
using NeuralMemory.Optimizers;

namespace NeuralMemory.Cli;

/// <summary>How each task is trained where nothing else is asked for, and what it is tested on. Memory and controller have the copy task's sizes throughout.</summary>
/// <param name="Task">The task.</param>
/// <param name="Sequences">Sequences to train on.</param>
/// <param name="Batch">Sequences of an update.</param>
/// <param name="NtmRate">The Neural Turing Machine's learning rate.</param>
/// <param name="Controller">What steers its heads.</param>
/// <param name="Heads">Its heads that read, and as many that write.</param>
/// <param name="LstmHidden">Units of a layer of the LSTM.</param>
/// <param name="LstmRate">The LSTM's learning rate.</param>
/// <param name="ValidationLength">The length of the sequences that choose which parameters are kept: longer than those trained on, so that they are judged by how they generalise.</param>
/// <param name="Lengths">The lengths that the model is tested on, in the task's unit; the first of them are trained on.</param>
sealed record Recipe(string Task, long Sequences, int Batch, double NtmRate, string Controller, int Heads, int LstmHidden, double LstmRate, int ValidationLength, int[] Lengths)
{
    // RMSprop with the momentum and the clipping of section 4.6; alpha and epsilon are ours.
    const double Alpha = 0.95, Momentum = 0.9, Epsilon = 1e-6;
    public const double ClipValue = 10;
    const int LstmLayers = 3;

    static readonly Recipe[] all =
    [
        //                 sequences batch ntm rate controller     heads  lstm  rate  valid. lengths
        new("copy",          20_000,   1,   1e-4,  "lstm",           1,   256,  3e-5,  120,  [10, 20, 40, 80, 120]),
        new("repeat-copy",   20_000,   1,   1e-4,  "lstm",           1,   512,  3e-5,   20,  [5, 10, 15, 20]),       // vectors
        new("recall",        60_000,   1,   1e-4,  "feed-forward",   4,   256,  1e-4,   10,  [2, 6, 10, 15, 20]),    // items
        new("ngrams",        20_000,   1,   3e-5,  "lstm",           1,   128,  1e-4,  200,  [100, 200, 400]),       // bits
        new("priority-sort", 20_000,   1,   3e-5,  "lstm",           5,   128,  3e-5,   20,  [10, 20, 30]),          // vectors shown
    ];

    /// <summary>The recipe of a task that there is.</summary>
    public static Recipe Of(string task) => all.First(recipe => recipe.Task == task);

    public static Optimizer CreateOptimizer(SequenceModel model, double learningRate) =>
        new RmsProp(model.Parameters, learningRate, Alpha, Epsilon, momentum: Momentum);

    /// <summary>Constant for the first half, then falling to 0.</summary>
    public static LearningRateSchedule Schedule(double learningRate, long updates) => new LinearDecaySchedule(learningRate, updates / 2, updates);

    /// <summary>The task's run as it is without any option.</summary>
    public RunConfiguration Configuration(string model) => new()
    {
        Task = Task,
        Model = model,
        Seed = 1,
        Sequences = Sequences,
        Batch = Batch,
        LearningRate = model == RunConfiguration.Lstm ? LstmRate : NtmRate,
        LogEvery = 250,
        ValidationLength = ValidationLength,
        Hidden = model == RunConfiguration.Lstm ? LstmHidden : Ntm.PaperSizes.Hidden,
        Layers = model == RunConfiguration.Lstm ? LstmLayers : null,
        Slots = model == RunConfiguration.Ntm ? Ntm.PaperSizes.Slots : null,
        Width = model == RunConfiguration.Ntm ? Ntm.PaperSizes.Width : null,
        ReadHeads = model == RunConfiguration.Ntm ? Heads : null,
        WriteHeads = model == RunConfiguration.Ntm ? Heads : null,
        Shifts = model == RunConfiguration.Ntm ? Ntm.PaperSizes.Shifts : null,
        Controller = model == RunConfiguration.Ntm ? Controller : null,
        MemoryStart = model == RunConfiguration.Ntm ? "learned" : null,
    };
}
