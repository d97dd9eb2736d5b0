using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace NeuralMemory.Tests.Engine.Optimizers;

/// <summary>A golden file: what PyTorch computed, and from which arguments.</summary>
sealed class Golden
{
    readonly Dictionary<string, float[]> tensors = [];

    public Golden(string name)
    {
        byte[] file = File.ReadAllBytes(Path.Combine(Folder(), name + ".safetensors"));
        int headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        JsonElement header = JsonDocument.Parse(file.AsMemory(8, headerLength)).RootElement;
        foreach (JsonProperty entry in header.EnumerateObject())
        {
            if (entry.Name == "__metadata__")
            {
                Arguments = JsonDocument.Parse(entry.Value.GetProperty("args").GetString()!).RootElement;
                continue;
            }
            JsonElement offsets = entry.Value.GetProperty("data_offsets");
            Range bytes = (8 + headerLength + offsets[0].GetInt32())..(8 + headerLength + offsets[1].GetInt32());
            tensors.Add(entry.Name, MemoryMarshal.Cast<byte, float>(file.AsSpan(bytes)).ToArray());
        }
    }

    public JsonElement Arguments { get; }

    public float[] this[string name] => tensors[name];

    public bool Has(string name) => tensors.ContainsKey(name);

    public double Number(string name, double otherwise) => Arguments.TryGetProperty(name, out JsonElement value) ? value.GetDouble() : otherwise;

    public double Number(string name, int index, double otherwise) => Arguments.TryGetProperty(name, out JsonElement value) ? value[index].GetDouble() : otherwise;

    public bool Flag(string name) => Arguments.TryGetProperty(name, out JsonElement value) && value.GetBoolean();

    static string Folder([CallerFilePath] string thisFile = "") => Path.Combine(Path.GetDirectoryName(thisFile)!, "../../Golden");
}
