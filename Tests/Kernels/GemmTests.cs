using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory.Tests.Kernels;

[TestFixture]
public sealed unsafe class GemmTests
{
    static readonly int[] Sizes = [1, 2, 3, 5, 7, 31, 63, 64, 65, 100, 129, 257];

    [Test]
    public void Float512([ValueSource(nameof(Sizes))] int m) => Check<Float32x16, float>(m, 1e-5, every: 1);

    [Test]
    public void Float256([ValueSource(nameof(Sizes))] int m) => Check<Float32x8, float>(m, 1e-5, every: 5);

    [Test]
    public void Float128([ValueSource(nameof(Sizes))] int m) => Check<Float32x4, float>(m, 1e-5, every: 5);

    [Test]
    public void OneFloat([ValueSource(nameof(Sizes))] int m) => Check<Float32x1, float>(m, 1e-5, every: 11);

    [Test]
    public void OneDouble([ValueSource(nameof(Sizes))] int m) => Check<Float64x1, double>(m, 1e-13, every: 5);

    [Test]
    public void MoreThanABlock()
    {
        CheckOne<Float32x16, float>(300, 70, 1100, 1e-5, 0, new Philox(1));
        CheckOne<Float32x16, float>(4200, 40, 20, 1e-5, 9, new Philox(2));
        CheckOne<Float32x16, float>(60, 4200, 20, 1e-5, 0, new Philox(3));
        CheckOne<Float32x16, float>(60, 4200, 20, 1e-5, 13, new Philox(4));
    }

    /// <summary>What lies beside a step's runs: left as it is, unless packing may spill; then written over at most a vector's length beyond them, and never before them or behind the last step.</summary>
    [Test]
    public void Packing_leaves_what_lies_beside([Values] bool spills, [Values] bool transposed, [Values(1, 3, 4, 6, 9, 16, 21, 32)] int runs, [Values(1, 3, 4, 17, 40)] int steps)
    {
        PackingLeavesWhatLiesBeside<Float32x16>(spills, transposed, runs, steps);
        PackingLeavesWhatLiesBeside<Float32x8>(spills, transposed, runs, steps);
        PackingLeavesWhatLiesBeside<Float32x4>(spills, transposed, runs, steps);
    }

    static void PackingLeavesWhatLiesBeside<V>(bool spills, bool transposed, int runs, int steps) where V : struct, ISimd<V, float>
    {
        const int width = 48, before = 5;
        float[] source = [.. Enumerable.Range(0, runs * steps).Select(i => i + 1f)], target = new float[before + steps * width + before];
        fixed (float* from = source, to = target)
        {
            Matrix<float> matrix = transposed ? new Matrix<float>(from, steps, runs).Transposed : new Matrix<float>(from, runs, steps);
            GemmPacking.Interleave<V, float>(matrix, to + before, width, spills);
            for (int at = 0; at < target.Length; at++)
            {
                (int p, int i) = Math.DivRem(at - before, width);
                bool inside = at >= before && p < steps;
                if (inside && i < runs) Assert.That(to[at], Is.EqualTo(*matrix.At(i, p)), $"step {p} of run {i}");
                else if (!inside || !spills || i >= runs + V.Count) Assert.That(to[at], Is.Zero, $"step {p}, beside run {i}");
            }
        }
    }

    [Test]
    public void NothingToSum([Values(true, false)] bool accumulate)
    {
        float[] c = [1, 2, 3, 4, 5, 6];
        fixed (float* p = c) Gemm.Multiply<Float32x16, float>(new(null, 2, 0), new(null, 0, 3), new(p, 2, 3), accumulate);
        Assert.That(c, Is.EqualTo(accumulate ? [1, 2, 3, 4, 5, 6] : new float[6]));
    }

    [Test]
    public void NothingToSumButTheBias()
    {
        float[] c = new float[6], bias = [7, 8, 9];
        fixed (float* p = c, q = bias) Gemm.Multiply<Float32x16, float>(new(null, 2, 0), new(null, 0, 3), new(p, 2, 3), bias: q);
        Assert.That(c, Is.EqualTo(new float[] { 7, 8, 9, 7, 8, 9 }));
    }

