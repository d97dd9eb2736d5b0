using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>What a memory-augmented neural network carries from step to step.</summary>
/// <param name="Memory">M: [batch, slots, width].</param>
/// <param name="Usage">w^u: [batch, slots]. No gradient flows through it.</param>
/// <param name="ReadWeights">w^r: [batch, heads, slots].</param>
/// <param name="Reads">r of all heads: [batch, heads * width].</param>
/// <param name="Hidden">The controller's output: [batch, hidden].</param>
/// <param name="Cell">Its cell: [batch, hidden].</param>
public readonly record struct MannState(Tensor Memory, Tensor Usage, Tensor ReadWeights, Tensor Reads, Tensor Hidden, Tensor Cell);

/// <summary>The trained weights that act within the recurrence.</summary>
/// <param name="State">Vectors read and hidden state to controller: [gates, reads + hidden].</param>
/// <param name="Head">Controller to heads: [head parameters, hidden].</param>
/// <param name="HeadBias">[head parameters].</param>
public readonly record struct MannWeights(Tensor State, Tensor Head, Tensor HeadBias);

/// <summary>
/// A memory-augmented neural network over a whole sequence (Santoro et al. 2016, arXiv:1605.06065), fused: the memory of a sequence stays in the cache while the loop over time runs, forwards
/// and backwards. Equal in value and every gradient to <see cref="MannComposed"/>, which a GPU runs instead. At every step
/// <code>
/// h_t  = LSTM gates of x_t + W [r_t-1, h_t-1]      x_t = W_x input_t + b is one product for the whole sequence, made before
/// p_t  = W_p h_t + b_p                             every head's key k, what it writes a (tanh), and its gate g (sigmoid)
/// w^lu = 1 where w^u_t-1 is least                  (6), a slot for each head
/// w^w  = g w^r_t-1 + (1 - g) w^lu                  (7)
/// M_t  = M_t-1, the slots of w^lu emptied, + sum over heads of w^w a                (8); the paper has a = k
/// w^r  = softmax(strength K(k, M_t))               (2), (3), K the cosine
/// r_t  = sum over i of w^r(i) M_t(i)               (4)
/// w^u  = gamma w^u_t-1 + w^r + w^w                 (5)
/// </code>
/// </summary>
public sealed unsafe class MannScan : Operation<MannScan>
{
    /// <summary>Added to the square of every length, so that the cosine has a gradient where the memory is zero.</summary>
    public const double Epsilon = MannHead.Epsilon;

    MannSizes sizes;
    Saved saved;

    /// <summary>What the forward pass leaves for the backward one. Rows are padded to whole vectors; only the padding of slots is ever read, and is zero.</summary>
    /// <param name="V">[time + 1, batch, reads + hidden]: what enters the controller at each step.</param>
    /// <param name="Gates">[time, batch, gates], activated.</param>
    /// <param name="Cell">[time + 1, batch, hidden].</param>
    /// <param name="Head">[time, batch, head parameters], activated.</param>
    /// <param name="Memory">[time + 1, batch, width, slots].</param>
    /// <param name="Norms">[time, batch, slots]: the length of every slot.</param>
    /// <param name="Similarity">[time, batch, heads, slots], equation (2).</param>
    /// <param name="Read">[time + 1, batch, heads, slots], equation (3).</param>
    /// <param name="Write">[time, batch, heads, slots], equation (7).</param>
    /// <param name="Least">Int32 [time, batch, heads], equation (6).</param>
    /// <param name="Keeps">Whether every step is kept. Without a gradient two steps are enough, and they take turns.</param>
    readonly record struct Saved(Tensor V, Tensor Gates, Tensor Cell, Tensor Head, Tensor Memory, Tensor Norms, Tensor Similarity, Tensor Read, Tensor Write, Tensor Least, bool Keeps)
    {
        public static Saved Make(in MannSizes s, int time, int batch, DType type, bool keeps)
        {
            int steps = keeps ? time : Math.Min(time, 1), states = keeps ? time + 1 : 2, slots = s.PaddedSlots;
            Tensor New(Shape shape) => Tensor.Empty(shape, type);
            return new(
                New([states, batch, Recurrence.Pad(s.Reads + s.Hidden)]), New([steps, batch, Recurrence.Pad(s.Gates)]), New([states, batch, s.Hidden]),
                New([steps, batch, Recurrence.Pad(s.HeadParameters)]), New([states, batch, s.Width, slots]), New([steps, batch, slots]),
                New([steps, batch, s.Heads, slots]), New([states, batch, s.Heads, slots]), New([steps, batch, s.Heads, slots]), Tensor.Empty([steps, batch, s.Heads], DType.Int32), keeps);
        }

        /// <summary>The address of a sequence's part of a tensor at step t, of those saved once a step.</summary>
        public T* Step<T>(Tensor tensor, int t, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? t : 0, b);

        /// <summary>Likewise of those that a step takes over from the one before and hands on.</summary>
        public T* State<T>(Tensor tensor, int t, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? t : t & 1, b);
    }

