namespace NeuralMemory;

/// <summary>Gives a parameter its first values.</summary>
/// <param name="values">To be filled, the last dimension fastest.</param>
/// <param name="shape">The parameter's shape; a weight is [outputs, inputs, ...].</param>
/// <param name="random">Where to draw from.</param>
public delegate void Initializer(Span<float> values, Shape shape, Philox random);

/// <summary>The usual initialisers, by name.</summary>
public static class Initializers
{
    /// <summary>Every element 0.</summary>
    public static Initializer Zeros => Constant(0);

    /// <summary>Every element 1.</summary>
    public static Initializer Ones => Constant(1);

    /// <summary>Every element <paramref name="value"/>.</summary>
    public static Initializer Constant(double value) => (values, _, _) => values.Fill((float)value);

    /// <summary>Uniform in [-<paramref name="bound"/>, <paramref name="bound"/>).</summary>
    public static Initializer Uniform(double bound) => (values, _, random) =>
    {
        foreach (ref float value in values) value = (float)((2 * random.NextDouble() - 1) * bound);
    };

    /// <summary>Normal with mean 0 and the given standard deviation.</summary>
    public static Initializer Normal(double deviation) => (values, _, random) =>
    {
        foreach (ref float value in values) value = (float)(random.NextNormal() * deviation);
    };

    /// <summary>Glorot and Bengio 2010: uniform with bound gain * sqrt(6 / (inputs + outputs)).</summary>
    public static Initializer XavierUniform(double gain = 1) => (values, shape, random) =>
        Uniform(gain * Math.Sqrt(6.0 / (FanIn(shape) + FanOut(shape))))(values, shape, random);

    /// <summary>Uniform with bound 1 / sqrt(inputs): the default of linear layers.</summary>
    public static Initializer FanInUniform => (values, shape, random) => Uniform(1 / Math.Sqrt(FanIn(shape)))(values, shape, random);

    static int FanIn(Shape shape) => shape.Rank < 2 ? shape.Count : shape.Count / Math.Max(1, shape[0]);
    static int FanOut(Shape shape) => shape.Rank < 2 ? shape.Count : shape.Count / Math.Max(1, shape[1]);
}
