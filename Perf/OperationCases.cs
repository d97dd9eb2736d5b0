namespace NeuralMemory.Perf;

/// <summary>
/// The operations that <see cref="KernelCases"/> does not have, on a million elements, which fit the caches; and some on few, where what a call pays beside its arithmetic counts. Each
/// element counts as one floating-point operation where nothing else is said.
/// </summary>
static class OperationCases
{
    static readonly int[] million = [1024 * 1024], square = [1024, 1024], few = [32, 100];

    public static IEnumerable<Case> All =>
    [
        // Functions of one tensor.
        .. Both("relu", million, x => x.Relu()), .. Both("clamp", million, x => x.Clamp(-1, 1)), .. Both("silu", million, x => x.Silu()), .. Both("elu", million, x => x.Elu()),
        .. Both("erf", million, x => x.Erf()), .. Both("sin", million, x => x.Sin()), .. Both("log", million, x => (x.Abs() + .5).Log()), .. Both("sqrt", million, x => (x.Abs() + .5).Sqrt()),
        .. Both("pow", million, x => (x.Abs() + .5).Pow(2.5)), .. Both("dropout", million, x => x.Dropout(.5, new Philox(5))),

        // Of two or three, some repeated.
        .. Both("add", million, [million, million], x => x[0] + x[1]), .. Both("mul", million, [million, million], x => x[0] * x[1]), .. Both("div", million, [million, million], x => x[0] / x[1]),
        .. Both("maximum", million, [million, million], x => x[0].Maximum(x[1])), .. Both("where", million, [million, million], x => Tensor.Where(x[0], x[0], x[1])),
        .. Both("add-row", square, [square, [1024]], x => x[0] + x[1]), .. Both("add-column", square, [square, [1024, 1]], x => x[0] + x[1]),

        // Reductions. The gradients of sums and means are repeated elements, which PyTorch does not write.
        Forward("sum", million, x => x.Sum()), Forward("sum-last", square, x => x.Sum(-1)), Forward("sum-first", square, x => x.Sum(0)), Forward("mean", million, x => x.Mean()),
        .. Both("max-last", square, x => x.Max(-1)), .. Both("max-first", square, x => x.Max(0)), Forward("argmax", square, x => x.ArgMax(-1).To(x.DType)),
        .. Both("variance", square, x => x.Variance(-1)), .. Both("norm", square, x => x.Norm(-1)), .. Both("cosine", square, [square, square], x => x[0].CosineSimilarity(x[1])),
        .. Both("logsumexp", square, x => x.LogSumExp(-1)), .. Both("log-softmax", square, x => x.LogSoftmax(-1)), .. Both("softmax-first", square, x => x.Softmax(0)),
        .. Both("rms-norm", square, [square, [1024]], x => x[0].RmsNorm(x[1])), .. Both("cumsum-last", square, x => x.CumulativeSum(-1)), .. Both("cumsum-first", square, x => x.CumulativeSum(0)),
        .. Both("mse", square, [square, square], x => x[0].MeanSquaredError(x[1])), .. Both("smooth-l1", square, [square, square], x => x[0].SmoothL1(x[1])),
        .. Both("bce", square, [square, square], x => x[0].BinaryCrossEntropyWithLogits(x[1])),

        // What only moves.
        .. Both("transpose", square, x => x.T.Contiguous()), .. Both("permute", [32, 64, 8, 64], x => x.Permute(0, 2, 1, 3).Contiguous()),
        Forward("stack", [8, 128, 1024], [.. Enumerable.Repeat((int[])[128, 1024], 8)], x => Tensor.Stack(0, x)), Forward("concat", square, [[1024, 512], [1024, 512]], x => Tensor.Concat(-1, x)),
        .. Selecting("embedding", [1000, 128, 8192], s => [s[2]], (x, i) => x.Embedding(i)), .. Selecting("embedding", [32000, 256, 8192], s => [s[2]], (x, i) => x.Embedding(i)),
        .. Selecting("index-select", [1024, 1024, 512], s => [s[2]], (x, i) => x.IndexSelect(0, i)), .. Selecting("gather", [1024, 1024, 256], s => [s[0], s[2]], (x, i) => x.Gather(1, i)),
        Forward("sort", square, x => x.Sort().Values), Forward("sort", [65536, 16], x => x.Sort().Values),

        // Products.
        .. Both("bmm", [64, 64, 32, 64], [[64, 64, 32], [64, 32, 64]], x => x[0].MatMul(x[1]), 2.0 * 64 * 64 * 32 * 64),
        .. Both("matvec", [2048, 2048], [[2048, 2048], [2048, 1]], x => x[0].MatMul(x[1]), 2.0 * 2048 * 2048),
        .. Both("conv1d", [16, 64, 512, 64, 3], [[16, 64, 512], [64, 64, 3]], x => x[0].Conv1d(x[1], padding: 1), 2.0 * 16 * 64 * 512 * 64 * 3),
        .. Both("conv1d", [8, 16, 1024, 32, 7], [[8, 16, 1024], [32, 16, 7]], x => x[0].Conv1d(x[1], padding: 3), 2.0 * 8 * 16 * 1024 * 32 * 7),
        .. Both("depthwise", [8, 256, 512, 4], [[8, 256, 512], [256, 1, 4]], x => x[0].Conv1d(x[1], padding: 3, groups: 256), 2.0 * 8 * 256 * 515 * 4),

        // Few elements.
        .. Both("add", few, [few, few], x => x[0] + x[1]), .. Both("add-row", few, [few, [100]], x => x[0] + x[1]), .. Both("tanh", few, x => x.Tanh()), .. Both("softmax", few, x => x.Softmax()),
        .. Both("linear", [1, 100, 400], [[1, 100], [400, 100], [400]], x => x[0].Linear(x[1], x[2]), 2.0 * 100 * 400),
    ];

