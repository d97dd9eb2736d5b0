using NeuralMemory.Tasks;

namespace NeuralMemory.Tests.Models.Tasks;

public class DynamicNGramsTaskTests
{
    [Test]
    public void Each_target_is_the_next_input()
    {
        using var _ = Tape.Step();
        Episode episode = new DynamicNGramsTask().Next(new Philox(1), 3);
        Assert.That((episode.Length, episode.Steps, episode.OutputStart, episode.OutputBits), Is.EqualTo((200, 199, 0, 199)));
        Assert.That(episode.Targets.Slice(0, 0, 198).ToArray(), Is.EqualTo(episode.Inputs.Slice(0, 1, 199).ToArray()));
        Assert.That(episode.Inputs.ToArray(), Is.All.EqualTo(0).Or.EqualTo(1));
    }

    [Test]
    public void Bits_follow_the_table()
    {
        const int length = 400_000;
        double[] table = new double[32];
        DynamicNGramsTask.DrawTable(new Philox(2), table);                  // the first thing that a sequence draws
        using var _ = Tape.Step();
        float[] bits = new DynamicNGramsTask().Next(new Philox(2), 1, length).Inputs.ToArray();
        int[] seen = new int[32], ones = new int[32];
        for (int i = 5; i < bits.Length; i++)
        {
            int history = (int)(16 * bits[i - 5] + 8 * bits[i - 4] + 4 * bits[i - 3] + 2 * bits[i - 2] + bits[i - 1]);
            seen[history]++;
            ones[history] += (int)bits[i];
        }
        for (int history = 0; history < 32; history++)
            if (seen[history] > 0)
                Assert.That((double)ones[history] / seen[history], Is.EqualTo(table[history]).Within(5 * Math.Sqrt(table[history] * (1 - table[history]) / seen[history]) + 1e-3));
        Assert.That(seen.Count(n => n > 100), Is.GreaterThan(20));
    }

    [Test]
    public void Tables_are_Beta_half_half()
    {
        double[] p = new double[100_000];
        DynamicNGramsTask.DrawTable(new Philox(3), p);
        Assert.That(p, Is.All.InRange(0, 1));
        Assert.That(p.Average(), Is.EqualTo(.5).Within(.01));
        Assert.That(p.Average(x => (x - .5) * (x - .5)), Is.EqualTo(1.0 / 8).Within(.002), "variance of Beta(1/2, 1/2)");
        foreach (double quantile in (double[])[.01, .1, .3])
            Assert.That((double)p.Count(x => x < quantile) / p.Length, Is.EqualTo(2 / Math.PI * Math.Asin(Math.Sqrt(quantile))).Within(.01), $"P(p < {quantile})");
    }

    [Test]
    public void The_first_bits_are_fair_coins()
    {
        using var _ = Tape.Step();
        Tensor inputs = new DynamicNGramsTask().Next(new Philox(4), 20_000, 20).Inputs;
        float[][] bits = [.. Enumerable.Range(0, 5).Select(t => inputs.Select(0, t).ToArray())];
        double[] histories = new double[32];
        for (int b = 0; b < 20_000; b++) histories[(int)(16 * bits[0][b] + 8 * bits[1][b] + 4 * bits[2][b] + 2 * bits[3][b] + bits[4][b])]++;
        Assert.That(histories, Is.All.EqualTo(625).Within(125));
    }

    [Test]
    public void The_optimal_estimator_is_equation_10()
    {
        // Order 2: the history is one bit. Bits 0 1 1 1 0 1: nothing is known of 0 at first, then that a one followed it, and of 1 that ones did.
        DynamicNGramsTask task = new(order: 2);
        float[] bits = [0, 1, 1, 1, 0, 1];
        Episode episode = new(Tensor.From(bits.AsSpan(0, 5), [5, 1, 1]), Tensor.From(bits.AsSpan(1), [5, 1, 1]), 0, 6);
        double[] expected = [.5, .5, 1.5 / 2, 2.5 / 3, 1.5 / 2];
        Assert.That(task.OptimalLogits(episode).ToArray().Select(x => 1 / (1 + Math.Exp(-x))), Is.EqualTo(expected).Within(1e-6));
        double[] cost = new double[1];
        episode.CrossEntropyBits(task.OptimalLogits(episode), cost);
        Assert.That(cost[0], Is.EqualTo(-Math.Log2(.5) - Math.Log2(.5) - Math.Log2(.75) - Math.Log2(.5 / 3) - Math.Log2(.75)).Within(1e-6));
    }

    [Test]
    public void The_optimal_estimator_without_history_counts_the_first_bit_too()
    {
        DynamicNGramsTask task = new(order: 1);
        Episode episode = new(Tensor.From([1f, 1], [2, 1, 1]), Tensor.From([1f, 0], [2, 1, 1]), 0, 3);
        Assert.That(task.OptimalLogits(episode).ToArray().Select(x => 1 / (1 + Math.Exp(-x))), Is.EqualTo(new[] { 1.5 / 2, 2.5 / 3 }).Within(1e-6));
    }

    [Test]
    public void Sequences_of_a_batch_are_estimated_apart()
    {
        DynamicNGramsTask task = new();
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(5), 3);
        Tensor together = task.OptimalLogits(episode);
        for (int b = 0; b < 3; b++)
        {
            Episode one = new(episode.Inputs.Slice(1, b, b + 1), episode.Targets.Slice(1, b, b + 1), 0, 200);
            Assert.That(task.OptimalLogits(one).ToArray(), Is.EqualTo(together.Select(1, b).ToArray()));
        }
    }

    [Test]
    public void The_optimal_estimator_costs_less_than_a_bit_a_step_and_more_than_the_table_itself()
    {
        const int batch = 1000;
        DynamicNGramsTask task = new();
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(6), batch);
        double[] optimal = new double[batch], wrong = new double[batch];
        episode.CrossEntropyBits(task.OptimalLogits(episode), optimal);
        episode.ErrorBits(task.OptimalLogits(episode), wrong);

        // An arcsine p leaves .5573 bits uncertain on average, and what it takes to learn 32 of them comes on top; 4 predictions are of fair coins.
        Assert.That(optimal.Average(), Is.GreaterThan(4 + 195 * .5573).And.EqualTo(132.5).Within(2));
        Assert.That(wrong.Average(), Is.EqualTo(47.3).Within(1.5));
    }

    [Test]
    public void Surer_or_less_sure_than_the_optimal_estimator_is_worse()
    {
        DynamicNGramsTask task = new();
        using var _ = Tape.Step();
        Episode episode = task.Next(new Philox(7), 2000);
        double[] bits = new double[2000];
        Tensor logits = task.OptimalLogits(episode), other = Tensor.Empty(logits.Shape);
        episode.CrossEntropyBits(logits, bits);
        double optimal = bits.Average();
        foreach (float scale in (float[])[.8f, 1.25f])
        {
            other.CopyFrom<float>([.. logits.ToArray().Select(x => scale * x)]);
            episode.CrossEntropyBits(other, bits);
            Assert.That(bits.Average(), Is.GreaterThan(optimal));
        }
    }

    [Test]
    public void Bad_sizes_are_named()
    {
        Assert.That(() => new DynamicNGramsTask(order: 0), SequenceTaskTests.Refused("order"));
        Assert.That(() => new DynamicNGramsTask(order: 17), SequenceTaskTests.Refused("order"));
        Assert.That(() => new DynamicNGramsTask(minLength: 1), SequenceTaskTests.Refused("minLength"));
        Assert.That(() => new DynamicNGramsTask(maxLength: 100), SequenceTaskTests.Refused("maxLength"));
    }
}