    /// <summary>Runs the network over a sequence.</summary>
    /// <param name="x">The controller's input projections, W_x input + b: [time, batch, gates].</param>
    /// <param name="weights">The weights within the recurrence.</param>
    /// <param name="start">The state before the first step.</param>
    /// <param name="sizes">The sizes that all shapes follow from.</param>
    /// <param name="readWeights">Where every head read at every step, for people to look at; no gradient flows through it: [time, batch, heads, slots].</param>
    /// <param name="writeWeights">Likewise where it wrote.</param>
    /// <returns>At every step the vectors read and the controller's hidden state, [time, batch, reads + hidden], and the state after the last step.</returns>
    /// <exception cref="ShapeException">A shape does not follow from the sizes.</exception>
    public static (Tensor Output, MannState Final) Apply(Tensor x, in MannWeights weights, in MannState start, in MannSizes sizes, out Tensor readWeights, out Tensor writeWeights)
    {
        if (GpuBackend.Current is not null) return MannComposed.Apply(x, weights, start, sizes, out readWeights, out writeWeights);
        (int time, int batch) = Check(x, weights, start, sizes);
        MannSizes s = sizes;
        Tensor memory = start.Memory.Contiguous(), before = start.ReadWeights.Contiguous(), reads = start.Reads.Contiguous(), hidden = start.Hidden.Contiguous(), cell = start.Cell.Contiguous();
        x = x.Contiguous();

        bool keeps = Tape.IsRecording && (x.RequiresGradient || weights.State.RequiresGradient || weights.Head.RequiresGradient || weights.HeadBias.RequiresGradient ||
            memory.RequiresGradient || before.RequiresGradient || reads.RequiresGradient || hidden.RequiresGradient || cell.RequiresGradient);
        Saved saved = Saved.Make(s, time, batch, x.DType, keeps);
        Tensor y = Tensor.Empty([time, batch, s.Reads + s.Hidden], x.DType);
        Tensor lastMemory = Tensor.Empty([batch, s.Slots, s.Width], x.DType), lastRead = Tensor.Empty([batch, s.Heads, s.Slots], x.DType), lastCell = Tensor.Empty([batch, s.Hidden], x.DType);
        Tensor usage = Tensor.Zeros([batch, s.PaddedSlots], x.DType);
        readWeights = Tensor.Empty([time, batch, s.Heads, s.Slots], x.DType);
        writeWeights = Tensor.Empty([time, batch, s.Heads, s.Slots], x.DType);
        Transfer.Add(start.Usage, usage.Slice(1, 0, s.Slots), 1);

        Cpu.For(x.DType, Recurrence.Groups(batch), 1, new Forward(s, saved, x, memory, before, usage, reads, hidden, cell, weights.HeadBias.Contiguous(),
            Panels.Of(weights.State.T), Panels.Of(weights.Head.T), y, lastMemory, lastRead, lastCell, readWeights, writeWeights));

        if (Record([y, lastMemory, lastRead, lastCell], [x, weights.State, weights.Head, weights.HeadBias, memory, before, reads, hidden, cell]) is { } node)
            (node.sizes, node.saved) = (s, saved);
        MannState final = new(lastMemory, usage.Slice(1, 0, s.Slots), lastRead,
            time > 0 ? y.Select(0, ^1).Slice(-1, 0, s.Reads) : reads, time > 0 ? y.Select(0, ^1).Slice(-1, s.Reads, s.Reads + s.Hidden) : hidden, lastCell);
        return (y, final);
    }

