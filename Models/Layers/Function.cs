namespace NeuralMemory.Layers;

/// <summary>A layer without parameters, such as <c>new Function(x => x.Relu())</c>.</summary>
/// <param name="function">What it computes.</param>
public sealed class Function(Func<Tensor, Tensor> function) : Layer
{
    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => function(x);
}
