namespace NeuralMemory.Tests.Kernels;

public class ShapeTests
{
    [Test]
    public void What_is_joined_comes_apart_again()
    {
        Philox random = new(1);
        Tensor a = random.Uniform([3, 2, 5]), b = random.Uniform([3, 4, 5]);
        Tensor joined = Tensor.Concat(1, a, b);
        Assert.That(joined.Slice(1, 0, 2).ToArray(), Is.EqualTo(a.ToArray()));
        Assert.That(joined.Slice(1, 2, 6).ToArray(), Is.EqualTo(b.ToArray()));
        Tensor stacked = Tensor.Stack(-1, a, a);
        Assert.That(stacked.Shape, Is.EqualTo(new Shape([3, 2, 5, 2])));
        Assert.That(stacked.Select(-1, 1).ToArray(), Is.EqualTo(a.ToArray()));
    }

    [Test]
    public void Gradients_of_repeated_indices_add_up()
    {
        Tensor table = Tensor.Persistent([3, 2]).RequireGradient();
        Tensor y = table.Embedding(Tensor.From([2, 0, 2, 2], [2, 2]));
        Assert.That(y.Shape, Is.EqualTo(new Shape([2, 2, 2])));
        y.Backward(Tensor.Ones(y.Shape));
        Assert.That(table.Gradient.ToArray(), Is.EqualTo(new float[] { 1, 1, 0, 0, 3, 3 }));
    }

    [Test]
    public void Sorting_is_stable_and_undone_by_its_indices([Values] bool descending, [Values(0, 1)] int dimension)
    {
        Tensor x = new Philox(2).Indices([131, 67], 10).To(DType.Float32);           // many equal ones
        (Tensor values, Tensor indices) = x.Sort(dimension, descending);
        Tensor lists = dimension == 0 ? x.T : x, sorted = dimension == 0 ? values.T : values, order = dimension == 0 ? indices.T : indices;
        for (int row = 0; row < lists.Shape[0]; row++)
        {
            float[] list = lists.Select(0, row).ToArray();
            int[] expected = [.. Enumerable.Range(0, list.Length).OrderBy(i => descending ? -list[i] : list[i])];
            Assert.That(order.Select(0, row).ToArray<int>(), Is.EqualTo(expected));
            Assert.That(sorted.Select(0, row).ToArray(), Is.EqualTo(expected.Select(i => list[i])));
        }
    }

    [Test]
    public void The_first_k_of_a_sort_are_the_top_k([Values(1, 2, 16, 17, 67)] int k)
    {
        Tensor x = new Philox(3).Indices([31, 67], 20).To(DType.Float32);
        (Tensor values, Tensor indices) = x.TopK(k);
        (Tensor sorted, Tensor order) = x.Sort(-1, descending: true);
        Assert.That(values.ToArray(), Is.EqualTo(sorted.Slice(1, 0, k).ToArray()));
        Assert.That(indices.ToArray<int>(), Is.EqualTo(order.Slice(1, 0, k).ToArray<int>()));
    }

    [Test]
    public void NaN_is_sorted_above_every_number()
    {
        Tensor x = Tensor.From([1f, float.NaN, 3, float.NegativeInfinity, float.PositiveInfinity, float.NaN], [6]);
        Assert.That(x.ArgSort().ToArray<int>(), Is.EqualTo(new[] { 3, 0, 2, 4, 1, 5 }));
        Assert.That(x.ArgSort(descending: true).ToArray<int>(), Is.EqualTo(new[] { 1, 5, 4, 2, 0, 3 }));
        Assert.That(x.TopK(3).Indices.ToArray<int>(), Is.EqualTo(new[] { 1, 5, 4 }));
    }

    [Test]
    public void One_hot_vectors_are_found_again_by_ArgMax()
    {
        Tensor indices = new Philox(4).Indices([7, 5], 9), y = indices.OneHot(9);
        Assert.That(y.ArgMax().ToArray<int>(), Is.EqualTo(indices.ToArray<int>()));
        Assert.That(y.Sum(-1).ToArray(), Is.All.EqualTo(1));
        Assert.That(indices.OneHot(9, DType.Int32).DType, Is.EqualTo(DType.Int32));
    }