    internal static (int Time, int Batch) Check(Tensor x, in MannWeights w, in MannState start, in MannSizes s)
    {
        const string name = nameof(MannScan);
        s.Check();
        Require.Float(name, x);
        if (x.Rank != 3 || x.Shape[2] != s.Gates) throw new ShapeException(name, $"x is {x.Shape}; [time, batch, {s.Gates}] was expected.");
        int batch = x.Shape[1];
        void Expect(string what, Tensor tensor, Shape shape)
        {
            Require.SameFloat(name, x, tensor);
            Require.Shape(name, what, tensor, shape);
        }
        Expect("the state weight", w.State, [s.Gates, s.Reads + s.Hidden]);
        Expect("the head weight", w.Head, [s.HeadParameters, s.Hidden]);
        Expect("the head bias", w.HeadBias, [s.HeadParameters]);
        Expect("the memory", start.Memory, [batch, s.Slots, s.Width]);
        Expect("the usage", start.Usage, [batch, s.Slots]);
        Expect("the read weights", start.ReadWeights, [batch, s.Heads, s.Slots]);
        Expect("the vectors read", start.Reads, [batch, s.Reads]);
        Expect("the hidden state", start.Hidden, [batch, s.Hidden]);
        Expect("the cell", start.Cell, [batch, s.Hidden]);
        return (x.Shape[0], batch);
    }

