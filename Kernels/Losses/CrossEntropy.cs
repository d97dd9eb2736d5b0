using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The cross-entropy, in nats, between labels and the softmax p of logits, the mean over the rows that count:
/// <c>c = -(1 - s) ln p_t - s/K sum_j ln p_j = ln z - (1 - s) d_t - s/K sum_j d_j</c> with <c>d_j = x_j - max x</c>, <c>z = sum_j e^d_j</c>, K classes, label t and
/// label smoothing s (Szegedy et al. 2016, section 7). <c>dc/dx_j = p_j - (1 - s) [j = t] - s/K</c>.
/// </summary>
public sealed unsafe class CrossEntropy : Operation<CrossEntropy>
{
    Tensor normalizers;
    Rule rule;

    /// <summary>What is asked of a row, and what share of the mean it has.</summary>
    readonly record struct Rule(int? Ignored, double Smoothing, int Counted);

    /// <summary>Computes <c>logits.CrossEntropy(labels, ignoreIndex, labelSmoothing)</c>.</summary>
    public static Tensor Apply(Tensor logits, Tensor labels, int? ignoreIndex, double labelSmoothing)
    {
        Require.Float("CrossEntropy", logits);
        if (labels.DType != DType.Int32) throw new ShapeException("CrossEntropy", $"the labels {labels.Shape} are {labels.DType}; Int32 was expected.");
        if (logits.Rank == 0 || labels.Shape != logits.Shape.Without(logits.Rank - 1))
            throw new ShapeException("CrossEntropy", $"logits {logits.Shape} and labels {labels.Shape}: [.., classes] and [..] were expected.");
        if (!(labelSmoothing is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(labelSmoothing), labelSmoothing, "CrossEntropy: a label smoothing from 0 to 1 was expected.");
        Rule rule = new(ignoreIndex, labelSmoothing, Count(logits, labels, ignoreIndex));

        Tensor costs = Tensor.Empty(labels.Shape, logits.DType), normalizers = Tensor.Empty([labels.Count, 2], logits.DType);
        Tensor sum = Tensor.Zeros([], logits.DType), y = Tensor.Zeros([], logits.DType);
        Cpu.For(logits.DType, labels.Count, Cpu.Rows(logits.Shape[^1], 8), new Forward(logits, labels, rule, costs, normalizers));
        Summation.AddInto(costs, sum);
        Transfer.Add(sum, y, 1.0 / rule.Counted);
        if (Record(y, logits, labels) is { } operation) (operation.normalizers, operation.rule) = (normalizers, rule);
        return y;
    }

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
        string none = labels.Count == 0 ? "there are no labels" : $"all {labels.Count} labels are the ignored {ignored}";
        throw new ShapeException("CrossEntropy", $"logits {logits.Shape} and labels {labels.Shape}: {none}, and the mean of no row is not defined.");
    }

    static ShapeException OutOfRange(Shape logits, Shape labels, int position, int label, int? ignored) => new("CrossEntropy",
        $"label {label} at {Indices.Position(labels, position)} of the labels {labels} for logits {logits}: 0 to {logits[^1] - 1}{(ignored is { } i ? $" or the ignored {i}" : "")} was expected.");

    readonly struct Forward(Tensor x, Tensor labels, Rule rule, Tensor costs, Tensor normalizers) : ICpuKernel
    {
        readonly StridedLoop rows = new(labels.Shape, x.Strides.Without(x.Rank - 1), labels.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
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
                Fibre<V, T> row = new(first, stride, stride, n, taken: 0);
                V highest = V.Create(T.NegativeInfinity), powers = V.Zero;
                for (int j = 0; j < n; j += V.Count) highest = V.Max(highest, row.Load(j, T.NegativeInfinity));
                T max = V.MaxLane(highest);
                V shift = V.Create(max);
                for (int j = 0; j < n; j += V.Count) powers += V.Exp(row.Load(j, T.NegativeInfinity) - shift);
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
        double scale = OutputGradient().Item() / rule.Counted;
        Cpu.For(x.DType, Input(1).Count, Cpu.Rows(x.Shape[^1], 8), new BackwardKernel(x, Input(1), rule, normalizers, InputGradient(0), scale));
    }

    readonly struct BackwardKernel(Tensor x, Tensor labels, Rule rule, Tensor normalizers, Tensor dx, double scale) : ICpuKernel
    {
        readonly StridedLoop rows = new(labels.Shape, x.Strides.Without(x.Rank - 1), labels.Strides, dx.Strides.Without(x.Rank - 1));

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int n = x.Shape[^1], stride = x.Strides[^1], strideDx = dx.Strides[^1];
            T* normalizer = normalizers.Pointer<T>();
            T kept = T.CreateTruncating(scale * (1 - rule.Smoothing));
            V factor = V.Constant(scale), spread = V.Constant(rule.Smoothing / n);
            for (; start < end; start++)
            {
                rows.Locate(start, out long ox, out long ol, out long odx, out _);
                int label = labels.Pointer<int>()[ol];
                if (label == rule.Ignored) continue;
                T* first = dx.Pointer<T>() + odx;
                Fibre<V, T> row = new(x.Pointer<T>() + ox, stride, stride, n, taken: 0), slopes = new(first, strideDx, strideDx, n, taken: 0);
                V max = V.Create(normalizer[2 * start]), inverse = V.Create(normalizer[2 * start + 1]);
                for (int j = 0; j < n; j += V.Count)
                    slopes.Store(j, V.Fma(factor, V.Exp(row.Load(j) - max) * inverse - spread, slopes.Load(j)));
                first[(long)label * strideDx] -= kept;
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
        /// <exception cref="ShapeException">A label is not a class; no row counts; the shapes do not fit; the logits are integers or the labels are not.</exception>
        /// <exception cref="ArgumentOutOfRangeException"><paramref name="labelSmoothing"/> is not from 0 to 1.</exception>
        public Tensor CrossEntropy(Tensor labels, int? ignoreIndex = null, double labelSmoothing = 0) =>
            NeuralMemory.CrossEntropy.Apply(logits, labels, ignoreIndex, labelSmoothing);
    }
}