    [Test]
    public void A_shift_by_nothing_changes_nothing_and_one_by_one_moves_all([Values(1, 3, 7)] int size)
    {
        Tensor w = new Philox(5).Uniform([2, 7]);
        float[] expected = w.ToArray();
        Assert.That(w.CircularShift(Kernel(size / 2)).ToArray(), Is.EqualTo(expected));
        if (size == 1) return;
        float[] moved = [.. Enumerable.Range(0, 14).Select(i => expected[i / 7 * 7 + (i % 7 + 6) % 7])];
        Assert.That(w.CircularShift(Kernel(size / 2 + 1)).ToArray(), Is.EqualTo(moved));
        Assert.That(w.CircularShift(Kernel(size / 2 + 1)).CircularShift(Kernel(size / 2 - 1)).ToArray(), Is.EqualTo(expected));

        Tensor Kernel(int at) => Tensor.From([at, at], [2]).OneHot(size);
    }

    [Test]
    public void Draws_follow_the_distribution([Values] bool replacement)
    {
        Tensor p = Tensor.From([1f, 0, 3, 4, 0, 2], [6]).Expand([20000, 6]);
        int[] draws = p.Multinomial(1, new Philox(6), replacement).ToArray<int>();
        double[] expected = [0.1, 0, 0.3, 0.4, 0, 0.2];
        for (int i = 0; i < 6; i++) Assert.That(draws.Count(d => d == i) / 20000.0, Is.EqualTo(expected[i]).Within(expected[i] == 0 ? 0 : 0.015));
    }

    [Test]
    public void Draws_without_replacement_are_different_ones()
    {
        Tensor p = Tensor.From([1f, 0, 3, 4, 0, 2], [6]).Expand([500, 6]);
        int[] draws = p.Multinomial(4, new Philox(7), replacement: false).ToArray<int>();
        for (int row = 0; row < 500; row++) Assert.That(draws.AsSpan(row * 4, 4).ToArray(), Is.EquivalentTo(new[] { 0, 2, 3, 5 }));
        double[] first = [.. Enumerable.Range(0, 500).Select(row => (double)draws[row * 4])];
        Assert.That(first.Distinct().Count(), Is.EqualTo(4));
    }

    [Test]
    public void A_refused_draw_draws_nothing()
    {
        Philox random = new(8);
        Assert.Throws<ShapeException>(() => Tensor.From([1f, 1, 0, 0], [2, 2]).Multinomial(1, random));
        Assert.That(random.Position, Is.Zero);
    }

    [Test]
    public void The_seed_decides_the_draws_and_none_allocates()
    {
        Tensor p = new Philox(9).Uniform([5, 9], 0, 1).T;
        int[] draws = p.Multinomial(3, new Philox(10)).ToArray<int>();
        Assert.That(p.Multinomial(3, new Philox(10)).ToArray<int>(), Is.EqualTo(draws));
        Philox random = new(11);
        void Step()
        {
            using (Tape.Step()) p.Multinomial(3, random, replacement: false);
        }
        for (int i = 0; i < 3; i++) Step();
        Assert.That(Allocated.Least(Step), Is.Zero);
    }

    static Tensor Matrix => Tensor.Ones([2, 3]);

