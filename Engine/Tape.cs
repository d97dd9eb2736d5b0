using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>
/// The eager tape: operations compute at once and, where a gradient is wanted, leave themselves behind to be run backwards. Every thread has its own.
/// </summary>
public static class Tape
{
    /// <summary>What a thread is doing: the step it is in, and the modes that hold.</summary>
    internal sealed class State
    {
        public readonly List<Arena> Arenas = [];
        public int Depth;
        public Arena? Arena;
        public bool Recording = true, DetectsNonFinite;

        // The walk over the graph, kept between calls.
        public readonly List<Operation> Pending = [];
        public Operation[] Order = new Operation[64];
        public long[] Keys = new long[64];
    }

    [ThreadStatic] static State? state;
    static long sequence, walk;

    internal static State Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => state ??= new();
    }

    internal static long NextSequence() => Interlocked.Increment(ref sequence);

    /// <summary>Whether operations are recorded on this thread now.</summary>
    public static bool IsRecording => Current.Recording;

    /// <summary>
    /// Begins a step. Tensors made within it, and what is recorded, live until it is disposed; then their memory is used again by the next step, so
    /// that training allocates nothing. Steps nest: an evaluation within a training step has its own.
    /// </summary>
    /// <example><code>
    /// using (Tape.Step())
    /// {
    ///     Tensor loss = model.Forward(x).MeanSquaredError(y);
    ///     loss.Backward();
    ///     optimizer.Step();
    /// }
    /// </code></example>
    public static Scope Step()
    {
        State s = Current;
        Scope scope = new(s, s.Arena, s.Recording, s.DetectsNonFinite, s.Depth + 1);
        if (s.Arenas.Count == s.Depth) s.Arenas.Add(new Arena(Backend.Default));
        s.Arena = s.Arenas[s.Depth++];
        return scope;
    }

    /// <summary>Until disposed, nothing is recorded: results need less memory and have no gradient.</summary>
    public static Scope NoGradient()
    {
        State s = Current;
        Scope scope = new(s, s.Arena, s.Recording, s.DetectsNonFinite, 0);
        s.Recording = false;
        return scope;
    }

    /// <summary>Until disposed, what is made is owned by the garbage collector, as outside any step: for state that outlives it.</summary>
    public static Scope OutsideStep()
    {
        State s = Current;
        Scope scope = new(s, s.Arena, s.Recording, s.DetectsNonFinite, 0);
        s.Arena = null;
        return scope;
    }

    /// <summary>
    /// Until disposed, every operation's results and gradients are searched for NaN and infinity, and the first one throws a
    /// <see cref="NonFiniteException"/> that names the operation. It costs one more pass over everything.
    /// </summary>
    public static Scope DetectNonFinite()
    {
        State s = Current;
        Scope scope = new(s, s.Arena, s.Recording, s.DetectsNonFinite, 0);
        s.DetectsNonFinite = true;
        return scope;
    }

    /// <summary>A mode of the tape that ends when it is disposed, on the thread that began it, the last begun first.</summary>
    public readonly struct Scope : IDisposable
    {
        readonly State state;
        readonly Arena? arena;
        readonly bool recording, detectsNonFinite;
        readonly int depth;

        internal Scope(State state, Arena? arena, bool recording, bool detectsNonFinite, int depth) =>
            (this.state, this.arena, this.recording, this.detectsNonFinite, this.depth) = (state, arena, recording, detectsNonFinite, depth);

        /// <summary>Restores what held before; for a step, ends the life of every tensor made in it.</summary>
        /// <exception cref="InvalidOperationException">Another thread began it, or a step begun within it has not ended.</exception>
        public void Dispose()
        {
            if (state != Current) throw new InvalidOperationException("A step or mode of the tape ends on the thread that began it.");
            if (depth > 0)
            {
                if (state.Depth != depth) throw new InvalidOperationException("A step ends once, and only when every step begun within it has ended.");
                state.Arenas[--state.Depth].Reset();
            }
            (state.Arena, state.Recording, state.DetectsNonFinite) = (arena, recording, detectsNonFinite);
        }
    }

    /// <summary>
    /// Computes the gradients of the loss <c>sum over i of sum(roots[i] * gradients[i])</c>, adding to those already there. Operations run backwards, the
    /// last recorded first, each once.
    /// </summary>
    /// <exception cref="InvalidOperationException">None of the roots depends on anything that requires a gradient.</exception>
    /// <exception cref="ShapeException">A gradient has another shape or type than its root.</exception>
    public static void Backward(ReadOnlySpan<Tensor> roots, ReadOnlySpan<Tensor> gradients)
    {
        State s = Current;
        if (roots.Length != gradients.Length) throw new ShapeException("Backward", $"{gradients.Length} gradients for {roots.Length} roots.");
        bool any = false;
        for (int i = 0; i < roots.Length; i++)
        {
            if (gradients[i].Shape != roots[i].Shape || gradients[i].DType != roots[i].DType)
                throw new ShapeException("Backward", $"the gradient is {gradients[i].DType} {gradients[i].Shape}, but the tensor is {roots[i].DType} {roots[i].Shape}.");
            if (!roots[i].RequiresGradient) continue;
            any = true;
            AddTo(roots[i].GradientToAccumulate(), gradients[i]);
        }
        if (!any) throw new InvalidOperationException("Backward: nothing here depends on a tensor that requires a gradient, or it was computed within NoGradient.");

        int count = Collect(s, roots);
        bool recording = s.Recording;
        s.Recording = false;
        try
        {
            for (int i = 0; i < count; i++) s.Order[i].RunBackward(s);
        }
        finally
        {
            s.Recording = recording;
            Array.Clear(s.Order, 0, count);
        }
    }

    /// <summary>target += source, of the same shape; the target has gaps where it belongs to a view, and is summed into where that view was expanded.</summary>
    internal static unsafe void AddTo(Tensor target, Tensor source)
    {
        if (target.DType == DType.Float32) Add(target.Pointer<float>(), source.Pointer<float>(), target.Shape, target.Strides, source.Strides, 0);
        else Add(target.Pointer<double>(), source.Pointer<double>(), target.Shape, target.Strides, source.Strides, 0);

        static void Add<T>(T* to, T* from, Shape shape, Shape toStrides, Shape fromStrides, int d) where T : unmanaged, INumber<T>
        {
            if (d == shape.Rank)
            {
                *to += *from;
                return;
            }
            int size = shape[d], toStride = toStrides[d], fromStride = fromStrides[d];
            if (d < shape.Rank - 1)
                for (int i = 0; i < size; i++) Add(to + (long)i * toStride, from + (long)i * fromStride, shape, toStrides, fromStrides, d + 1);
            else
                for (int i = 0; i < size; i++) to[(long)i * toStride] += from[(long)i * fromStride];
        }
    }

    /// <summary>All recorded operations that lead to the roots, in the order in which gradients flow: every consumer before its producers.</summary>
    static int Collect(State s, ReadOnlySpan<Tensor> roots)
    {
        long mark = Interlocked.Increment(ref walk);
        int count = 0;
        foreach (Tensor root in roots) Visit(root.Root.Producer);
        while (s.Pending.Count > 0)
        {
            Operation operation = s.Pending[^1];
            s.Pending.RemoveAt(s.Pending.Count - 1);
            foreach (Tensor input in operation.Inputs) Visit(input.Root.Producer);
        }
        Array.Sort(s.Keys, s.Order, 0, count);
        return count;

        void Visit(Operation? operation)
        {
            if (operation is null || operation.Mark == mark) return;
            operation.Mark = mark;
            if (count == s.Order.Length)
            {
                Array.Resize(ref s.Order, 2 * count);
                Array.Resize(ref s.Keys, 2 * count);
            }
            s.Order[count] = operation;
            s.Keys[count++] = -operation.Sequence;
            s.Pending.Add(operation);
        }
    }
}

/// <summary>A NaN or an infinity, caught at the operation that first produced it while <see cref="Tape.DetectNonFinite"/> held.</summary>
/// <param name="operation">The operation's name.</param>
/// <param name="message">What was found where.</param>
public sealed class NonFiniteException(string operation, string message) : ArithmeticException(message)
{
    /// <summary>The operation that produced it.</summary>
    public string Operation { get; } = operation;
}
