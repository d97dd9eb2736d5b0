using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// What a recurrent network computes at one step of one sequence: from z = W_h h' (+ b), the projection of the hidden state before, and the projected input x the
/// hidden state h after. Both projections are [gates, hidden].
/// </summary>
interface IRecurrentCell
{
    /// <summary>The name that errors use.</summary>
    static abstract string Name { get; }

    /// <summary>Projections for each hidden unit.</summary>
    static abstract int Gates { get; }

    /// <summary>Whether a cell [hidden] is handed from step to step beside the hidden state. A cell that is not only carries a value to the backward pass.</summary>
    static abstract bool HasCell { get; }

    /// <summary>Whether the input is kept apart from z, which then begins as the bias of the recurrent projection. Otherwise z begins as x.</summary>
    static abstract bool InputApart { get; }

    /// <summary>Whether h' acts other than through W_h.</summary>
    static abstract bool SeesHidden { get; }

    /// <summary>
    /// h and c of some hidden units, from their gates' projections <paramref name="x"/> (of a cell that keeps them apart) and <paramref name="z"/>, which is replaced by what
    /// <see cref="Backward"/> needs.
    /// </summary>
    static abstract void Forward<V>(in Gates<V> x, ref Gates<V> z, V hiddenBefore, V cellBefore, out V hidden, out V cell) where V : struct, ISimd<V>;

    /// <summary>
    /// From dL/dh and dL/dc: dL/dz; dL/dx, of a cell that keeps x apart; and what reaches h' other than through W_h, and c', which replace dL/dh and dL/dc.
    /// </summary>
    static abstract void Backward<V>(in Gates<V> z, V hiddenBefore, V cellBefore, V cell, ref V dHidden, ref V dCell, out Gates<V> dz, out Gates<V> dx) where V : struct, ISimd<V>;
}

/// <summary>A number for each gate of a hidden unit, as many units as V has lanes; of a cell with fewer gates the last ones are not used.</summary>
struct Gates<V> where V : struct, ISimd<V>
{
    public V A, B, C, D;
}

/// <summary>A cell's step of one sequence on the CPU.</summary>
static unsafe class RecurrentStep<C> where C : struct, IRecurrentCell
{
    /// <summary>Writes h and c, and replaces z [gates, hidden] by what <see cref="Backward"/> needs.</summary>
    public static void Forward<V, T>(T* x, T* z, T* hiddenBefore, T* cellBefore, T* hidden, T* cell, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            int n = size - j;
            Gates<V> gates = Load<V, T>(z + j, size, n), input = C.InputApart ? Load<V, T>(x + j, size, n) : default;
            V cBefore = C.HasCell ? Lanes.Load<V, T>(cellBefore + j, 1, n) : V.Zero;
            C.Forward(input, ref gates, C.SeesHidden ? Lanes.Load<V, T>(hiddenBefore + j, 1, n) : V.Zero, cBefore, out V h, out V c);
            Store<V, T>(gates, z + j, size, n);
            Lanes.Store(hidden + j, 1, h, n);
            Lanes.Store(cell + j, 1, c, n);
        }
    }

    /// <summary>Writes dL/dz, adds to dL/dx where there is one, and replaces dL/dh and dL/dc by what reaches the step before other than through W_h.</summary>
    public static void Backward<V, T>(T* z, T* hiddenBefore, T* cellBefore, T* cell, T* dHidden, T* dCell, T* dz, T* dx, int size)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < size; j += V.Count)
        {
            int n = size - j;
            V dh = Lanes.Load<V, T>(dHidden + j, 1, n), dc = Lanes.Load<V, T>(dCell + j, 1, n), cBefore = C.HasCell ? Lanes.Load<V, T>(cellBefore + j, 1, n) : V.Zero;
            C.Backward(Load<V, T>(z + j, size, n), C.SeesHidden ? Lanes.Load<V, T>(hiddenBefore + j, 1, n) : V.Zero, cBefore, Lanes.Load<V, T>(cell + j, 1, n), ref dh, ref dc, out Gates<V> gates, out Gates<V> input);
            Store<V, T>(gates, dz + j, size, n);
            if (dx != null) Add<V, T>(C.InputApart ? input : gates, dx + j, size, n);
            Lanes.Store(dHidden + j, 1, dh, n);
            Lanes.Store(dCell + j, 1, dc, n);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Gates<V> Load<V, T>(T* from, int size, int n) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Gates<V> gates = default;
        gates.A = Lanes.Load<V, T>(from, 1, n);
        if (C.Gates > 1) gates.B = Lanes.Load<V, T>(from + size, 1, n);
        if (C.Gates > 2) gates.C = Lanes.Load<V, T>(from + 2 * size, 1, n);
        if (C.Gates > 3) gates.D = Lanes.Load<V, T>(from + 3 * size, 1, n);
        return gates;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store<V, T>(in Gates<V> gates, T* to, int size, int n) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Lanes.Store(to, 1, gates.A, n);
        if (C.Gates > 1) Lanes.Store(to + size, 1, gates.B, n);
        if (C.Gates > 2) Lanes.Store(to + 2 * size, 1, gates.C, n);
        if (C.Gates > 3) Lanes.Store(to + 3 * size, 1, gates.D, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Add<V, T>(in Gates<V> gates, T* to, int size, int n) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Lanes.Store(to, 1, Lanes.Load<V, T>(to, 1, n) + gates.A, n);
        if (C.Gates > 1) Lanes.Store(to + size, 1, Lanes.Load<V, T>(to + size, 1, n) + gates.B, n);
        if (C.Gates > 2) Lanes.Store(to + 2 * size, 1, Lanes.Load<V, T>(to + 2 * size, 1, n) + gates.C, n);
        if (C.Gates > 3) Lanes.Store(to + 3 * size, 1, Lanes.Load<V, T>(to + 3 * size, 1, n) + gates.D, n);
    }
}

