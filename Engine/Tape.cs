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
        public readonly List<Arena> Arenas = [];            // every one there has been, for one step after the other
        public readonly List<Arena> Steps = [];             // those of the steps that have begun, the innermost last
        public Arena? Arena;
        public Backend? Backend;
        public bool Recording = true, DetectsNonFinite;
        public long Begun, Innermost;                       // how many steps and modes have begun, and which of them, counted so, is the one that ends next: 0 where none holds

        public Arena NewStep(Backend backend)
        {
            Arena? arena = null;
            foreach (Arena free in Arenas)
                if (free.Backend == backend && !Steps.Contains(free)) arena = free;
            if (arena is null) Arenas.Add(arena = new(backend));
            Steps.Add(arena);
            return arena;
        }

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

    /// <summary>Where to make what is to live as long as a tensor: its own step, even within another; but no step that another thread began, whose memory is not this one's to take.</summary>
    internal static Arena? StepOf(TensorBody tensor) => tensor.Arena is { } arena && Current.Steps.Contains(arena) ? arena : null;

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
        Scope scope = new(s, step: true);
        s.Arena = s.NewStep(Backend.Current);
        return scope;
    }

    /// <summary>Until disposed, nothing is recorded: results need less memory and have no gradient.</summary>
    public static Scope NoGradient()
    {
        State s = Current;
        Scope scope = new(s);
        s.Recording = false;
        return scope;
    }

    /// <summary>Until disposed, what is made is owned by the garbage collector, as outside any step: for state that outlives it.</summary>
    public static Scope OutsideStep()
    {
        State s = Current;
        Scope scope = new(s);
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
        Scope scope = new(s);
        s.DetectsNonFinite = true;
        return scope;
    }

    internal static Scope UseBackend(Backend backend)
    {
        State s = Current;
        Scope scope = new(s);
        s.Backend = backend;
        if (s.Arena?.Backend != backend) s.Arena = null;
        return scope;
    }

    /// <summary>A mode of the tape that ends when it is disposed, on the thread that began it, the last begun first.</summary>
    public readonly struct Scope : IDisposable
    {
        readonly State state;
        readonly Arena? arena;
        readonly Backend? backend;
        readonly bool recording, detectsNonFinite, step;
        readonly long number, outer;

        /// <summary>Remembers the modes that hold and begins another one, or a step.</summary>
        internal Scope(State state, bool step = false)
        {
            (this.state, arena, backend, recording, detectsNonFinite, outer, this.step) = (state, state.Arena, state.Backend, state.Recording, state.DetectsNonFinite, state.Innermost, step);
            state.Innermost = number = ++state.Begun;
        }

        /// <summary>Restores what held before; for a step, ends the life of every tensor made in it.</summary>
        /// <exception cref="InvalidOperationException">Another thread began it, it has ended, or a step or mode begun within it has not.</exception>
        public void Dispose()
        {
            if (state != Current) throw new InvalidOperationException("A step or mode of the tape ends on the thread that began it.");
            if (state.Innermost != number) throw new InvalidOperationException("A step or mode of the tape ends once, and only when every step and mode begun within it has ended.");
            state.Innermost = outer;
            if (step)
            {
                Arena ended = state.Steps[^1];
                state.Steps.RemoveAt(state.Steps.Count - 1);
                ended.Reset();
            }
            (state.Arena, state.Backend, state.Recording, state.DetectsNonFinite) = (arena, backend, recording, detectsNonFinite);
        }
    }

    /// <summary>
    /// Computes the gradients of the loss <c>sum over i of sum(roots[i] * gradients[i])</c>, adding to those already there. Operations run backwards, the
    /// last recorded first, each once.
    /// </summary>
    /// <remarks>Where it throws half-way, the gradients of leaves, and those that are retained, hold what had been added until then.</remarks>
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
            any |= roots[i].RequiresGradient;
        }
        if (!any) throw new InvalidOperationException("Backward: nothing here depends on a tensor that requires a gradient, or it was computed within NoGradient.");

        int count = 0;
        bool recording = s.Recording;
        s.Recording = false;
        try
        {
            foreach (bool isLeaf in (ReadOnlySpan<bool>)[false, true])              // leaves last: what is added to the gradient of one may be another root's
                for (int i = 0; i < roots.Length; i++)
                    if (roots[i].RequiresGradient && roots[i].Root.Producer is null == isLeaf && !(roots.Length == 1 && roots[i].TakeGradient(gradients[i]))) roots[i].AddToGradient(gradients[i]);
            count = Collect(s, roots);
            for (int i = 0; i < count; i++) s.Order[i].RunBackward(s);
        }
        catch
        {
            Abandon(s, roots);
            throw;
        }
        finally
        {
            s.Recording = recording;
            Array.Clear(s.Order, 0, count);
        }
    }

    /// <summary>After a pass that threw: drops the gradients that intermediate values have of it, and the walk over the graph.</summary>
    static void Abandon(State s, ReadOnlySpan<Tensor> roots)
    {
        foreach (Tensor root in roots) root.Root.Producer?.Abandon();
        foreach (Operation? operation in s.Order) operation?.Abandon();
        Array.Clear(s.Order);
        s.Pending.Clear();
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
