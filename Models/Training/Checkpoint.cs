using NeuralMemory.Checkpoints;
using NeuralMemory.Optimizers;

namespace NeuralMemory.Training;

/// <summary>
/// A run at one moment, in one safetensors file: <c>model.NAME</c> for every parameter, <c>optimizer.NAME</c> for every tensor of the optimiser's state, and
/// everything else as text under <c>__metadata__</c>.
/// </summary>
/// <example><code>
/// Checkpoint checkpoint = Checkpoint.Read("run/checkpoint.safetensors");
/// MyModel model = MyModel.From(checkpoint.Configuration);
/// checkpoint.Restore(model);
/// </code></example>
public sealed class Checkpoint
{
    internal const string Format = "neuralmemory.checkpoint", ModelPrefix = "model.", OptimizerPrefix = "optimizer.";
    const string Version = "1", GeneratorPrefix = "generator.";

    readonly SafetensorsFile file;
    readonly double learningRate;
    readonly long optimizerSteps;

    Checkpoint(SafetensorsFile file)
    {
        this.file = file;
        CheckpointMetadata metadata = new(file);
        if (!IsCheckpoint(file)) throw new CheckpointException($"{file.Source}: not a checkpoint of a run: metadata \"format\" is not \"{Format}\".");
        if (metadata.Text("format_version") != Version) throw metadata.Error("format_version", $"\"{Version}\", the version that this program reads,");
        State = TrainingState.Read(metadata);
        Optimizer = metadata.Text("optimizer");
        optimizerSteps = metadata.Count("optimizer_steps");
        learningRate = metadata.Number("learning_rate");
        if (learningRate < 0) throw metadata.Error("learning_rate", "a number not below 0");
        Configuration = metadata.Text("configuration");
        if (RunFolder.WrongConfiguration(Configuration) is { } wrong) throw new CheckpointException($"{file.Source}: metadata \"configuration\" {wrong}");
    }

    /// <summary>The file's path.</summary>
    public string Path => file.Source;

    /// <summary>The tensors and texts as they are in the file.</summary>
    public SafetensorsFile File => file;

    /// <summary>How far the run had come.</summary>
    public TrainingState State { get; }

    /// <summary>What it takes to make the model again, a JSON object: <see cref="TrainerOptions.Configuration"/>.</summary>
    public string Configuration { get; }

    /// <summary>The optimiser's class.</summary>
    public string Optimizer { get; }

    internal static bool IsCheckpoint(SafetensorsFile file) => file.Metadata.TryGetValue("format", out string? format) && format == Format;

    /// <summary>Reads a checkpoint and checks all of it that can be checked without the model.</summary>
    /// <exception cref="CheckpointException">The file is missing, malformed or no checkpoint; the message says where and how.</exception>
    public static Checkpoint Read(string path) => new(SafetensorsFile.Read(path));

    /// <summary>Reads the model's parameters, all or none.</summary>
    /// <exception cref="CheckpointException">A tensor is missing, superfluous, of another type or shape, or not finite. The model is as it was.</exception>
    public void Restore(Module model) => TensorFile.Load(MatchModel(model));

    /// <summary>Reads parameters, optimiser and generators, all or nothing.</summary>
    /// <param name="model">A model like the one that was saved.</param>
    /// <param name="optimizer">An optimiser of its parameters, of the class that was saved.</param>
    /// <param name="generators">The generators that were saved: see <see cref="TrainerOptions.Generators"/>.</param>
    /// <exception cref="CheckpointException">Something is missing, superfluous, of another type or shape, or not finite. Nothing has changed.</exception>
    public void Restore(Module model, Optimizer optimizer, params IReadOnlyList<(string Name, Philox Random)> generators)
    {
        List<(SafetensorsEntry, Tensor)> pairs = MatchModel(model);
        if (optimizer.GetType().Name != Optimizer) throw new CheckpointMetadata(file).Error("optimizer", $"\"{optimizer.GetType().Name}\"");
        pairs.AddRange(TensorFile.Match(file, optimizer.NamedState().Select(s => (OptimizerPrefix + s.Name, s.Tensor)), "optimiser",
            name => name.StartsWith(ModelPrefix, StringComparison.Ordinal)));
        ulong[] positions = [.. generators.Select(g => Position(g.Name, g.Random))];

        TensorFile.Load(pairs);
        (optimizer.StepCount, optimizer.LearningRate) = (optimizerSteps, learningRate);
        for (int i = 0; i < positions.Length; i++) generators[i].Random.Position = positions[i];
        RestoreGradients(optimizer);
    }