/// <summary>
/// A recurrent network over a whole sequence, fused: the recurrent weight stays in the cache while the loop over time runs; the input's projections are one
/// product made before it, and the weight's gradient is one product after it,
/// <code>
/// h_k = cell(x_t, W_h h_k-1)          dL/dW_h = sum over k of dL/dz_k h_k-1^T
/// </code>
/// Step k of a sequence of length L is at time t = k, or at t = L - 1 - k in reverse. What is saved is ordered by k, so that sequences of different lengths walk
/// side by side in either direction.
/// </summary>
sealed unsafe partial class RecurrentScan<C> : Operation<RecurrentScan<C>> where C : struct, IRecurrentCell
{
    Saved saved;
    Order order;

    public override string Name => C.Name;

    /// <summary>What the forward pass leaves for the backward one.</summary>
    /// <param name="Z">[time, batch, gates * hidden], rows padded to whole vectors: what the cell made of z.</param>
    /// <param name="Hidden">[time + 1, batch, hidden].</param>
    /// <param name="Cell">[time + 1, batch, hidden].</param>
    /// <param name="Keeps">Whether every step is kept. Without a gradient two steps are enough, and they take turns.</param>
    readonly record struct Saved(Tensor Z, Tensor Hidden, Tensor Cell, bool Keeps)
    {
        public T* Step<T>(Tensor tensor, int k, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? k : 0, b);

        public T* State<T>(Tensor tensor, int k, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? k : k & 1, b);
    }

    /// <summary>Which time each step is at.</summary>
    readonly record struct Order(Tensor? Lengths, bool Reverse, int Steps)
    {
        public int Length(int b) => Lengths is { } lengths ? lengths.Pointer<int>()[b] : Steps;

        public int Longest(int first, int count)
        {
            int longest = 0;
            for (int b = first; b < first + count; b++) longest = Math.Max(longest, Length(b));
            return longest;
        }

        /// <summary>The time of step <paramref name="k"/>, which must be less than the sequence's length.</summary>
        public int Time(int k, int b) => Reverse ? Length(b) - 1 - k : k;
    }

