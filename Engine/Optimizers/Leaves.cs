namespace NeuralMemory.Optimizers;

/// <summary>What can be optimised or averaged: tensors that own their elements and outlive every step.</summary>
static class Leaves
{
    public static Tensor[] Check(IReadOnlyList<Tensor> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (parameters.Count == 0) throw new ArgumentException("There are no parameters.", nameof(parameters));
        Tensor[] leaves = [.. parameters];
        HashSet<TensorBody> seen = [];
        for (int i = 0; i < leaves.Length; i++)
        {
            TensorBody body = leaves[i].Body;
            string? wrong =
                !body.DType.IsFloat() ? $"holds {body.DType}" :
                body.Producer is not null ? $"was computed by {body.Producer.Name}" :
                body.Arena is not null ? "was made in a step and ends with it" :
                leaves[i].Root != body ? "is a view of another tensor" :
                !seen.Add(body) ? "is there twice" : null;
            if (wrong is not null) throw new ArgumentException($"Parameter {i}, {body.Shape}, {wrong}.", nameof(parameters));
        }
        return leaves;
    }
}
