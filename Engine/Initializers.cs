namespace NeuralMemory;

/// <summary>Gives a parameter its first values.</summary>
/// <param name="values">To be filled, the last dimension fastest.</param>
/// <param name="shape">The parameter's shape; a weight is [outputs, inputs, ...].</param>
/// <param name="random">Where to draw from.</param>
public delegate void Initializer(Span<float> values, Shape shape, Philox random);

/// <summary>Which of a weight's sides <see cref="Initializers.KaimingUniform"/> and <see cref="Initializers.KaimingNormal"/> count.</summary>
public enum FanMode
{
    /// <summary>The inputs: activations keep their variance on the way forward.</summary>
    FanIn,

    /// <summary>The outputs: gradients keep theirs on the way back.</summary>
    FanOut,
}

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

    /// <summary>Glorot and Bengio 2010: normal with deviation gain * sqrt(2 / (inputs + outputs)).</summary>
    public static Initializer XavierNormal(double gain = 1) => (values, shape, random) =>
        Normal(gain * Math.Sqrt(2.0 / (FanIn(shape) + FanOut(shape))))(values, shape, random);

    /// <summary>He et al. 2015: uniform with bound gain * sqrt(3 / fan).</summary>
    /// <param name="gain">That of the non-linearity that follows, see <see cref="Gain"/>; without, that of a rectifier, sqrt(2).</param>
    /// <param name="mode">What the fan counts.</param>
    public static Initializer KaimingUniform(double? gain = null, FanMode mode = FanMode.FanIn) => (values, shape, random) =>
        Uniform(Math.Sqrt(3) * KaimingDeviation(shape, gain, mode))(values, shape, random);

    /// <summary>He et al. 2015: normal with deviation gain / sqrt(fan).</summary>
    /// <param name="gain">That of the non-linearity that follows, see <see cref="Gain"/>; without, that of a rectifier, sqrt(2).</param>
    /// <param name="mode">What the fan counts.</param>
    public static Initializer KaimingNormal(double? gain = null, FanMode mode = FanMode.FanIn) => (values, shape, random) =>
        Normal(KaimingDeviation(shape, gain, mode))(values, shape, random);

    static double KaimingDeviation(Shape shape, double? gain, FanMode mode) =>
        (gain ?? Math.Sqrt(2)) / Math.Sqrt(mode == FanMode.FanIn ? FanIn(shape) : FanOut(shape));

    /// <summary>Normal with mean 0 and the given standard deviation, drawn again wherever it is further from 0 than <paramref name="bound"/> deviations.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is not positive.</exception>
    public static Initializer TruncatedNormal(double deviation, double bound = 2)
    {
        if (!(bound > 0)) throw new ArgumentOutOfRangeException(nameof(bound), bound, "TruncatedNormal: a positive bound was expected.");
        return (values, _, random) =>
        {
            foreach (ref float value in values)
            {
                double x;
                do x = random.NextNormal(); while (Math.Abs(x) > bound);
                value = (float)(x * deviation);
            }
        };
    }

    /// <summary>
    /// Saxe et al. 2014: the weight as a matrix [outputs, the rest] is <paramref name="gain"/> times a random one with orthonormal rows, or columns where there are more
    /// rows than columns.
    /// </summary>
    /// <exception cref="ShapeException">The parameter has less than two dimensions.</exception>
    public static Initializer Orthogonal(double gain = 1) => (values, shape, random) =>
    {
        if (shape.Rank < 2) throw new ShapeException("Orthogonal", $"{shape}: at least two dimensions were expected.");
        int rows = shape[0], columns = rows == 0 ? 0 : values.Length / rows, vectors = Math.Min(rows, columns), length = Math.Max(rows, columns);
        double[][] basis = new double[vectors][];
        for (int i = 0; i < vectors; i++)
        {
            double[] v = basis[i] = new double[length];
            foreach (ref double x in v.AsSpan()) x = random.NextNormal();
            for (int pass = 0; pass < 2; pass++)                                // Gram and Schmidt; once more for what rounding left
                for (int j = 0; j < i; j++)
                {
                    double dot = 0;
                    for (int k = 0; k < length; k++) dot += v[k] * basis[j][k];
                    for (int k = 0; k < length; k++) v[k] -= dot * basis[j][k];
                }
            double norm = Math.Sqrt(v.Sum(x => x * x));
            for (int k = 0; k < length; k++) v[k] /= norm;
        }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) values[i * columns + j] = (float)(gain * (rows <= columns ? basis[i][j] : basis[j][i]));
    };

    /// <summary>The factor by which weights before a non-linearity are enlarged so that signals keep their variance.</summary>
    /// <param name="nonlinearity"><c>linear</c>, <c>sigmoid</c>, <c>tanh</c>, <c>relu</c>, <c>leaky_relu</c> or <c>selu</c>.</param>
    /// <param name="slope">Of a leaky rectifier, below zero.</param>
    /// <exception cref="ArgumentException">Another name.</exception>
    public static double Gain(string nonlinearity, double slope = 0.01) => nonlinearity switch
    {
        "linear" or "sigmoid" => 1,
        "tanh" => 5.0 / 3,
        "relu" => Math.Sqrt(2),
        "leaky_relu" => Math.Sqrt(2 / (1 + slope * slope)),
        "selu" => 0.75,
        _ => throw new ArgumentException($"Gain: '{nonlinearity}' is not known; linear, sigmoid, tanh, relu, leaky_relu and selu are.", nameof(nonlinearity)),
    };

    /// <summary>An initialiser by its name in configurations, such as <c>xavier_uniform</c>.</summary>
    /// <param name="name"><c>zeros</c>, <c>ones</c>, <c>normal</c>, <c>uniform</c>, <c>truncated_normal</c>, <c>xavier_uniform</c>, <c>xavier_normal</c>, <c>kaiming_uniform</c>,
    /// <c>kaiming_normal</c> or <c>orthogonal</c>.</param>
    /// <param name="gain">Its gain; of the normal ones the deviation, of the uniform one the bound.</param>
    /// <exception cref="ArgumentException">Another name.</exception>
    public static Initializer ByName(string name, double gain = 1) => name switch
    {
        "zeros" => Zeros,
        "ones" => Ones,
        "normal" => Normal(gain),
        "uniform" => Uniform(gain),
        "truncated_normal" => TruncatedNormal(gain),
        "xavier_uniform" => XavierUniform(gain),
        "xavier_normal" => XavierNormal(gain),
        "kaiming_uniform" => KaimingUniform(gain),
        "kaiming_normal" => KaimingNormal(gain),
        "orthogonal" => Orthogonal(gain),
        _ => throw new ArgumentException($"Initializers: '{name}' is not known; zeros, ones, normal, uniform, truncated_normal, xavier_uniform, xavier_normal, " +
            "kaiming_uniform, kaiming_normal and orthogonal are.", nameof(name)),
    };

    static int FanIn(Shape shape) => shape.Rank < 2 ? shape.Count : shape.Count / Math.Max(1, shape[0]);
    static int FanOut(Shape shape) => shape.Rank < 2 ? shape.Count : shape.Count / Math.Max(1, shape[1]);
}