    /// <param name="x">[time, batch, gates * hidden].</param>
    /// <param name="recurrent">[gates * hidden, hidden].</param>
    /// <param name="bias">[gates * hidden], for a cell that keeps its input apart; otherwise not used.</param>
    /// <param name="hidden">[batch, hidden].</param>
    /// <param name="cell">[batch, hidden], for a cell that has one; otherwise not used.</param>
    /// <param name="lengths">Int32 [batch], from 0 to time; all of the sequence without.</param>
    /// <param name="reverse">Whether to begin at each sequence's last step.</param>
    public static (Tensor Output, Tensor Hidden, Tensor Cell) Apply(Tensor x, Tensor recurrent, Tensor bias, Tensor hidden, Tensor cell, Tensor? lengths, bool reverse)
    {
        Check(x, recurrent, bias, hidden, cell, lengths);
        int time = x.Shape[0], batch = x.Shape[1], size = hidden.Shape[1], gates = C.Gates * size;
        DType type = x.DType;
        (x, hidden) = (x.Contiguous(), hidden.Contiguous());
        cell = C.HasCell ? cell.Contiguous() : hidden;
        if (!C.InputApart) bias = hidden;

        bool keeps = Tape.IsRecording && (x.RequiresGradient || recurrent.RequiresGradient || bias.RequiresGradient || hidden.RequiresGradient || cell.RequiresGradient);
        int steps = keeps ? time : Math.Min(time, 1), states = keeps ? time + 1 : 2;
        Order order = new(lengths?.Contiguous(), reverse, time);
        Saved saved = new(Kept([steps, batch, Recurrence.Pad(gates)], type, order), Kept([states, batch, size], type, order), Kept([states, batch, size], type, order), keeps);
        if (C.InputApart) bias = bias.Contiguous();
        Tensor y = Tensor.Empty([time, batch, size], type), lastHidden = Tensor.Empty([batch, size], type), lastCell = Tensor.Empty([batch, size], type);
        if (GpuBackend.Current is { } gpu) Forward(gpu, saved, order, x, recurrent, bias, hidden, cell, y, lastHidden, lastCell);
        else Cpu.For(type, Recurrence.Groups(batch), 1, new ForwardKernel(saved, order, x, bias, hidden, cell, Panels.Of(recurrent.T), y, lastHidden, lastCell));

        if (Record([y, lastHidden, lastCell], [x, recurrent, bias, hidden, cell]) is { } node) (node.saved, node.order) = (saved, order);
        return (y, lastHidden, lastCell);
    }

    /// <summary>Memory for every step; zero if some sequences end before and leave a part of it out.</summary>
    static Tensor Kept(Shape shape, DType type, in Order order) => order.Lengths is null && GpuBackend.Current is null ? Tensor.Empty(shape, type) : Tensor.Zeros(shape, type);

    static void Check(Tensor x, Tensor recurrent, Tensor bias, Tensor hidden, Tensor cell, Tensor? lengths)
    {
        Require.Float(C.Name, x);
        if (recurrent.Rank != 2 || recurrent.Shape[0] != C.Gates * recurrent.Shape[1])
            throw new ShapeException(C.Name, $"the recurrent weight is {recurrent.Shape}; [{(C.Gates == 1 ? "" : $"{C.Gates} * ")}hidden, hidden] was expected.");
        int gates = recurrent.Shape[0], size = recurrent.Shape[1];
        if (x.Rank != 3 || x.Shape[2] != gates) throw new ShapeException(C.Name, $"x is {x.Shape}; [time, batch, {gates}] was expected, as the recurrent weight is {recurrent.Shape}.");
        void Expect(string what, Tensor tensor, Shape shape)
        {
            Require.SameFloat(C.Name, x, tensor);
            Require.Shape(C.Name, what, tensor, shape);
        }
        Require.SameFloat(C.Name, x, recurrent);
        Expect("the hidden state", hidden, [x.Shape[1], size]);
        if (C.HasCell) Expect("the cell", cell, [x.Shape[1], size]);
        if (C.InputApart) Expect("the recurrent bias", bias, [gates]);
        if (lengths is not { } given) return;
        if (given.DType != DType.Int32) throw new ShapeException(C.Name, $"the lengths {given.Shape} are {given.DType}; Int32 was expected.");
        Require.Shape(C.Name, "lengths", given, [x.Shape[1]]);
        if (given.Backend is not CpuBackend) return;                  // a kernel takes what is out of range for the nearest length
        int* length = given.Pointer<int>();
        for (int b = 0; b < x.Shape[1]; b++)
        {
            int value = length[(long)b * given.Strides[0]];
            if (value < 0 || value > x.Shape[0]) throw new ShapeException(C.Name, $"the length of sequence {b} is {value}; 0 to {x.Shape[0]} was expected, as x is {x.Shape}.");
        }
    }

