using System.Text.Json;
using NeuralMemory.Checkpoints;

namespace NeuralMemory.Tests;

/// <summary>What PyTorch computed, and from what: a file with the tensors of one case, its name and its arguments.</summary>
/// <param name="path">A safetensors file whose metadata holds "case", and "args" as JSON.</param>
public sealed class GoldenCase(string path)
{
    readonly SafetensorsFile file = SafetensorsFile.Read(path);
    readonly Dictionary<string, Tensor> leaves = [];

    /// <summary>The name under which <see cref="GoldenFunctions"/> knows it.</summary>
    public string Name => file.Metadata["case"];

    JsonElement Arguments => JsonDocument.Parse(file.Metadata["args"]).RootElement;

    /// <summary>The inputs and parameters that were asked for, by the names they have in the file.</summary>
    public IReadOnlyDictionary<string, Tensor> Leaves => leaves;

    /// <summary>The i-th input: a leaf that requires a gradient, or Int32 where the file holds integers.</summary>
    public Tensor Input(int i) => Leaf($"input.{i}");

    /// <summary>The parameter that PyTorch calls <paramref name="name"/>, a leaf that requires a gradient.</summary>
    public Tensor Parameter(string name) => Leaf($"param.{name}");

    /// <summary>Gives a module's parameters the values in the file and compares their gradients afterwards.</summary>
    /// <param name="module">Has all parameters of the file, and no others.</param>
    /// <param name="pyTorchName">PyTorch's name for a parameter of the module; the same name unless given.</param>
    public M Load<M>(M module, Func<string, string>? pyTorchName = null) where M : Module
    {
        foreach ((string name, Tensor parameter) in module.NamedParameters())
        {
            string key = $"param.{pyTorchName?.Invoke(name) ?? name}";
            parameter.CopyFrom(Read(key));
            leaves[key] = parameter;
        }
        string[] unused = [.. Keys("param.").Where(key => !leaves.ContainsKey(key))];
        Assert.That(unused, Is.Empty, $"{Name}: parameters in the file that {typeof(M).Name} does not have");
        return module;
    }

    /// <summary>The last dimension of the first input.</summary>
    public int Width => Read("input.0").Shape[^1];

    /// <summary>A dimension of the parameter that PyTorch calls <paramref name="name"/>.</summary>
    public int Size(string name, int dimension) => Read($"param.{name}").Shape[dimension];

    /// <summary>A number among the arguments.</summary>
    public double Number(string name, double otherwise) => Has(name) ? Arguments.GetProperty(name).GetDouble() : otherwise;

    /// <summary>A number of an array among the arguments.</summary>
    public double Number(string name, int index, double otherwise) => Has(name) ? Arguments.GetProperty(name)[index].GetDouble() : otherwise;

    /// <summary>A whole number among the arguments, which must be there.</summary>
    public int Integer(string name) => Arguments.GetProperty(name).GetInt32();

    /// <summary>A truth value among the arguments; false where it is not there.</summary>
    public bool Flag(string name) => Has(name) && Arguments.GetProperty(name).GetBoolean();

    /// <summary>A text among the arguments, which must be there.</summary>
    public string Text(string name) => Arguments.GetProperty(name).GetString()!;

    /// <summary>Any argument, as JSON.</summary>
    public JsonElement Argument(string name) => Arguments.GetProperty(name);

    bool Has(string argument) => Arguments.TryGetProperty(argument, out _);

    /// <summary>Whether the file holds this tensor.</summary>
    public bool Contains(string key) => file.TryGet(key, out _);

    /// <summary>The names of the file's tensors that begin with <paramref name="prefix"/>.</summary>
    public IEnumerable<string> Keys(string prefix) => file.Entries.Select(entry => entry.Name).Where(name => name.StartsWith(prefix));

    /// <summary>A tensor as it is in the file: Float32, or Int32 where it holds integers. It outlives any step.</summary>
    public Tensor Read(string key)
    {
        SafetensorsEntry entry = file[key];
        bool integers = entry.Type == SafetensorsType.I64;
        Tensor tensor = Tensor.Persistent(new([.. entry.Shape.Select(size => (int)size)]), integers ? DType.Int32 : DType.Float32);
        if (integers)
        {
            int[] values = new int[entry.Count];
            entry.CopyTo(values);
            tensor.CopyFrom<int>(values);
        }
        else
        {
            float[] values = new float[entry.Count];
            entry.CopyTo(values);
            tensor.CopyFrom<float>(values);
        }
        return tensor;
    }

    Tensor Leaf(string key)
    {
        if (leaves.TryGetValue(key, out Tensor known)) return known;
        Tensor leaf = Read(key);
        return leaves[key] = leaf.DType.IsFloat() ? leaf.RequireGradient() : leaf;
    }
}
