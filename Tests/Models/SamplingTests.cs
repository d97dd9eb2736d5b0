using NeuralMemory.Models;

namespace NeuralMemory.Tests.Models;

public sealed class SamplingTests
{
    // Probabilities .5, .25, .15 and .1, in another order.
    static readonly double[] probabilities = [.15, .5, .1, .25];
    static readonly float[] logits = [.. probabilities.Select(p => (float)Math.Log(p) + 3)];

    static double[] Of(Sampling sampling) => sampling.Probabilities(logits);

    [Test]
    public void Without_limits_it_is_the_softmax() => Assert.That(Of(new()), Is.EqualTo(probabilities).Within(1e-6));

    [Test]
    public void Temperature_divides_the_logits()
    {
        double sum = probabilities.Sum(p => p * p);
        Assert.That(Of(new(Temperature: .5)), Is.EqualTo(probabilities.Select(p => p * p / sum)).Within(1e-6));
        Assert.That(Of(new(Temperature: 1e6)), Is.All.EqualTo(.25).Within(1e-5));
        Assert.That(Of(new(Temperature: 1e-3)), Is.EqualTo(new double[] { 0, 1, 0, 0 }).Within(1e-9));
        Assert.That(Of(Sampling.Greedy), Is.EqualTo(new double[] { 0, 1, 0, 0 }));
    }

    [TestCase(1, 0, 1, 0, 0)]
    [TestCase(2, 0, 2 / 3.0, 0, 1 / 3.0)]
    [TestCase(3, 1 / 6.0, 5 / 9.0, 0, 5 / 18.0)]
    [TestCase(9, .15, .5, .1, .25)]
    public void Top_k_leaves_the_likeliest(int k, params double[] expected) => Assert.That(Of(new(TopK: k)), Is.EqualTo(expected).Within(1e-6));

    [TestCase(.01, 0, 1, 0, 0)]
    [TestCase(.45, 0, 1, 0, 0)]
    [TestCase(.55, 0, 2 / 3.0, 0, 1 / 3.0)]
    [TestCase(.8, 1 / 6.0, 5 / 9.0, 0, 5 / 18.0)]
    [TestCase(1, .15, .5, .1, .25)]
    public void Top_p_leaves_the_fewest_that_reach_it(double p, params double[] expected) => Assert.That(Of(new(TopP: p)), Is.EqualTo(expected).Within(1e-6));

    [Test]
    public void Equals_are_taken_in_their_order()
    {
        Assert.That(Sampling.Greedy.Probabilities([1, 3, 3, 3]), Is.EqualTo(new double[] { 0, 1, 0, 0 }));
        Assert.That(new Sampling(TopK: 2).Probabilities([1, 3, 3, 3]), Is.EqualTo(new double[] { 0, .5, .5, 0 }));
    }

    [Test]
    public void Symbols_are_drawn_as_often_as_they_should()
    {
        const int draws = 40_000;
        Philox random = new(1);
        int[] counts = new int[4];
        for (int i = 0; i < draws; i++) counts[new Sampling(TopK: 3).Next(logits, random)]++;
        double[] expected = Of(new(TopK: 3));
        for (int i = 0; i < 4; i++) Assert.That((double)counts[i] / draws, Is.EqualTo(expected[i]).Within(4 * Math.Sqrt(.25 / draws)));
        Assert.That(random.Position, Is.EqualTo(2 * draws), "one double a draw");
    }

    [Test]
    public void Huge_logits_do_not_overflow() => Assert.That(new Sampling().Probabilities([1e38f, -1e38f, 1e38f]), Is.EqualTo(new double[] { .5, 0, .5 }));

    [Test]
    public void Numbers_out_of_range()
    {
        Assert.That(() => new Sampling(Temperature: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Sampling(Temperature: double.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Sampling(TopK: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Sampling(TopP: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Sampling(TopP: 1.01), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
