using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The cross-entropy, in nats, between labels and the softmax p of logits, the mean over the rows that count:
/// <c>c = -(1 - s) ln p_t - s/K sum_j ln p_j = ln z - (1 - s) d_t - s/K sum_j d_j</c> with <c>d_j = x_j - max x</c>, <c>z = sum_j e^d_j</c>, K classes, label t and
/// label smoothing s (Szegedy et al. 2016, section 7). <c>dc/dx_j = p_j - (1 - s) [j = t] - s/K</c>.
/// </summary>
public sealed unsafe class CrossEntropy : Operation<CrossEntropy>
{
    /// <summary>Of each row max x and 1/z. On a GPU, which does not tell the host how many rows count, also one over their number.</summary>
    Tensor normalizers, share;
    Rule rule;

    /// <summary>What is asked of a row, and what share of the mean it has; on a GPU that is not known here.</summary>
    internal readonly record struct Rule(int? Ignored, double Smoothing, int Counted);

    /// <summary>Computes <c>logits.CrossEntropy(labels, ignoreIndex, labelSmoothing)</c>.</summary>
    public static Tensor Apply(Tensor logits, Tensor labels, int? ignoreIndex, double labelSmoothing)
    {
        Require.Float("CrossEntropy", logits);
        if (labels.DType != DType.Int32) throw new ShapeException("CrossEntropy", $"the labels {labels.Shape} are {labels.DType}; Int32 was expected.");
        if (logits.Rank == 0 || labels.Shape != logits.Shape.Without(logits.Rank - 1))
            throw new ShapeException("CrossEntropy", $"logits {logits.Shape} and labels {labels.Shape}: [.., classes] and [..] were expected.");
        if (!(labelSmoothing is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(labelSmoothing), labelSmoothing, "CrossEntropy: a label smoothing from 0 to 1 was expected.");
        if (labels.Count == 0) throw NoRow(logits.Shape, labels.Shape, "there are no labels");
        GpuBackend? gpu = GpuBackend.Current;
        Rule rule = new(ignoreIndex, labelSmoothing, gpu is null ? Count(logits, labels, ignoreIndex) : 0);

        Tensor costs = Tensor.Empty(labels.Shape, logits.DType), normalizers = Tensor.Empty([labels.Count, 2], logits.DType);
        Tensor sum = Tensor.Zeros([], logits.DType), y = Tensor.Zeros([], logits.DType), share = default;
        if (gpu is not null)
        {
            share = Tensor.Empty([]);
            Tensor counted = Tensor.Empty(labels.Shape, DType.Int32);
            gpu.Launch(Rows(logits, labels), new GpuForward(gpu.View(logits), gpu.View<int>(labels), new(rule, logits.Shape[^1]), gpu.View(costs), gpu.View<int>(counted), gpu.View(normalizers)));
            gpu.Launch(1, 1024, new GpuMean(gpu.View(costs), gpu.View<int>(counted), gpu.View(y), gpu.View(share)));
        }
        else
        {
            Cpu.For(logits.DType, labels.Count, Cpu.Rows(logits.Shape[^1], 8), new Forward(logits, labels, rule, costs, normalizers));
            Summation.AddInto(costs, sum);
            Transfer.Add(sum, y, 1.0 / rule.Counted);
        }
        if (Record(y, logits, labels) is { } operation) (operation.normalizers, operation.share, operation.rule) = (normalizers, share, rule);
        return y;
    }

    /// <summary>The rows of the logits, and their labels.</summary>
    static Fibres Rows(Tensor logits, Tensor labels, Shape gradient = default) => new(logits.Shape, logits.Rank - 1, logits.Strides, Fibres.OneEach(labels, labels.Rank), gradient);

    /// <summary>The number of labels that are not ignored, each of which must be a class.</summary>
    static int Count(Tensor logits, Tensor labels, int? ignored)
    {
        int counted = 0, classes = logits.Shape[^1];
        StridedLoop loop = new(labels.Shape, labels.Strides);
        int stride = loop.InnerStride(0);
        for (int start = 0, length; start < loop.Count; start += length)
        {
            length = loop.Locate(start, out long offset, out _, out _, out _);
            int* p = labels.Pointer<int>() + offset;
            for (int i = 0; i < length; i++)
            {
                int label = p[(long)i * stride];
                if (label == ignored) continue;
                if ((uint)label >= (uint)classes) throw OutOfRange(logits.Shape, labels.Shape, start + i, label, ignored);
                counted++;
            }
        }
        if (counted > 0) return counted;
        throw NoRow(logits.Shape, labels.Shape, $"all {labels.Count} labels are the ignored {ignored}");
    }

    static ShapeException NoRow(Shape logits, Shape labels, string why) => new("CrossEntropy", $"logits {logits} and labels {labels}: {why}, and the mean of no row is not defined.");

    static ShapeException OutOfRange(Shape logits, Shape labels, int position, int label, int? ignored) => new("CrossEntropy",
        $"label {label} at {Indices.Position(labels, position)} of the labels {labels} for logits {logits}: 0 to {logits[^1] - 1}{(ignored is { } i ? $" or the ignored {i}" : "")} was expected.");

    readonly struct Forward(Tensor x, Tensor labels, Rule rule, Tensor costs, Tensor normalizers) : ICpuKernel
    {
        readonly StridedLoop rows = new(labels.Shape, x.Strides.Without(x.Rank - 1), labels.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (x.Strides[^1] == 1) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = x.Shape[^1], stride = x.Strides[^1];
            T* cost = costs.Pointer<T>(), normalizer = normalizers.Pointer<T>();
            T kept = T.CreateTruncating(1 - rule.Smoothing), spread = T.CreateTruncating(rule.Smoothing / n);
            for (; start < end; start++)
            {
                rows.Locate(start, out long ox, out long ol, out _, out _);
                int label = labels.Pointer<int>()[ol];
                cost[start] = T.Zero;
                if (label == rule.Ignored) continue;
                T* first = x.Pointer<T>() + ox;
                F row = F.Along(first, stride, n);
                V highest = V.Create(T.NegativeInfinity), powers = V.Zero;
                for (int j = 0; j < n; j += V.Count) highest = V.Larger(highest, row.Load(j, T.NegativeInfinity));
                T max = V.MaxLane(highest);
                V shift = V.Create(max);
                for (int j = 0; j < n; j += V.Count)
                {
                    powers += V.Exp(row.Load(j, T.NegativeInfinity) - shift);
                    row.Prefetch(j);
                }
                T z = V.Sum(powers), c = T.Log(z) - kept * (first[(long)label * stride] - max);
                if (rule.Smoothing > 0)
                {
                    V differences = V.Zero;
                    for (int j = 0; j < n; j += V.Count) differences += row.Load(j, max) - shift;
                    c -= spread * V.Sum(differences);
                }
                cost[start] = c;
                (normalizer[2 * start], normalizer[2 * start + 1]) = (max, T.One / z);
            }
        }
    }

    /// <summary>dL/dx_j += (p_j - (1 - s) [j = t] - s/K) / n dL/dy in the n rows that count.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0);
        if (GpuBackend.Current is { } gpu)
        {
            Tensor labels = Input(1), dx = InputGradient(0);
            gpu.Launch(Rows(x, labels, dx.Strides), new GpuBackward(
                gpu.View(x), gpu.View<int>(labels), new(rule, x.Shape[^1]), gpu.View(normalizers), gpu.View(share), gpu.View(OutputGradient()), gpu.View(dx)));
            return;
        }
        double scale = OutputGradient().Item() / rule.Counted;
        Cpu.For(x.DType, Input(1).Count, Cpu.Rows(x.Shape[^1], 8), new BackwardKernel(x, Input(1), rule, normalizers, InputGradient(0, out bool isZero), isZero, scale));
    }

