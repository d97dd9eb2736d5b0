namespace NeuralMemory;

/// <summary>
/// <c>y[b, o, t] = bias[o] + sum_i sum_k w[o, i, k] x[b, i, t s + k d - p]</c>, zero outside x, with stride s, dilation d and padding p; channel o sees the input
/// channels i of its own group alone.
/// </summary>
/// <remarks>
/// For one k, that is a product of matrices, w[.., .., k] by a view of x that begins k d - p further on; and so are both gradients: no element is copied into
/// columns (Anderson et al. 2017, "Low-memory GEMM-based convolution algorithms"). With one input channel in each group the products would have a depth of 1:
/// <see cref="DepthwiseConvolution"/> goes through rows of time instead.
/// </remarks>
sealed class Conv1d : Operation<Conv1d>
{
    Sampling sampling;

    /// <summary>Which element of x each step of y and each k meet.</summary>
    internal readonly record struct Sampling(int Stride, int Padding, int Dilation, int Groups)
    {
        /// <summary>The steps of y for which t s + k d - p lies in 0 to <paramref name="time"/> - 1: from First on, so many.</summary>
        public (int First, int Count) Steps(int k, int time, int steps)
        {
            int shift = k * Dilation - Padding;
            int first = shift >= 0 ? 0 : (Stride - 1 - shift) / Stride;
            int last = time - 1 - shift < 0 ? -1 : Math.Min(steps - 1, (time - 1 - shift) / Stride);
            return (first, Math.Max(0, last - first + 1));
        }
    }

    /// <summary>Computes <c>x.Conv1d(weight, bias, stride, padding, dilation, groups)</c>.</summary>
    public static Tensor Apply(Tensor x, Tensor weight, Tensor? bias, int stride, int padding, int dilation, int groups)
    {
        Sampling sampling = new(stride, padding, dilation, groups);
        int steps = Check(x, weight, bias, sampling);
        Tensor y = Tensor.Zeros([x.Shape[0], weight.Shape[0], steps], x.DType);
        if (bias is { } b) Transfer.Copy(b.Unsqueeze(-1).Expand(y.Shape), y);
        if (weight.Shape[1] == 1) DepthwiseConvolution.Forward(x, weight, y, sampling);
        else
            for (int k = 0; k < weight.Shape[2]; k++)
                new Tap(x, weight, y, sampling, k).Forward();
        if ((bias is { } recorded ? Record(y, x, weight, recorded) : Record(y, x, weight)) is { } operation) operation.sampling = sampling;
        return y;
    }

    /// <inheritdoc/>
    protected override void Backward()
    {
        Tensor x = Input(0), weight = Input(1), dy = OutputGradient();
        if (dy.Count == 0) return;
        if (NeedsGradient(0))                           // dL/dx[b, i, t s + k d - p] += sum_o w[o, i, k] dL/dy[b, o, t]
        {
            Tensor dx = InputGradient(0);
            if (weight.Shape[1] == 1) DepthwiseConvolution.BackwardToX(dx, weight, dy, sampling);
            else
                for (int k = 0; k < weight.Shape[2]; k++)
                    new Tap(dx, weight, dy, sampling, k).BackwardToX();
        }
        if (NeedsGradient(1))                           // dL/dw[o, i, k] += sum_b sum_t dL/dy[b, o, t] x[b, i, t s + k d - p]
        {
            Tensor dw = InputGradient(1);
            if (weight.Shape[1] == 1) DepthwiseConvolution.BackwardToWeight(x, dw, dy, sampling);
            else
                for (int k = 0; k < weight.Shape[2]; k++)
                    new Tap(x, dw, dy, sampling, k).BackwardToWeight();
        }
        if (InputCount > 2 && NeedsGradient(2))         // dL/dbias[o] += sum_b sum_t dL/dy[b, o, t]
            Summation.AddInto(dy, InputGradient(2).Unsqueeze(-1));
    }

