using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class EpisodeTests
{
    /// <summary>Three steps, the last two of them output; two sequences; two bits.</summary>
    static Episode Small() => new(Tensor.Zeros([3, 2, 1]), Tensor.From([0f, 0, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0], [3, 2, 2]), 1, 2);

    [Test]
    public void Sizes()
    {
        Episode episode = Small();
        Assert.That((episode.Steps, episode.Batch, episode.OutputSteps, episode.OutputBits), Is.EqualTo((3, 2, 2, 4)));
        Assert.That(episode.Output(episode.Targets).ToArray(), Is.EqualTo(new float[] { 1, 0, 1, 1, 0, 0, 1, 0 }));
    }

    [Test]
    public void ErrorBits_counts_wrong_signs_in_the_output()
    {
        float[] logits = [9, 9, 9, 9, /* step 1 */ 2, -1, -3, .1f, /* step 2 */ .2f, 0, 1, 1];
        double[] bits = [-1, -1];
        Small().ErrorBits(Tensor.From(logits, [3, 2, 2]), bits);
        Assert.That(bits, Is.EqualTo(new double[] { 1, 2 }));
    }

    [Test]
    public void ErrorBits_takes_NaN_for_wrong()
    {
        double[] bits = new double[2];
        Small().ErrorBits(Tensor.Full([3, 2, 2], double.NaN), bits);
        Assert.That(bits, Is.EqualTo(new double[] { 4, 4 }));
    }

    [Test]
    public void CrossEntropyBits_is_minus_log2_of_the_probability_of_the_target()
    {
        static float Logit(double p) => (float)Math.Log(p / (1 - p));
        float[] logits = [9, 9, 9, 9, Logit(.5), Logit(.25), Logit(.125), Logit(.5), Logit(.75), Logit(.9), Logit(.1), Logit(.01)];
        double[] bits = [-1, -1];
        Small().CrossEntropyBits(Tensor.From(logits, [3, 2, 2]), bits);
        Assert.That(bits[0], Is.EqualTo(1 - Math.Log2(.75) + 2 - Math.Log2(.1)).Within(1e-5));
        Assert.That(bits[1], Is.EqualTo(3 + 1 - Math.Log2(.1) - Math.Log2(.99)).Within(1e-5));
    }

    [Test]
    public void CrossEntropyBits_stays_finite_and_exact_for_extreme_logits()
    {
        double[] bits = new double[2];
        Small().CrossEntropyBits(Tensor.Full([3, 2, 2], 1000), bits);
        Assert.That(bits[0], Is.EqualTo(3 * 1000 / Math.Log(2)).Within(1e-9));
        Assert.That(bits[1], Is.EqualTo(1 * 1000 / Math.Log(2)).Within(1e-9));
    }

    [Test]
    public void A_transposed_view_and_float64_are_read_as_they_are()
    {
        Episode episode = Small();
        Tensor logits = Tensor.From([-1f, 2, 1, -2, 1, 1, 0, 3, -2, 4, -5, -1], [3, 2, 2]), reordered = Tensor.Empty([2, 2, 3], DType.Float64);
        reordered.CopyFrom<float>(logits.Permute(2, 1, 0).ToArray());
        double[] expected = new double[2], actual = new double[2];
        episode.CrossEntropyBits(logits, expected);
        episode.CrossEntropyBits(reordered.Permute(2, 1, 0), actual);
        Assert.That(actual, Is.EqualTo(expected));
    }

    [Test]
    public void Shapes_that_disagree_are_refused()
    {
        double[] bits = new double[2];
        Assert.That(() => Small().ErrorBits(Tensor.Zeros([2, 2, 2]), bits), Throws.InstanceOf<ShapeException>().With.Message.Contains("[2, 2, 2]").And.Message.Contains("[3, 2, 2]"));
        Assert.That(() => Small().CrossEntropyBits(Tensor.Zeros([3, 2, 2]), new double[3]), Throws.InstanceOf<ShapeException>().With.Message.Contains("3 places"));
        Assert.That(() => Small().Output(Tensor.Zeros([2, 2, 2])), Throws.InstanceOf<ShapeException>().With.Message.Contains("3 steps"));
    }
}
