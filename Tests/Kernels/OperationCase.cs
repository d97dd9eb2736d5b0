namespace NeuralMemory.Tests.Kernels;

/// <summary>One operation at one choice of shapes and layouts, to be put through every check in <see cref="OperationTests"/>.</summary>
/// <param name="Name">What the test is called.</param>
/// <param name="Function">Calls the operation; may make views of its inputs first.</param>
/// <param name="Inputs">Float32 and Int32 tensors, drawn from the generator.</param>
public sealed record OperationCase(string Name, Func<Tensor[], Tensor> Function, Func<Philox, Tensor[]> Inputs)
{
    /// <summary>How far float32 may be from float64: |difference| &lt;= Tolerance * (1 + |value|).</summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>Likewise for gradients.</summary>
    public double GradientTolerance { get; init; } = 1e-4;

    public override string ToString() => Name;
}

/// <summary>Cases of related operations. Every class that implements it is found by reflection.</summary>
public interface ICaseSource
{
    IEnumerable<OperationCase> Cases { get; }
}

static class Draw
{
    /// <summary>Uniform in [low, high).</summary>
    public static Tensor Uniform(this Philox random, Shape shape, double low = -2, double high = 2)
    {
        float[] values = new float[shape.Count];
        foreach (ref float value in values.AsSpan()) value = (float)(low + (high - low) * random.NextDouble());
        return Tensor.From(values, shape);
    }

    /// <summary>Indices from 0 to <paramref name="end"/> - 1.</summary>
    public static Tensor Indices(this Philox random, Shape shape, int end)
    {
        int[] values = new int[shape.Count];
        foreach (ref int value in values.AsSpan()) value = random.Next(0, end);
        return Tensor.From(values, shape);
    }
}