    static readonly TestCaseData[] Errors =
    [
        Error("Concat of nothing", () => Tensor.Concat(0), "Concat: no tensors"),
        Error("Concat of two shapes", () => Tensor.Concat(0, Matrix, Tensor.Ones([2, 4])), "Concat: tensor 1 is Float32 [2, 4], tensor 0 Float32 [2, 3]"),
        Error("Concat of two ranks", () => Tensor.Concat(0, Matrix, Tensor.Ones([3])), "Concat: tensor 1 is Float32 [3]"),
        Error("Concat of two types", () => Tensor.Concat(0, Matrix, Tensor.Ones([2, 3], DType.Float64)), "Concat: tensor 1 is Float64"),
        Error("Concat along nothing", () => Tensor.Concat(2, Matrix, Matrix), "Concat: dimension 2 of [2, 3]"),
        Error("Stack of nothing", () => Tensor.Stack(0), "Stack: no tensors"),
        Error("Stack of two shapes", () => Tensor.Stack(0, Matrix, Tensor.Ones([3, 2])), "Stack: tensor 1 is Float32 [3, 2], tensor 0 Float32 [2, 3]"),
        Error("Stack along nothing", () => Tensor.Stack(4, Matrix), "Stack: new dimension 4 for [2, 3]: -3 to 2"),
        Error("Gather with an index too large", () => Matrix.Gather(1, Tensor.From([0, 1, 2, 3], [2, 2])),
            "Gather: index 3 at [1, 1] of the indices [2, 2], into dimension 1 of [2, 3]: 0 to 2 was expected."),
        Error("Gather with a negative index", () => Matrix.Gather(0, Tensor.From([0, -1], [1, 2])), "Gather: index -1 at [0, 1] of the indices [1, 2], into dimension 0 of [2, 3]: 0 to 1"),
        Error("Gather with floats", () => Matrix.Gather(0, Matrix), "Gather: the indices [2, 3] are Float32"),
        Error("Gather of another rank", () => Matrix.Gather(0, Tensor.Range(0, 2)), "Gather: indices [2] for [2, 3]"),
        Error("Gather of more rows", () => Matrix.Gather(1, Tensor.From([0, 0, 0], [3, 1])), "Gather: indices [3, 1] for [2, 3]: 3 in dimension 0"),
        Error("IndexSelect out of range", () => Matrix.IndexSelect(0, Tensor.From([1, 2], [2])), "IndexSelect: index 2 at [1] of the indices [2], into dimension 0 of [2, 3]: 0 to 1"),
        Error("IndexSelect of a matrix", () => Matrix.IndexSelect(0, Tensor.From([1, 2], [2, 1])), "IndexSelect: the indices are [2, 1]"),
        Error("IndexSelect of nothing", () => Tensor.Ones([0, 3]).IndexSelect(0, Tensor.From([0], [1])), "IndexSelect: index 0 at [0] of the indices [1], into dimension 0 of [0, 3]: it is empty"),
        Error("Embedding out of range", () => Matrix.Embedding(Tensor.From([0, 0, 5], [3, 1])), "Embedding: index 5 at [2, 0] of the indices [3, 1], into dimension 0 of [2, 3]"),
        Error("Embedding of a vector", () => Tensor.Ones([3]).Embedding(Tensor.Range(0, 1)), "Embedding: the table is [3]"),
        Error("OneHot out of range", () => Tensor.Range(0, 3).OneHot(2), "OneHot: index 2 at [2] of the indices [3], into dimension 1 of [3, 2]: 0 to 1"),
        Error("OneHot of floats", () => Matrix.OneHot(2), "OneHot: the indices [2, 3] are Float32"),
        Error("OneHot of negative classes", () => Tensor.Range(0, 3).OneHot(-1), "OneHot: -1 classes"),
        Error("Sort of integers", () => Tensor.Range(0, 3).Sort(), "Sort: [3] holds Int32"),
        Error("Sort along nothing", () => Matrix.Sort(2), "Sort: dimension 2 of [2, 3]"),
        Error("TopK of too many", () => Matrix.TopK(4), "TopK: k = 4 along dimension -1 of [2, 3]: 0 to 3"),
        Error("TopK of a negative number", () => Matrix.TopK(-1), "TopK: k = -1"),
        Error("CircularShift by an even number", () => Matrix.CircularShift(Tensor.Ones([2, 2])), "CircularShift: [2, 3] by [2, 2]: the number of weights, 2, must be odd and at most 3"),
        Error("CircularShift by too many", () => Matrix.CircularShift(Tensor.Ones([2, 5])), "CircularShift: [2, 3] by [2, 5]: the number of weights, 5"),
        Error("CircularShift of another batch", () => Matrix.CircularShift(Tensor.Ones([3, 3])), "CircularShift: [2, 3] by [3, 3]: [.., N] and [.., K]"),
        Error("CircularShift of two types", () => Matrix.CircularShift(Tensor.Ones([2, 3], DType.Float64)), "CircularShift: Float32 [2, 3] and Float64 [2, 3]"),
        Error("Multinomial of a negative probability", () => Tensor.From([1f, -1], [2]).Multinomial(1, new(1)), "Multinomial: probability -1 at 1 of row 0 of [2]"),
        Error("Multinomial of NaN", () => Tensor.From([1f, float.NaN], [2]).Multinomial(1, new(1)), "Multinomial: probability NaN at 1"),
        Error("Multinomial of zeros", () => Tensor.Zeros([2, 3]).Multinomial(1, new(1)), "Multinomial: row 0 of [2, 3] has no probability above 0"),
        Error("Multinomial of too few", () => Tensor.From([1f, 0], [2]).Multinomial(2, new(1), replacement: false), "Multinomial: 2 draws without replacement from row 0 of [2], of which 1"),
        Error("Multinomial of a number", () => Tensor.Scalar(1).Multinomial(1, new(1)), "Multinomial: the probabilities are []"),
        Error("Multinomial of negative draws", () => Matrix.Multinomial(-1, new(1)), "Multinomial: -1 draws"),
        Error("Multinomial of integers", () => Tensor.Range(0, 3).Multinomial(1, new(1)), "Multinomial: [3] holds Int32"),
    ];

    static TestCaseData Error(string name, Action action, string message) => ReductionTests.Error(name, action, message);

    [TestCaseSource(nameof(Errors))]
    public void Errors_name_the_operation_and_what_disagrees(Action action, string message) =>
        Assert.That(Assert.Throws<ShapeException>(() => action())!.Message, Does.StartWith(message));
}