    static IEnumerable<Case> Both(string name, int[] shape, Func<Tensor, Tensor> f) => Both(name, shape, [shape], x => f(x[0]));

    static IEnumerable<Case> Both(string name, int[] shape, int[][] inputs, Func<Tensor[], Tensor> f, double? flops = null) =>
        [Make(name, shape, inputs, f, training: false, flops), Make(name, shape, inputs, f, training: true, flops)];

    static Case Forward(string name, int[] shape, Func<Tensor, Tensor> f) => Forward(name, shape, [shape], x => f(x[0]));

    static Case Forward(string name, int[] shape, int[][] inputs, Func<Tensor[], Tensor> f) => Make(name, shape, inputs, f, training: false, flops: null);

    /// <summary>Elements of a matrix, shape[0] x shape[1], chosen by random indices.</summary>
    static IEnumerable<Case> Selecting(string name, int[] shape, Func<int[], int[]> chosen, Func<Tensor, Tensor, Tensor> f)
    {
        Lazy<Tensor> indices = new(() =>
        {
            Philox random = new(7);
            Tensor drawn = Tensor.Persistent(new Shape(chosen(shape)), DType.Int32);
            drawn.CopyFrom<int>([.. Enumerable.Range(0, drawn.Count).Select(_ => random.Next(0, name == "gather" ? shape[1] : shape[0]))]);
            return drawn;
        });
        return Both(name, shape, [shape[..2]], x => f(x[0], indices.Value));
    }

    /// <summary>One case. Its bytes are those of its inputs and, where it trains, of their gradients: what must be read and written whatever it computes.</summary>
    static Case Make(string name, int[] shape, int[][] inputs, Func<Tensor[], Tensor> f, bool training, double? flops)
    {
        Tensor[] Draw()
        {
            Philox random = new(1);
            return [.. inputs.Select(input => KernelCases.Draw(random, input))];
        }
        double elements = inputs.Sum(input => input.Aggregate(1.0, (a, b) => a * b));
        return new(training ? name + "-training" : name, string.Join('x', shape), (training ? 2 : 1) * (flops ?? elements), (training ? 2 : 1) * 4 * elements, () =>
            KernelCases.Differentiable(training, Draw(), f, f, x => x));
    }
}