    readonly struct BackwardKernel(Tensor x, Tensor labels, Rule rule, Tensor normalizers, Tensor dx, bool isZero, double scale) : ICpuKernel
    {
        readonly StridedLoop rows = new(labels.Shape, x.Strides.Without(x.Rank - 1), labels.Strides, dx.Strides.Without(x.Rank - 1));

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            if (x.Strides[^1] == 1 && dx.Strides[^1] == 1) Run<V, T, Row<V, T>>(start, end);
            else Run<V, T, Fibre<V, T>>(start, end);
        }

        void Run<V, T, F>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> where F : struct, IFibre<F, V, T>
        {
            int n = x.Shape[^1], stride = x.Strides[^1], strideDx = dx.Strides[^1];
            T* normalizer = normalizers.Pointer<T>();
            T kept = T.CreateTruncating(scale * (1 - rule.Smoothing));
            bool add = !isZero;
            V factor = V.Constant(scale), spread = V.Constant(rule.Smoothing / n);
            for (; start < end; start++)
            {
                rows.Locate(start, out long ox, out long ol, out long odx, out _);
                int label = labels.Pointer<int>()[ol];
                T* first = dx.Pointer<T>() + odx;
                F row = F.Along(x.Pointer<T>() + ox, stride, n), slopes = F.Along(first, strideDx, n, isZero && Streaming.Suits<V, T>(first, dx.Count));
                if (label == rule.Ignored)
                {
                    for (int j = 0; isZero && j < n; j += V.Count) slopes.Store(j, V.Zero);
                    continue;
                }
                V max = V.Create(normalizer[2 * start]), inverse = V.Create(normalizer[2 * start + 1]);
                for (int j = 0; j < n; j += V.Count)
                    slopes.Store(j, V.Fma(factor, V.Exp(row.Load(j) - max) * inverse - spread, add ? slopes.Load(j) : V.Zero));
                first[(long)label * strideDx] -= kept;
            }
            Streaming.End();
        }
    }

    /// <summary>The rule, as kernels hold it.</summary>
    internal readonly struct GpuRule(Rule rule, int classes)
    {
        readonly int ignores = rule.Ignored.HasValue ? 1 : 0, ignored = rule.Ignored ?? 0;

        /// <summary>1 - s and s/K.</summary>
        public readonly float Kept = (float)(1 - rule.Smoothing), Spread = (float)(rule.Smoothing / classes);

        public bool Ignores(int label) => ignores != 0 && label == ignored;
    }

    readonly struct GpuForward(ArrayView<float> x, ArrayView<int> labels, GpuRule rule, ArrayView<float> costs, ArrayView<int> counted, ArrayView<float> normalizers) : IFibreKernel
    {
        public void Run<T>(GpuFibre row) where T : struct, ITeam
        {
            int label = labels[row.At1(0)];
            Softmax.PowerSum powers = Softmax.PowerSum.Of<T>(x, row);
            float differences = 0;
            if (rule.Spread > 0)
            {
                for (int j = T.Member; j < row.Length; j += T.Size) differences += x[row.At0(j)] - powers.Max;
                differences = T.Reduce<FloatSum, float>(differences);
            }
            if (!row.LedBy<T>()) return;
            bool ignored = rule.Ignores(label);
            float cost = ignored ? 0 : float.NaN;
            if (!ignored && label >= 0 && label < row.Length) cost = GpuFloat.Log(powers.Sum) - rule.Kept * (x[row.At0(label)] - powers.Max) - rule.Spread * differences;
            costs[row.Number] = cost;
            counted[row.Number] = ignored ? 0 : 1;
            normalizers[2 * row.Number] = powers.Max;
            normalizers[2 * row.Number + 1] = 1 / powers.Sum;
        }
    }

    /// <summary>A sum of costs and the number of rows that they are of.</summary>
    readonly struct Total(float cost, int rows) : IReduction<Total>
    {
        public readonly float Cost = cost;
        public readonly int Rows = rows;

        public static Total Neutral => new(0, 0);

        public static Total Join(Total a, Total b) => new(a.Cost + b.Cost, a.Rows + b.Rows);
    }

    /// <summary>The mean of the rows that count, by one group.</summary>
    readonly struct GpuMean(ArrayView<float> costs, ArrayView<int> counted, ArrayView<float> y, ArrayView<float> share) : IGpuKernel
    {
        public void Run()
        {
            Total total = Total.Neutral;
            for (int i = Group.IdxX; i < costs.IntLength; i += Group.DimX) total = Total.Join(total, new(costs[i], counted[i]));
            total = GroupReduce.Of<Total, Total>(total);
            if (Group.IdxX != 0) return;
            y[0] = total.Cost / total.Rows;
            share[0] = 1f / total.Rows;
        }
    }

    readonly struct GpuBackward(
        ArrayView<float> x, ArrayView<int> labels, GpuRule rule, ArrayView<float> normalizers, ArrayView<float> share, ArrayView<float> dy, ArrayView<float> dx) : IFibreKernel
    {
        public void Run<T>(GpuFibre row) where T : struct, ITeam
        {
            int label = labels[row.At1(0)], number = row.Number < 0 ? 0 : row.Number;
            if (rule.Ignores(label)) return;
            float factor = label >= 0 && label < row.CommonLength ? dy[0] * share[0] : float.NaN, max = normalizers[2 * number], inverse = normalizers[2 * number + 1];
            for (int j = T.Member; j < row.Length; j += T.Size)
            {
                float p = GpuFloat.Exp(x[row.At0(j)] - max) * inverse;
                dx[row.At2(j)] = GpuMath.Fma(factor, p - rule.Spread - (j == label ? rule.Kept : 0), dx[row.At2(j)]);
            }
        }
    }
}