    /// <summary>The loop over the steps, for groups of sequences that share the loads of the weight.</summary>
    readonly struct ForwardKernel(
        Saved saved, Order order, Tensor x, Tensor bias, Tensor hidden, Tensor cell, Panels weight, Tensor y, Tensor lastHidden, Tensor lastCell) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int size = hidden.Shape[1], gates = C.Gates * size, batch = x.Shape[1], stride = saved.Z.Strides[1];
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, batch - first), longest = order.Longest(first, count);
                for (int b = first; b < first + count; b++)
                {
                    Recurrence.Copy(hidden.Pointer<T>() + (long)b * size, saved.State<T>(saved.Hidden, 0, b), size);
                    if (C.HasCell) Recurrence.Copy(cell.Pointer<T>() + (long)b * size, saved.State<T>(saved.Cell, 0, b), size);
                    for (int t = order.Length(b); t < x.Shape[0]; t++) new Span<T>(Recurrence.At<T>(y, t, b), size).Clear();
                }
                for (int k = 0; k < longest; k++)
                {
                    for (int b = first; b < first + count; b++)
                        if (k < order.Length(b)) Recurrence.Copy(C.InputApart ? bias.Pointer<T>() : Recurrence.At<T>(x, order.Time(k, b), b), saved.Step<T>(saved.Z, k, b), gates);
                    weight.MultiplyAdd<V, T>(saved.State<T>(saved.Hidden, k, first), size, saved.Step<T>(saved.Z, k, first), stride, count);
                    for (int b = first; b < first + count; b++) Step<V, T>(k, b, size);
                }
                for (int b = first; b < first + count; b++)
                {
                    Recurrence.Copy(saved.State<T>(saved.Hidden, longest, b), lastHidden.Pointer<T>() + (long)b * size, size);
                    Recurrence.Copy(saved.State<T>(saved.Cell, longest, b), lastCell.Pointer<T>() + (long)b * size, size);
                }
            }
        }

        void Step<V, T>(int k, int b, int size) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* before = saved.State<T>(saved.Hidden, k, b), after = saved.State<T>(saved.Hidden, k + 1, b);
            T* cellBefore = saved.State<T>(saved.Cell, k, b), cellAfter = saved.State<T>(saved.Cell, k + 1, b);
            if (k >= order.Length(b))                                  // it has ended and waits for the others of its group
            {
                Recurrence.Copy(before, after, size);
                Recurrence.Copy(cellBefore, cellAfter, size);
                return;
            }
            int t = order.Time(k, b);
            RecurrentStep<C>.Forward<V, T>(Recurrence.At<T>(x, t, b), saved.Step<T>(saved.Z, k, b), before, cellBefore, after, cellAfter, size);
            Recurrence.Copy(after, Recurrence.At<T>(y, t, b), size);
        }
    }

    /// <summary>Back through time: dL/dh and dL/dc are carried down from step to step; the weight's gradient is one product over all steps at the end.</summary>
    protected override void Backward()
    {
        Tensor x = Input(0), recurrent = Input(1), hidden = Input(3);
        int time = x.Shape[0], batch = x.Shape[1], size = hidden.Shape[1], gates = C.Gates * size, rows = time * batch;
        DType type = x.DType;
        // Where step k is at time k and z begins as x, dz is dx.
        bool same = !C.InputApart && !order.Reverse && order.Lengths is null && GpuBackend.Current is null;
        Tensor dz = Kept([time, batch, Recurrence.Pad(gates)], type, order), dHidden = Tensor.Zeros([batch, Recurrence.Pad(size)], type), dCell = Tensor.Zeros([batch, size], type);
        Tensor dx = same ? dz : NeedsGradient(0) ? InputGradient(0) : Tensor.Zeros(x.Shape, type), target = dx;
        if (!dx.IsContiguous) dx = Tensor.Zeros(x.Shape, type);

        Tensor dy = OutputGradient();
        Tensor? dLastHidden = HasOutputGradient(1) ? OutputGradient(1) : null, dLastCell = C.HasCell && HasOutputGradient(2) ? OutputGradient(2) : null;
        if (GpuBackend.Current is { } gpu) Backward(gpu, saved, order, recurrent, dy, dLastHidden, dLastCell, dz, dx, dHidden, dCell);
        else Cpu.For(type, Recurrence.Groups(batch), 1, new BackwardKernel(saved, order, dy, dLastHidden, dLastCell, Panels.Of(recurrent), dz, same ? null : dx, dHidden, dCell));

        Tensor dzRows = dz.Reshape([rows, Recurrence.Pad(gates)]).Slice(1, 0, gates);
        if (NeedsGradient(1)) Gemm.Multiply(dzRows.T, saved.Hidden.Slice(0, 0, time).Reshape([rows, size]), InputGradient(1), accumulate: true);
        if (C.InputApart && NeedsGradient(2)) Summation.AddInto(dzRows, InputGradient(2));
        if (NeedsGradient(3)) Summation.AddInto(dHidden.Slice(1, 0, size), InputGradient(3));
        if (C.HasCell && NeedsGradient(4)) Summation.AddInto(dCell, InputGradient(4));
        if (same && NeedsGradient(0)) GiveInputGradient(0, dz.Shape[2] == gates ? dz : dz.Slice(2, 0, gates));
        else if (!target.IsContiguous) Summation.AddInto(dx, target);
    }

    readonly struct BackwardKernel(
        Saved saved, Order order, Tensor dy, Tensor? dLastHidden, Tensor? dLastCell, Panels weight, Tensor dz, Tensor? dx, Tensor dHidden, Tensor dCell) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int size = dCell.Shape[1], gates = C.Gates * size, batch = dy.Shape[1], stride = dHidden.Strides[0];
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, batch - first);
                for (int b = first; b < first + count; b++)
                {
                    if (dLastHidden is { } h) Recurrence.Copy(h.Pointer<T>() + (long)b * size, dHidden.Pointer<T>() + (long)b * stride, size);
                    if (dLastCell is { } c) Recurrence.Copy(c.Pointer<T>() + (long)b * size, dCell.Pointer<T>() + (long)b * size, size);
                }
                for (int k = order.Longest(first, count) - 1; k >= 0; k--)
                {
                    for (int b = first; b < first + count; b++)
                        if (k < order.Length(b)) Step<V, T>(k, b, size);
                    weight.MultiplyAdd<V, T>(Recurrence.At<T>(dz, k, first), dz.Strides[1], dHidden.Pointer<T>() + (long)first * stride, stride, count);
                }
            }
        }

        void Step<V, T>(int k, int b, int size) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int t = order.Time(k, b);
            T* dh = dHidden.Pointer<T>() + (long)b * dHidden.Strides[0];
            Recurrence.Add<V, T>(Recurrence.At<T>(dy, t, b), dh, size);
            RecurrentStep<C>.Backward<V, T>(saved.Step<T>(saved.Z, k, b), saved.State<T>(saved.Hidden, k, b), saved.State<T>(saved.Cell, k, b), saved.State<T>(saved.Cell, k + 1, b),
                dh, dCell.Pointer<T>() + (long)b * size, Recurrence.At<T>(dz, k, b), dx is { } sum ? Recurrence.At<T>(sum, t, b) : null, size);
        }
    }
}
