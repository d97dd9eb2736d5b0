namespace NeuralMemory.Layers;

/// <summary>Layers one after the other. Their parameters are named by their place: <c>0.weight</c>.</summary>
/// <example><c>new Sequential(new Linear(8, 32, random), new Function(x => x.Relu()), new Linear(32, 2, random))</c></example>
public sealed class Sequential : Layer
{
    readonly Layer[] layers;

    /// <summary>Each layer takes what the one before it gives.</summary>
    public Sequential(params ReadOnlySpan<Layer> layers)
    {
        this.layers = layers.ToArray();
        for (int i = 0; i < layers.Length; i++) Child($"{i}", layers[i]);
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x)
    {
        foreach (Layer layer in layers) x = layer.Forward(x);
        return x;
    }
}
