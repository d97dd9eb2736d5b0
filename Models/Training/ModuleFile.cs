using NeuralMemory.Checkpoints;

namespace NeuralMemory.Training;

/// <summary>Adds saving and loading to <see cref="Module"/>.</summary>
/// <example><code>
/// model.Save("ntm.safetensors");
/// model.Load("ntm.safetensors");
/// </code></example>
public static class ModuleFile
{
    extension(Module module)
    {
        /// <summary>Writes all parameters, by the names of <see cref="Module.NamedParameters"/>, to a safetensors file, replacing one that exists as a whole or not at all.</summary>
        /// <exception cref="CheckpointException">It cannot be written. What was there before is there still.</exception>
        /// <exception cref="NonFiniteException">A parameter is NaN or infinite. What was there before is there still.</exception>
        public void Save(string path)
        {
            SafetensorsWriter writer = new();
            foreach ((string name, Tensor tensor) in module.NamedParameters()) TensorFile.Add(writer, name, tensor);
            writer.Write(path);
        }

        /// <summary>Reads all parameters from a file that <c>Save</c> wrote, or from the <see cref="Checkpoint"/> of a run.</summary>
        /// <exception cref="CheckpointException">
        /// The file is missing or malformed, or a tensor is missing, superfluous, of another type or shape, or not finite. The module is as it was.
        /// </exception>
        public void Load(string path)
        {
            SafetensorsFile file = SafetensorsFile.Read(path);
            bool run = Checkpoint.IsCheckpoint(file);
            TensorFile.Load(TensorFile.Match(file, module.NamedParameters().Select(p => ((run ? Checkpoint.ModelPrefix : "") + p.Name, p.Tensor)), "module",
                name => run && name.StartsWith(Checkpoint.OptimizerPrefix, StringComparison.Ordinal)));
        }
    }
}