    /// <summary>The loop over time, for groups of sequences.</summary>
    readonly struct Forward(
        MannSizes s, Saved saved, Tensor x, Tensor memory, Tensor before, Tensor usage, Tensor reads, Tensor hidden, Tensor cell, Tensor headBias,
        Panels toController, Panels toHeads, Tensor y, Tensor lastMemory, Tensor lastRead, Tensor lastCell, Tensor readWeights, Tensor writeWeights) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, x.Shape[1] - first);
                for (int b = first; b < first + count; b++) Begin<V, T>(b);
                for (int t = 0; t < x.Shape[0]; t++)
                {
                    Controller<V, T>(t, first, count);
                    for (int b = first; b < first + count; b++) Heads<V, T>(t, b);
                }
                for (int b = first; b < first + count; b++) End<V, T>(b);
            }
        }

        void Begin<V, T>(int b) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* m = saved.State<T>(saved.Memory, 0, b), from = memory.Pointer<T>() + (long)b * s.Slots * s.Width, w = saved.State<T>(saved.Read, 0, b);
            new Span<T>(m, s.Width * s.PaddedSlots).Clear();                             // the padding of memory and weightings is zero, and stays so
            new Span<T>(w, s.Heads * s.PaddedSlots).Clear();
            for (int i = 0; i < s.Slots; i++)
                for (int j = 0; j < s.Width; j++) m[(long)j * s.PaddedSlots + i] = from[(long)i * s.Width + j];
            for (int head = 0; head < s.Heads; head++)
                Recurrence.Copy(before.Pointer<T>() + ((long)b * s.Heads + head) * s.Slots, w + (long)head * s.PaddedSlots, s.Slots);
            T* v = saved.State<T>(saved.V, 0, b);
            Recurrence.Copy(reads.Pointer<T>() + (long)b * s.Reads, v, s.Reads);
            Recurrence.Copy(hidden.Pointer<T>() + (long)b * s.Hidden, v + s.Reads, s.Hidden);
            Recurrence.Copy(cell.Pointer<T>() + (long)b * s.Hidden, saved.State<T>(saved.Cell, 0, b), s.Hidden);
        }

        /// <summary>h_t and p_t, for a group of sequences that share the loads of the weights.</summary>
        void Controller<V, T>(int t, int first, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int gateStride = saved.Gates.Strides[1], vStride = saved.V.Strides[1], headStride = saved.Head.Strides[1];
            T* z = saved.Step<T>(saved.Gates, t, first), v = saved.State<T>(saved.V, t, first), next = saved.State<T>(saved.V, t + 1, first), p = saved.Step<T>(saved.Head, t, first);
            for (int g = 0; g < count; g++)
            {
                Recurrence.Copy(x.Pointer<T>() + ((long)t * x.Shape[1] + first + g) * s.Gates, z + (long)g * gateStride, s.Gates);
                Recurrence.Copy(headBias.Pointer<T>(), p + (long)g * headStride, s.HeadParameters);
            }
            toController.MultiplyAdd<V, T>(v, vStride, z, gateStride, count);
            for (int g = 0; g < count; g++)
            {
                T* h = next + (long)g * vStride + s.Reads;
                RecurrentStep<LstmCell>.Forward<V, T>(null, z + (long)g * gateStride, h, saved.State<T>(saved.Cell, t, first + g), h, saved.State<T>(saved.Cell, t + 1, first + g), s.Hidden);
            }
            toHeads.MultiplyAdd<V, T>(next + s.Reads, vStride, p, headStride, count);
        }

        /// <summary>M_t, r_t and w^u_t of one sequence.</summary>
        void Heads<V, T>(int t, int b) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots, width = s.Width;
            T* m = saved.State<T>(saved.Memory, t, b), newMemory = saved.State<T>(saved.Memory, t + 1, b), p = saved.Step<T>(saved.Head, t, b), norms = saved.Step<T>(saved.Norms, t, b);
            T* used = usage.Pointer<T>() + (long)b * padded, next = saved.State<T>(saved.V, t + 1, b);
            T* read = saved.State<T>(saved.Read, t + 1, b), write = saved.Step<T>(saved.Write, t, b), similarity = saved.Step<T>(saved.Similarity, t, b);
            int* least = saved.Step<int>(saved.Least, t, b);
            MannHead.Activate<V, T>(s, p);
            MannHead.LeastUsed(s, used, least);
            MannHead.WriteWeights<V, T>(s, p + s.GateOffset, saved.State<T>(saved.Read, t, b), least, write);
            MannHead.Write<V, T>(s, m, write, p + s.WrittenOffset, least, newMemory);
            MannHead.Norms<V, T>(newMemory, padded, width, norms);
            for (int head = 0; head < s.Heads; head++)
            {
                long row = (long)head * padded, to = (((long)t * x.Shape[1] + b) * s.Heads + head) * s.Slots;
                MannHead.Address<V, T>(s, newMemory, norms, p + head * width, similarity + row, read + row);
                NtmHead.Read<V, T>(newMemory, read + row, next + head * width, padded, width);
                Recurrence.Copy(read + row, readWeights.Pointer<T>() + to, s.Slots);
                Recurrence.Copy(write + row, writeWeights.Pointer<T>() + to, s.Slots);
            }
            MannHead.Use<V, T>(s, used, read, write);
            Recurrence.Copy(next, y.Pointer<T>() + ((long)t * x.Shape[1] + b) * (s.Reads + s.Hidden), s.Reads + s.Hidden);
        }

        void End<V, T>(int b) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int time = x.Shape[0];
            T* m = saved.State<T>(saved.Memory, time, b), to = lastMemory.Pointer<T>() + (long)b * s.Slots * s.Width;
            for (int i = 0; i < s.Slots; i++)
                for (int j = 0; j < s.Width; j++) to[(long)i * s.Width + j] = m[(long)j * s.PaddedSlots + i];
            for (int head = 0; head < s.Heads; head++)
                Recurrence.Copy(saved.State<T>(saved.Read, time, b) + (long)head * s.PaddedSlots, lastRead.Pointer<T>() + ((long)b * s.Heads + head) * s.Slots, s.Slots);
            Recurrence.Copy(saved.State<T>(saved.Cell, time, b), lastCell.Pointer<T>() + (long)b * s.Hidden, s.Hidden);
        }
    }

    /// <summary>
    /// Back through time by hand. With dv = dL/d[r, h] and dM, dw^r, dc carried down from step to step, each step undoes read, addressing, write, heads and controller in turn; the weights'
    /// gradients are products over the whole sequence at the end.
    /// </summary>
    protected override void Backward()
    {
        MannSizes s = sizes;
        Tensor x = Input(0);
        int time = x.Shape[0], batch = x.Shape[1];
        Tensor dz = Tensor.Empty([time, batch, Recurrence.Pad(s.Gates)], x.DType), dp = Tensor.Empty([time, batch, Recurrence.Pad(s.HeadParameters)], x.DType);
        Tensor dMemory = Tensor.Zeros([batch, s.Width, s.PaddedSlots], x.DType), dRead = Tensor.Zeros([batch, s.Heads, s.PaddedSlots], x.DType);
        Tensor dv = Tensor.Zeros([batch, Recurrence.Pad(s.Reads + s.Hidden)], x.DType), dCell = Tensor.Zeros([batch, s.Hidden], x.DType);
        Tensor dHidden = Tensor.Empty([batch, Recurrence.Pad(s.Hidden)], x.DType);
        Tensor scratch = Tensor.Empty([batch, Math.Max(s.Heads, 2), s.PaddedSlots], x.DType);

        Cpu.For(x.DType, Recurrence.Groups(batch), 1, new BackwardKernel(s, saved, OutputGradient(),
            HasOutputGradient(1) ? OutputGradient(1) : null, HasOutputGradient(2) ? OutputGradient(2) : null, HasOutputGradient(3) ? OutputGradient(3) : null,
            Panels.Of(Input(1)), Panels.Of(Input(2)), dz, dp, dMemory, dRead, dv, dCell, dHidden, scratch));

        int rows = time * batch;
        Tensor dzRows = dz.Reshape([rows, Recurrence.Pad(s.Gates)]).Slice(1, 0, s.Gates), dpRows = dp.Reshape([rows, Recurrence.Pad(s.HeadParameters)]).Slice(1, 0, s.HeadParameters);
        Tensor v = saved.V.Slice(0, 0, time).Reshape([rows, saved.V.Shape[2]]), h = saved.V.Slice(0, 1, time + 1).Reshape([rows, saved.V.Shape[2]]).Slice(1, s.Reads, s.Reads + s.Hidden);
        if (NeedsGradient(0)) Summation.AddInto(dzRows.Reshape([time, batch, s.Gates]), InputGradient(0));
        if (NeedsGradient(1)) Gemm.Multiply(dzRows.T, v.Slice(1, 0, s.Reads + s.Hidden), InputGradient(1), accumulate: true);   // dW = sum over t of dz_t [r, h]_t-1^T
        if (NeedsGradient(2)) Gemm.Multiply(dpRows.T, h, InputGradient(2), accumulate: true);                                 // dW_p = sum over t of dp_t h_t^T
        if (NeedsGradient(3)) Summation.AddInto(dpRows, InputGradient(3));                                                    // db_p = sum over t of dp_t
        if (NeedsGradient(4)) Summation.AddInto(dMemory.Slice(2, 0, s.Slots).Transpose(1, 2), InputGradient(4));
        if (NeedsGradient(5)) Summation.AddInto(dRead.Slice(2, 0, s.Slots), InputGradient(5));
        if (NeedsGradient(6)) Summation.AddInto(dv.Slice(1, 0, s.Reads), InputGradient(6));
        if (NeedsGradient(7)) Summation.AddInto(dv.Slice(1, s.Reads, s.Reads + s.Hidden), InputGradient(7));
        if (NeedsGradient(8)) Summation.AddInto(dCell, InputGradient(8));
    }

    readonly struct BackwardKernel(
        MannSizes s, Saved saved, Tensor dy, Tensor? dLastMemory, Tensor? dLastRead, Tensor? dLastCell, Panels fromController, Panels fromHeads,
        Tensor dz, Tensor dp, Tensor dMemory, Tensor dRead, Tensor dv, Tensor dCell, Tensor dHidden, Tensor scratch) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, dy.Shape[1] - first);
                for (int b = first; b < first + count; b++) Begin<V, T>(b);
                for (int t = dy.Shape[0] - 1; t >= 0; t--)
                {
                    for (int b = first; b < first + count; b++) Heads<V, T>(t, b);
                    Controller<V, T>(t, first, count);
                }
            }
        }

        /// <summary>What flows in from the state after the last step.</summary>
        void Begin<V, T>(int b) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* dm = dMemory.Pointer<T>() + (long)b * dMemory.Strides[0], dw = dRead.Pointer<T>() + (long)b * dRead.Strides[0];
            if (dLastMemory is { } memory)
                for (int i = 0; i < s.Slots; i++)
                    for (int j = 0; j < s.Width; j++) dm[(long)j * s.PaddedSlots + i] = memory.Pointer<T>()[((long)b * s.Slots + i) * s.Width + j];
            if (dLastRead is { } weights)
                for (int head = 0; head < s.Heads; head++)
                    Recurrence.Copy(weights.Pointer<T>() + ((long)b * s.Heads + head) * s.Slots, dw + (long)head * s.PaddedSlots, s.Slots);
            if (dLastCell is { } cell) Recurrence.Copy(cell.Pointer<T>() + (long)b * s.Hidden, dCell.Pointer<T>() + (long)b * s.Hidden, s.Hidden);
        }

        /// <summary>Back through read, addressing and write of one sequence: dp_t, and dM and dw^r of the step before.</summary>
        void Heads<V, T>(int t, int b) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots, width = s.Width, outputs = s.Reads + s.Hidden;
            T* p = saved.Step<T>(saved.Head, t, b), dm = dMemory.Pointer<T>() + (long)b * dMemory.Strides[0], dw = dRead.Pointer<T>() + (long)b * dRead.Strides[0];
            T* dHead = dp.Pointer<T>() + (long)t * dp.Strides[0] + (long)b * dp.Strides[1], dWrite = scratch.Pointer<T>() + (long)b * scratch.Strides[0];
            T* dState = dv.Pointer<T>() + (long)b * dv.Strides[0], dOut = dy.Pointer<T>() + ((long)t * dy.Shape[1] + b) * outputs;
            T* write = saved.Step<T>(saved.Write, t, b), before = saved.State<T>(saved.Read, t, b), read = saved.State<T>(saved.Read, t + 1, b);
            T* m = saved.State<T>(saved.Memory, t + 1, b), norms = saved.Step<T>(saved.Norms, t, b), similarity = saved.Step<T>(saved.Similarity, t, b);
            int* least = saved.Step<int>(saved.Least, t, b);
            Recurrence.Add<V, T>(dOut, dState, outputs);                                 // [dr, dh] += dy
            new Span<T>(dHead, dp.Strides[1]).Clear();

            for (int head = 0; head < s.Heads; head++)
            {
                long row = (long)head * padded;
                NtmHead.ReadBackward<V, T>(m, read + row, dState + head * width, dm, dw + row, padded, width);
                MannHead.AddressBackward<V, T>(s, m, norms, p + head * width, similarity + row, read + row, dw + row, dWrite, dHead + head * width, dm);
            }
            MannHead.WriteBackward<V, T>(s, write, p + s.WrittenOffset, least, dm, dWrite, dHead + s.WrittenOffset);
            for (int head = 0; head < s.Heads; head++)                                   // (7): dg = dw^w . (w^r' - w^lu), dw^r' = g dw^w
            {
                T* d = dWrite + head * padded, old = before + head * padded;
                dHead[s.GateOffset + head] = NtmAddressing.Dot<V, T>(d, old, padded) - d[least[head]];
                V gate = V.Create(p[s.GateOffset + head]);
                for (int i = 0; i < padded; i += V.Count) V.Store(dw + head * padded + i, gate * V.Load(d + i));
            }
            MannHead.ActivateBackward(s, p, dHead);
        }

        /// <summary>Back through heads and controller of a group: dz_t, and dv and dc of the step before.</summary>
        void Controller<V, T>(int t, int first, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* dHead = dp.Pointer<T>() + (long)t * dp.Strides[0] + (long)first * dp.Strides[1], dh = dHidden.Pointer<T>() + (long)first * dHidden.Strides[0];
            T* dState = dv.Pointer<T>() + (long)first * dv.Strides[0], dGates = dz.Pointer<T>() + (long)t * dz.Strides[0] + (long)first * dz.Strides[1];
            for (int g = 0; g < count; g++) Recurrence.Copy(dState + (long)g * dv.Strides[0] + s.Reads, dh + (long)g * dHidden.Strides[0], s.Hidden);
            fromHeads.MultiplyAdd<V, T>(dHead, dp.Strides[1], dh, dHidden.Strides[0], count);
            for (int g = 0; g < count; g++)
            {
                RecurrentStep<LstmCell>.Backward<V, T>(saved.Step<T>(saved.Gates, t, first + g), null, saved.State<T>(saved.Cell, t, first + g), saved.State<T>(saved.Cell, t + 1, first + g),
                    dh + (long)g * dHidden.Strides[0], dCell.Pointer<T>() + (long)(first + g) * s.Hidden, dGates + (long)g * dz.Strides[1], null, s.Hidden);
                new Span<T>(dState + (long)g * dv.Strides[0], dv.Strides[0]).Clear();
            }
            fromController.MultiplyAdd<V, T>(dGates, dz.Strides[1], dState, dv.Strides[0], count);
        }
    }
}
