using System.Numerics;
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
public sealed unsafe class ExponentialMovingAverage
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
            Cpu.For(Type(i), parameters[i].Count, Cpu.Grain, new UpdateKernel((void*)averages[i].Body.Address, (void*)parameters[i].Body.Address, decay));
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
            Cpu.For(Type(i), parameters[i].Count, Cpu.Grain, new SwapKernel((void*)averages[i].Body.Address, (void*)parameters[i].Body.Address));
        IsSwappedIn = !IsSwappedIn;
        GC.KeepAlive(this);
    }

    void RequireSwapped(bool expected)
    {
        if (IsSwappedIn != expected) throw new InvalidOperationException($"The averages are {(expected ? "not " : "")}swapped in.");
    }

    DType Type(int i) => parameters[i].DType == averages[i].DType ? parameters[i].DType : throw new InvalidOperationException(
        $"Parameter {i} was {averages[i].DType} when its average was made and is {parameters[i].DType} now. Convert a module first.");

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

    readonly struct UpdateKernel(void* average, void* parameter, double decay) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> a = new(average), w = new(parameter);
            V kept = V.Constant(decay), added = V.Constant(1 - decay);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                a[i, n] = V.Fma(added, w[i, n], kept * a[i, n]);
            }
        }
    }

    readonly struct SwapKernel(void* left, void* right) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Elements<V, T> a = new(left), b = new(right);
            for (int i = start; i < end; i += V.Count)
            {
                int n = Math.Min(V.Count, end - i);
                (a[i, n], b[i, n]) = (b[i, n], a[i, n]);
            }
        }
    }
}
