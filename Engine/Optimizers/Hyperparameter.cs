using System.Runtime.CompilerServices;

namespace NeuralMemory.Optimizers;

/// <summary>Ranges of hyper-parameters. Every comparison is written so that NaN fails it.</summary>
static class Hyperparameter
{
    public static double NotNegative(double value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value >= 0 && double.IsFinite(value) ? value : throw new ArgumentOutOfRangeException(name, value, "A finite number not below 0 was expected.");

    public static double Positive(double value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value > 0 && double.IsFinite(value) ? value : throw new ArgumentOutOfRangeException(name, value, "A finite number above 0 was expected.");

    public static double BelowOne(double value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value is >= 0 and < 1 ? value : throw new ArgumentOutOfRangeException(name, value, "A number in [0, 1) was expected.");
}