/// <summary>Adds the cross-entropy to <see cref="Tensor"/>.</summary>
public static class CrossEntropyOperation
{
    extension(Tensor logits)
    {
        /// <summary>
        /// The mean cross-entropy, in nats, of logits [.., classes] and the labels [..] they should give: shape []. The softmax is part of it, so that no logit
        /// overflows.
        /// </summary>
        /// <param name="labels">Int32, [..]: for each row its class, 0 to classes - 1.</param>
        /// <param name="ignoreIndex">A label whose rows neither cost anything nor count in the mean, such as padding; it need not be a class.</param>
        /// <param name="labelSmoothing">
        /// The share of every target that is spread evenly over all classes, its own included, from 0 to 1 (Szegedy et al. 2016, section 7).
        /// </param>
        /// <exception cref="ShapeException">
        /// A label is not a class; no row counts; the shapes do not fit; the logits are integers or the labels are not. A GPU, which does not wait to look at the labels, gives NaN in the first
        /// two cases, as the loss and, for a label that is not a class, as its row's gradient.
        /// </exception>
        /// <exception cref="ArgumentOutOfRangeException"><paramref name="labelSmoothing"/> is not from 0 to 1.</exception>
        public Tensor CrossEntropy(Tensor labels, int? ignoreIndex = null, double labelSmoothing = 0) =>
            NeuralMemory.CrossEntropy.Apply(logits, labels, ignoreIndex, labelSmoothing);
    }
}