    [Test]
    public void NoElements()
    {
        Gemm.Multiply<Float32x16, float>(new(null, 0, 4), new(null, 4, 3), new(null, 0, 3));
        Gemm.Multiply<Float32x16, float>(new(null, 3, 4), new(null, 4, 0), new(null, 3, 0));
    }

    [Test]
    public void TensorsThatDoNotFit()
    {
        ShapeException e = Assert.Throws<ShapeException>(() => Gemm.Multiply(Tensor.Zeros([2, 3]), Tensor.Zeros([3, 4]), Tensor.Zeros([2, 5])))!;
        Assert.That(e.Message, Is.EqualTo("Gemm: a [2, 3] x b [3, 4] into [2, 5]: [m, k] x [k, n] into [m, n] was expected."));
    }

    /// <summary>One of all combinations of n, k and layouts, a different layout for each size in turn.</summary>
    static void Check<V, T>(int m, double tolerance, int every) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Philox random = new((ulong)m);
        int variant = 5 * m;
        foreach (int n in Sizes)
            foreach (int k in Sizes)
                if (variant++ % every == 0) CheckOne<V, T>(m, n, k, tolerance, variant / every, random);
    }

    static void CheckOne<V, T>(int m, int n, int k, double tolerance, int variant, Philox random)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        bool accumulate = variant / 27 % 3 == 1, biased = variant / 27 % 3 == 2;
        Stored<T> a = new(m, k, variant % 3, random), b = new(k, n, variant / 3 % 3, random), c = new(m, n, variant / 9 % 3, random), bias = new(1, n, 0, random);
        T[] before = [.. c.Values];
        fixed (T* pa = a.Values, pb = b.Values, pc = c.Values, pbias = bias.Values)
            Gemm.Multiply<V, T>(a.At(pa), b.At(pb), c.At(pc), accumulate, biased ? bias.At(pbias).Address : null);

        double[] columnOfB = new double[k];
        for (int j = 0; j < n; j++)
        {
            for (int p = 0; p < k; p++) columnOfB[p] = double.CreateTruncating(b.Values[b.Index(p, j)]);
            for (int i = 0; i < m; i++)
            {
                int at = c.Index(i, j);
                double sum = accumulate ? double.CreateTruncating(before[at]) : biased ? double.CreateTruncating(bias.Values[bias.Index(0, j)]) : 0, magnitude = Math.Abs(sum);
                for (int p = 0; p < k; p++)
                {
                    double product = double.CreateTruncating(a.Values[a.Index(i, p)]) * columnOfB[p];
                    sum += product;
                    magnitude += Math.Abs(product);
                }
                double actual = double.CreateTruncating(c.Values[at]);
                if (!(Math.Abs(actual - sum) <= tolerance * magnitude))
                    Assert.Fail($"[{m}, {k}] x [{k}, {n}], variant {variant}: element [{i}, {j}] is {actual}, but {sum} was expected.");
                before[at] = c.Values[at];
            }
        }
        Assert.That(c.Values.AsSpan().SequenceEqual(before), $"[{m}, {k}] x [{k}, {n}], variant {variant}: something was written outside of c.");
    }

    /// <summary>A matrix within a larger array: rows contiguous, columns contiguous, or neither.</summary>
    sealed class Stored<T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        const int Before = 3, After = 40;

        readonly int rows, columns, rowStride, columnStride;

        public Stored(int rows, int columns, int layout, Philox random)
        {
            (this.rows, this.columns) = (rows, columns);
            (rowStride, columnStride) = layout switch { 0 => (columns + 2, 1), 1 => (1, rows + 1), _ => (3 * columns + 1, 3) };
            Values = new T[Before + Math.Max(rows * rowStride, columns * columnStride) + After];
            foreach (ref T value in Values.AsSpan()) value = T.CreateTruncating(2 * random.NextDouble() - 1);
        }

        public T[] Values { get; }
        public int Index(int row, int column) => Before + row * rowStride + column * columnStride;
        public Matrix<T> At(T* start) => new(start + Before, rows, columns, rowStride, columnStride);
    }
}
