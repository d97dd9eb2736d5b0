namespace NeuralMemory.Layers;

/// <summary>A module that makes one tensor of another.</summary>
public abstract class Layer : Module
{
    /// <summary>What the layer makes of <paramref name="x"/>.</summary>
    /// <exception cref="ShapeException">The layer cannot take its shape.</exception>
    public abstract Tensor Forward(Tensor x);
}
