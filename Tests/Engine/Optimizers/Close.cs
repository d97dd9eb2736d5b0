namespace NeuralMemory.Tests.Engine.Optimizers;

static class Close
{
    /// <summary>|actual - expected| &lt;= tolerance (1 + |expected|), element by element.</summary>
    public static void Assert(double[] actual, double[] expected, double tolerance, string what)
    {
        NUnit.Framework.Assert.That(actual, Has.Length.EqualTo(expected.Length), what);
        for (int i = 0; i < actual.Length; i++)
            if (!(Math.Abs(actual[i] - expected[i]) <= tolerance * (1 + Math.Abs(expected[i]))))
                NUnit.Framework.Assert.Fail($"{what}, element {i}: {actual[i]:g9}, but {expected[i]:g9} was expected.");
    }
}