    /// <summary>The sums of a log interval that has begun.</summary>
    /// <exception cref="CheckpointException">One is missing: the run was one for another objective.</exception>
    internal double[] WindowSums(IReadOnlyList<string> metrics) => TrainingState.ReadSums(new(file), metrics);

    List<(SafetensorsEntry, Tensor)> MatchModel(Module model) => TensorFile.Match(
        file, model.NamedParameters().Select(p => (ModelPrefix + p.Name, p.Tensor)), "model", name => name.StartsWith(OptimizerPrefix, StringComparison.Ordinal));

    /// <summary>
    /// A parameter that has once had a gradient has one ever after, of zeros where a step does not reach it, and momentum goes on moving it. One that never had
    /// any is left alone. So those that have been updated get theirs back.
    /// </summary>
    static void RestoreGradients(Optimizer optimizer)
    {
        int[] updates = optimizer.NamedState().First(s => s.Name == "updates").Tensor.ToArray<int>();
        using Tape.Scope scope = Tape.OutsideStep();
        for (int i = 0; i < updates.Length; i++)
        {
            Tensor parameter = optimizer.Parameters[i];
            if (updates[i] > 0 && parameter.RequiresGradient && !parameter.HasGradient) parameter.Backward(Tensor.Zeros(parameter.Shape, parameter.DType));
        }
    }

    ulong Position(string name, Philox random)
    {
        CheckpointMetadata metadata = new(file);
        string key = GeneratorPrefix + name;
        if (metadata.Unsigned(key + ".seed") != random.Seed) throw metadata.Error(key + ".seed", $"{random.Seed}");
        if (metadata.Unsigned(key + ".stream") != random.Stream) throw metadata.Error(key + ".stream", $"{random.Stream}");
        return metadata.Unsigned(key + ".position");
    }

    /// <summary>Writes a checkpoint, replacing one that exists as a whole or not at all.</summary>
    /// <exception cref="CheckpointException">It cannot be written. What was there before is there still.</exception>
    /// <exception cref="NonFiniteException">A parameter or the optimiser's state is NaN or infinite. What was there before is there still.</exception>
    internal static void Write(
        string path, Objective objective, Optimizer optimizer, TrainingState state, string configuration, IReadOnlyList<(string Name, Philox Random)> generators)
    {
        SafetensorsWriter writer = new();
        writer.SetMetadata("format", Format);
        writer.SetMetadata("format_version", Version);
        writer.SetMetadata("configuration", configuration);
        writer.SetMetadata("optimizer", optimizer.GetType().Name);
        writer.SetMetadata("optimizer_steps", FormattableString.Invariant($"{optimizer.StepCount}"));
        writer.SetMetadata("learning_rate", FormattableString.Invariant($"{optimizer.LearningRate}"));
        state.Write(writer, objective.Metrics);
        foreach ((string name, Philox random) in generators)
        {
            writer.SetMetadata($"{GeneratorPrefix}{name}.seed", FormattableString.Invariant($"{random.Seed}"));
            writer.SetMetadata($"{GeneratorPrefix}{name}.stream", FormattableString.Invariant($"{random.Stream}"));
            writer.SetMetadata($"{GeneratorPrefix}{name}.position", FormattableString.Invariant($"{random.Position}"));
        }
        foreach ((string name, Tensor tensor) in objective.Model.NamedParameters()) TensorFile.Add(writer, ModelPrefix + name, tensor);
        foreach ((string name, Tensor tensor) in optimizer.NamedState()) TensorFile.Add(writer, OptimizerPrefix + name, tensor);
        writer.Write(path);
    }
}