    /// <summary>What one k contributes: products of matrices for every group and element of the batch.</summary>
    readonly struct Tap
    {
        readonly Tensor x, w, y;
        readonly int inputs, outputs, groups, steps;

        /// <summary>x [batch, in, time], w [out, in/groups, kernel] and y [batch, out, steps], or the gradient of one of them.</summary>
        public Tap(Tensor x, Tensor w, Tensor y, Sampling sampling, int k)
        {
            (int first, steps) = sampling.Steps(k, x.Shape[2], y.Shape[2]);
            (groups, inputs, outputs) = (sampling.Groups, w.Shape[1], w.Shape[0] / sampling.Groups);
            int from = steps == 0 ? 0 : first * sampling.Stride + k * sampling.Dilation - sampling.Padding;
            this.x = x.Slice(2, from, steps == 0 ? 0 : from + (steps - 1) * sampling.Stride + 1, sampling.Stride);
            this.w = w.Select(2, k);
            this.y = y.Slice(2, steps == 0 ? 0 : first, steps == 0 ? 0 : first + steps);
        }

        MatrixLayout X => new(x.Strides[1], x.Strides[2]);
        MatrixLayout W => new(w.Strides[0], w.Strides[1]);
        MatrixLayout Y => new(y.Strides[1], y.Strides[2]);
        int GroupX => inputs * x.Strides[1];
        int GroupW => outputs * w.Strides[0];
        int GroupY => outputs * y.Strides[1];

        /// <summary>y [out, steps] += w [out, in] x [in, steps].</summary>
        public void Forward()
        {
            if (steps == 0) return;
            BatchedGemm gemm = new(outputs, steps, inputs, W, X, Y);
            gemm.Add(groups, GroupW, GroupX, GroupY);
            gemm.Add(x.Shape[0], 0, x.Strides[0], y.Strides[0]);
            gemm.Run(w, x, y, accumulate: true);
        }

        /// <summary>dx [in, steps] += w^T [in, out] dy [out, steps].</summary>
        public void BackwardToX()
        {
            if (steps == 0) return;
            BatchedGemm gemm = new(inputs, steps, outputs, W.Transposed, Y, X);
            gemm.Add(groups, GroupW, GroupY, GroupX);
            gemm.Add(x.Shape[0], 0, y.Strides[0], x.Strides[0]);
            gemm.Run(w, y, x, accumulate: true);
        }

        /// <summary>dw [out, in] += dy [out, steps] x^T [steps, in], summed over the batch.</summary>
        public void BackwardToWeight()
        {
            if (steps == 0) return;
            BatchedGemm gemm = new(outputs, inputs, steps, Y, X.Transposed, W);
            gemm.Add(groups, GroupY, GroupX, GroupW);
            gemm.Add(x.Shape[0], y.Strides[0], x.Strides[0], 0);
            gemm.Run(y, x, w, accumulate: true);
        }
    }

    /// <summary>The number of steps of y.</summary>
    static int Check(Tensor x, Tensor weight, Tensor? bias, Sampling s)
    {
        const string name = "Conv1d";
        Require.SameFloat(name, x, weight);
        Positive(s.Stride, "stride", 1);
        Positive(s.Padding, "padding", 0);
        Positive(s.Dilation, "dilation", 1);
        Positive(s.Groups, "groups", 1);
        string? wrong =
            x.Rank != 3 ? "x was expected to be [batch, in, time]" :
            weight.Rank != 3 || weight.Shape[1] < 1 || weight.Shape[2] < 1 ? "the weight was expected to be [out, in/groups, kernel]" :
            x.Shape[1] != (long)s.Groups * weight.Shape[1] ? $"x has {x.Shape[1]} channels, but {s.Groups} groups of the weight's {weight.Shape[1]} were expected" :
            weight.Shape[0] % s.Groups != 0 ? $"the weight's {weight.Shape[0]} channels do not make {s.Groups} groups of one size" :
            bias is { } b && (b.Rank != 1 || b.Shape[0] != weight.Shape[0]) ? $"bias {b.Shape} was expected to be [{weight.Shape[0]}]" :
            bias is { } c && c.DType != x.DType ? $"the bias is {c.DType}; {x.DType} was expected" : null;
        if (wrong is not null) throw new ShapeException(name, $"x {x.Shape} by weight {weight.Shape}: {wrong}.");

        long padded = x.Shape[2] + 2L * s.Padding, reach = (long)s.Dilation * (weight.Shape[2] - 1) + 1;
        if (padded < reach)
            throw new ShapeException(name, $"x {x.Shape} by weight {weight.Shape}: the kernel reaches over {reach} steps, but with a padding of {s.Padding} there are {padded}.");
        if (padded > Array.MaxLength) throw new ShapeException(name, $"x {x.Shape} by weight {weight.Shape}: with a padding of {s.Padding} there are {padded} steps; at most {Array.MaxLength} were expected.");
        return (int)((padded - reach) / s.Stride + 1);

        static void Positive(int value, string argument, int least)
        {
            if (value < least) throw new ArgumentOutOfRangeException(argument, value, $"{name}: a {argument} of at least {least} was expected.");
        }
    }
}

/// <summary>Adds the convolution over time to <see cref="Tensor"/>.</summary>
public static class Conv1dOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// The convolution (strictly, the cross-correlation) over time of x [batch, in, time]: <c>y[b, o, t] = bias[o] + sum w[o, i, k] x[b, i, t stride + k dilation -
        /// padding]</c> over all k and all channels i of o's group; [batch, out, (time + 2 padding - dilation (kernel - 1) - 1) / stride + 1].
        /// </summary>
        /// <param name="weight">[out, in/groups, kernel].</param>
        /// <param name="bias">[out], or none for zeros.</param>
        /// <param name="stride">Steps of x between a step of the result and the next.</param>
        /// <param name="padding">Zeros before the beginning and after the end. With kernel - 1 of them, the first time steps of the result are causal.</param>
        /// <param name="dilation">Steps of x between a weight and the next.</param>
        /// <param name="groups">Into so many groups the channels are cut; as many as there are channels makes a depthwise convolution.</param>
        /// <exception cref="ShapeException">The sizes do not fit; x with its padding is shorter than the kernel or longer than an array can be; the types differ or are integers.</exception>
        /// <exception cref="ArgumentOutOfRangeException">The padding is negative, or one of the other numbers less than 1.</exception>
        public Tensor Conv1d(Tensor weight, Tensor? bias = null, int stride = 1, int padding = 0, int dilation = 1, int groups = 1) =>
            NeuralMemory.Conv1d.Apply(x, weight, bias, stride, padding, dilation, groups);
    }
}
