using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory.Optimizers;

/// <summary>
/// A running average of parameters, often better than the last ones: <c>a = delta a + (1 - delta) w</c> after every step, from a = w at first.
/// </summary>
/// <remarks>Polyak and Juditsky 1992, with exponential weights. Nothing is allocated after the constructor.</remarks>
/// <example><code>
/// optimizer.Step();
/// average.Update();
/// using (average.SwapIn()) Evaluate(model);
/// </code></example>
public sealed class ExponentialMovingAverage
{
    readonly Tensor[] parameters, averages;
    readonly double decay;

    /// <summary>Begins with a copy of the parameters.</summary>
    /// <param name="parameters">Leaves outside any step, each once: a module's <see cref="Module.Parameters"/>.</param>
    /// <param name="decay">delta: how much of the average is kept in an update; in [0, 1).</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or one is no leaf that owns its elements.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="decay"/> is out of its range.</exception>
    public ExponentialMovingAverage(IReadOnlyList<Tensor> parameters, double decay = 0.999)
    {
        this.parameters = Leaves.Check(parameters);
        this.decay = Hyperparameter.BelowOne(decay);
        averages = [.. this.parameters.Select(p => p.Keep())];
    }

    /// <summary>Whether the parameters hold the averages now, and the averages the parameters.</summary>
    public bool IsSwappedIn { get; private set; }

    /// <summary>Takes the parameters into the averages. To be called after every step of the optimiser.</summary>
    /// <exception cref="InvalidOperationException">The averages are swapped in.</exception>
    public void Update()
    {
        RequireSwapped(false);
        for (int i = 0; i < parameters.Length; i++)
            averages[i].Backend.Update(new Average(decay), Checked(i), averages[i]);
        GC.KeepAlive(this);
    }

    /// <summary>Exchanges the values of parameters and averages, to evaluate or save the averaged model. Disposing the result exchanges them back.</summary>
    /// <exception cref="InvalidOperationException">They are exchanged already.</exception>
    public Scope SwapIn()
    {
        RequireSwapped(false);
        Swap();
        return new(this);
    }

    /// <summary>The averages by stable names, <c>average.0</c> and so on, for checkpoints. Overwrite them to resume.</summary>
    /// <exception cref="InvalidOperationException">The averages are swapped in.</exception>
    public IEnumerable<(string Name, Tensor Tensor)> NamedState()
    {
        RequireSwapped(false);
        return averages.Select((average, i) => ($"average.{i}", average));
    }

    void Swap()
    {
        for (int i = 0; i < parameters.Length; i++)
            averages[i].Backend.Update(new Exchange(), averages[i], Checked(i), averages[i]);
        IsSwappedIn = !IsSwappedIn;
        GC.KeepAlive(this);
    }

    void RequireSwapped(bool expected)
    {
        if (IsSwappedIn != expected) throw new InvalidOperationException($"The averages are {(expected ? "not " : "")}swapped in.");
    }

    Tensor Checked(int i) => parameters[i].DType == averages[i].DType && parameters[i].Backend == averages[i].Backend ? parameters[i] : throw new InvalidOperationException(
        $"Parameter {i} was {averages[i].DType} on {averages[i].Backend.Name} when its average was made and is {parameters[i].DType} on {parameters[i].Backend.Name} now. Convert a module first.");

    /// <summary>The time while the parameters hold the averages.</summary>
    public readonly struct Scope : IDisposable
    {
        readonly ExponentialMovingAverage average;

        internal Scope(ExponentialMovingAverage average) => this.average = average;

        /// <summary>Gives the parameters their own values back.</summary>
        /// <exception cref="InvalidOperationException">They have them already.</exception>
        public void Dispose()
        {
            average.RequireSwapped(true);
            average.Swap();
        }
    }

    /// <summary>a = delta a + (1 - delta) w, with a in the place of the weight and w in that of the gradient.</summary>
    internal readonly struct Average(double decay) : IUpdateRule
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V> => w = V.Fma(V.Constant(1 - decay), g, V.Constant(decay) * w);
    }

    /// <summary>The weight and its state change places.</summary>
    internal readonly struct Exchange : IUpdateRule
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<V>(V g, ref V w, ref V a, ref V b, ref V c) where V : struct, ISimd<V> => (w, a) = (a, w);
    }
}
