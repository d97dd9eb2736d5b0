using NUnit.Framework;

namespace NeuralMemory.Tests.Checkpoints;

/// <summary>A folder of a test's own, deleted with everything in it.</summary>
sealed class Scratch : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("neuralmemory").FullName;

    public string this[string name] => Path.Combine(Folder, name);

    public string[] Names =>
        [.. new DirectoryInfo(Folder).EnumerateFileSystemInfos().Select(entry => entry.Name).Order(StringComparer.Ordinal)];

    public static string Golden(string name) =>
        Path.Combine(TestContext.CurrentContext.TestDirectory, "Golden", name + ".safetensors");

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
