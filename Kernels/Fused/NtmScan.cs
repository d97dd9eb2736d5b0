using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>The tensors that a Neural Turing Machine begins with, and ends with.</summary>
/// <param name="Memory">[batch, slots, width].</param>
/// <param name="Weightings">Where every head looked last: [batch, heads, slots].</param>
/// <param name="Reads">What the reading heads read last: [batch, read heads * width].</param>
/// <param name="Hidden">The controller's hidden state: [batch, hidden].</param>
/// <param name="Cell">An LSTM controller's cell: [batch, hidden]. Not used by a feed-forward one.</param>
public readonly record struct NtmState(Tensor Memory, Tensor Weightings, Tensor Reads, Tensor Hidden, Tensor Cell);

/// <summary>The trained weights that act within the recurrence.</summary>
/// <param name="Read">Vectors read to controller: [gates, read heads * width].</param>
/// <param name="Recurrent">Hidden state to controller: [gates, hidden]. A feed-forward controller has none.</param>
/// <param name="Head">Controller to heads: [head parameters, hidden].</param>
/// <param name="HeadBias">[head parameters].</param>
public readonly record struct NtmWeights(Tensor Read, Tensor? Recurrent, Tensor Head, Tensor HeadBias);

/// <summary>
/// A Neural Turing Machine over a whole sequence (Graves, Wayne and Danihelka 2014), fused: the memory of a sequence stays in the cache while the loop over time
/// runs, forwards and backwards. Equal in value and every gradient to the model composed of single operations. At every step
/// <code>
/// z_t = x_t + W_r r_t-1 + W_h h_t-1            x_t = W_x input_t + b is one product for the whole sequence, made before
/// h_t = LSTM gates of z_t, or tanh z_t
/// p_t = W_p h_t + b_p                          every head's key, strength, gate, shift, sharpening; erase and add
/// w_t = address(M_t-1, p_t, w_t-1)             equations (5) to (9), see NtmAddressing
/// r_t = sum over i of w_t[i] M_t-1[i]          (2)
/// M_t = M_t-1 prod over heads of (1 - w_t e_t) + sum over heads of w_t a_t      (3), (4)
/// </code>
/// All heads address and read the memory as the step finds it; then all writing heads erase, and then add.
/// </summary>
public sealed unsafe partial class NtmScan : Operation<NtmScan>
{
    /// <summary>Keeps the logarithm of equation (9) finite where a shifted weight is zero.</summary>
    public const double SharpenEpsilon = NtmAddressing.SharpenEpsilon;

    /// <summary>
    /// The CPU keeps the memory of every eighth step, and makes those between anew on the way back: a write costs a fiftieth of a step, and ten thousand bytes a step of each sequence
    /// need no longer leave the cache and come back.
    /// </summary>
    const int Every = 8;

    NtmSizes sizes;
    Saved saved;

    /// <summary>What the forward pass leaves for the backward one. Rows are padded to whole vectors; only the padding of slots is ever read, and is zero.</summary>
    /// <param name="V">[time + 1, batch, reads + hidden]: what enters the controller at each step.</param>
    /// <param name="Gates">[time, batch, gates], activated.</param>
    /// <param name="Cell">[time + 1, batch, hidden].</param>
    /// <param name="Head">[time, batch, head parameters], activated.</param>
    /// <param name="Memory">[time + 1, batch, width, slots]; on the CPU of every eighth step, and none where not every step is kept: see <see cref="Memories{T}"/>.</param>
    /// <param name="Norms">[time, batch, slots]: the length of every slot.</param>
    /// <param name="Similarity">[time, batch, heads, slots], equation (6).</param>
    /// <param name="Content">Likewise, equation (5).</param>
    /// <param name="Shifted">Likewise, equation (8).</param>
    /// <param name="Weighting">[time + 1, batch, heads, slots], equation (9).</param>
    /// <param name="Keeps">Whether every step is kept. Without a gradient two steps are enough, and they take turns.</param>
    readonly record struct Saved(
        Tensor V, Tensor Gates, Tensor Cell, Tensor Head, Tensor Memory, Tensor Norms, Tensor Similarity, Tensor Content, Tensor Shifted, Tensor Weighting, bool Keeps)
    {
        public static Saved Make(in NtmSizes s, int time, int batch, DType type, bool keeps)
        {
            int steps = keeps ? time : Math.Min(time, 1), states = keeps ? time + 1 : 2, slots = s.PaddedSlots;
            int memories = GpuBackend.Current is not null ? states : keeps ? time / Every + 1 : 0;
            Tensor New(Shape shape) => Tensor.Empty(shape, type);
            return new(
                New([states, batch, Recurrence.Pad(s.Reads + s.Hidden)]), New([steps, batch, Recurrence.Pad(s.Gates)]), New([states, batch, s.Hidden]),
                New([steps, batch, Recurrence.Pad(s.HeadParameters)]), New([memories, batch, s.Width, slots]), New([steps, batch, slots]),
                New([steps, batch, s.Heads, slots]), New([steps, batch, s.Heads, slots]), New([steps, batch, s.Heads, slots]), New([states, batch, s.Heads, slots]), keeps);
        }

        /// <summary>The address of a sequence's part of a tensor at step t, of those saved once a step.</summary>
        public T* Step<T>(Tensor tensor, int t, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? t : 0, b);

        /// <summary>Likewise of those that a step takes over from the one before and hands on.</summary>
        public T* State<T>(Tensor tensor, int t, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? t : t & 1, b);
    }

    /// <summary>The memories of a group of sequences on the CPU: those kept, and in the thread's own memory the last few steps' beside them.</summary>
    readonly struct Memories<T>(Saved saved, int first, int size, int recent) where T : unmanaged
    {
        readonly T* scratch = ThreadScratch<NtmScan>.Take<T>((long)Recurrence.Group * recent * size);

        /// <summary>M of sequence <paramref name="b"/> before step <paramref name="t"/>: [width, slots].</summary>
        public T* this[int t, int b] => saved.Keeps && t % Every == 0 ? Recurrence.At<T>(saved.Memory, t / Every, b) : scratch + ((long)(b - first) * recent + t % recent) * size;
    }

    /// <summary>Runs the machine over a sequence.</summary>
    /// <param name="x">The controller's input projections, W_x input + b: [time, batch, gates].</param>
    /// <param name="weights">The weights within the recurrence.</param>
    /// <param name="start">The state before the first step.</param>
    /// <param name="sizes">The sizes that all shapes follow from.</param>
    /// <param name="weightings">Where every head looked at every step, for people to look at; no gradient flows through it: [time, batch, heads, slots].</param>
    /// <returns>At every step the vectors read and the controller's hidden state, [time, batch, reads + hidden], and the state after the last step.</returns>
    /// <exception cref="ShapeException">A shape does not follow from the sizes.</exception>
    public static (Tensor Output, NtmState Final) Apply(Tensor x, in NtmWeights weights, in NtmState start, in NtmSizes sizes, out Tensor weightings)
    {
        (int time, int batch) = Check(x, weights, start, sizes);
        NtmSizes s = sizes;
        Tensor recurrent = weights.Recurrent ?? Tensor.Zeros([s.Gates, 0], x.DType);
        Tensor memory = GpuBackend.Current is null ? start.Memory : start.Memory.Contiguous(), before = start.Weightings.Contiguous(), reads = start.Reads.Contiguous(), hidden = start.Hidden.Contiguous();
        Tensor cell = s.Controller == NtmController.Lstm ? start.Cell.Contiguous() : hidden;
        x = x.Contiguous();

        bool keeps = Tape.IsRecording && (x.RequiresGradient || weights.Read.RequiresGradient || recurrent.RequiresGradient || weights.Head.RequiresGradient ||
            weights.HeadBias.RequiresGradient || memory.RequiresGradient || before.RequiresGradient || reads.RequiresGradient || hidden.RequiresGradient || cell.RequiresGradient);
        Saved saved = Saved.Make(s, time, batch, x.DType, keeps);
        Tensor y = Tensor.Empty([time, batch, s.Reads + s.Hidden], x.DType);
        Tensor lastMemory = Tensor.Empty([batch, s.Slots, s.Width], x.DType), lastWeightings = Tensor.Empty([batch, s.Heads, s.Slots], x.DType);
        Tensor lastCell = Tensor.Zeros([batch, s.Hidden], x.DType);
        bool shows = saved.Keeps && GpuBackend.Current is null;                           // what is kept is shown
        weightings = shows ? saved.Weighting.Slice(0, 1, time + 1).Slice(-1, 0, s.Slots) : Tensor.Empty([time, batch, s.Heads, s.Slots], x.DType);

        if (GpuBackend.Current is { } gpu)
            Launch(gpu, s, saved, x, weights, recurrent, new(memory, before, reads, hidden, cell), new(lastMemory, lastWeightings, reads, hidden, lastCell), y, weightings);
        else
        {
            Panels toController = s.Controller == NtmController.Lstm ? Panels.Above(weights.Read.T, recurrent.T) : Panels.Of(weights.Read.T);
            Cpu.For(x.DType, Recurrence.Groups(batch), 1, new Forward(s, saved, x, memory, before, reads, hidden, cell, weights.HeadBias.Contiguous(),
                toController, Panels.Of(weights.Head.T), Tensor.Empty([batch, s.PaddedSlots + s.Shifts + Recurrence.Lanes], x.DType), y, lastMemory, lastWeightings, lastCell, weightings));
        }

        if (Record([y, lastMemory, lastWeightings, lastCell], [x, weights.Read, recurrent, weights.Head, weights.HeadBias, memory, before, reads, hidden, cell]) is { } node)
            (node.sizes, node.saved) = (s, saved);
        NtmState final = new(lastMemory, lastWeightings,
            time > 0 ? y.Select(0, ^1).Slice(-1, 0, s.Reads) : reads, time > 0 ? y.Select(0, ^1).Slice(-1, s.Reads, s.Reads + s.Hidden) : hidden, lastCell);
        return (y, final);
    }

    static (int Time, int Batch) Check(Tensor x, in NtmWeights w, in NtmState start, in NtmSizes s)
    {
        const string name = nameof(NtmScan);
        s.Check(name);
        Require.Float(name, x);
        if (x.Rank != 3 || x.Shape[2] != s.Gates) throw new ShapeException(name, $"x is {x.Shape}; [time, batch, {s.Gates}] was expected.");
        int batch = x.Shape[1];
        void Expect(string what, Tensor tensor, Shape shape)
        {
            Require.SameFloat(name, x, tensor);
            Require.Shape(name, what, tensor, shape);
        }
        Expect("the read weight", w.Read, [s.Gates, s.Reads]);
        if (w.Recurrent is { } recurrent) Expect("the recurrent weight", recurrent, [s.Gates, s.Hidden]);
        else if (s.Controller == NtmController.Lstm) throw new ShapeException(name, "an LSTM controller needs a recurrent weight.");
        Expect("the head weight", w.Head, [s.HeadParameters, s.Hidden]);
        Expect("the head bias", w.HeadBias, [s.HeadParameters]);
        Expect("the memory", start.Memory, [batch, s.Slots, s.Width]);
        Expect("the weightings", start.Weightings, [batch, s.Heads, s.Slots]);
        Expect("the vectors read", start.Reads, [batch, s.Reads]);
        Expect("the hidden state", start.Hidden, [batch, s.Hidden]);
        if (s.Controller == NtmController.Lstm) Expect("the cell", start.Cell, [batch, s.Hidden]);
        return (x.Shape[0], batch);
    }

    /// <summary>The loop over time, for groups of sequences.</summary>
    readonly struct Forward(
        NtmSizes s, Saved saved, Tensor x, Tensor memory, Tensor weightings, Tensor reads, Tensor hidden, Tensor cell, Tensor headBias,
        Panels toController, Panels toHeads, Tensor scratch, Tensor y, Tensor lastMemory, Tensor lastWeightings, Tensor lastCell, Tensor allWeightings) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, x.Shape[1] - first);
                Memories<T> memories = new(saved, first, s.Width * s.PaddedSlots, recent: 2);
                for (int b = first; b < first + count; b++) Begin<V, T>(b, memories[0, b]);
                for (int t = 0; t < x.Shape[0]; t++)
                {
                    Controller<V, T>(t, first, count);
                    for (int b = first; b < first + count; b++) Heads<V, T>(t, b, memories[t, b], memories[t + 1, b]);
                }
                for (int b = first; b < first + count; b++) End<V, T>(b, memories[x.Shape[0], b]);
            }
        }

        void Begin<V, T>(int b, T* m) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            Shape strides = memory.Strides;                                                // every sequence may begin with one and the same memory
            T* from = memory.Pointer<T>() + (long)b * strides[0];
            T* w = saved.State<T>(saved.Weighting, 0, b);
            new Span<T>(m, s.Width * s.PaddedSlots).Clear();                             // the padding of memory and weightings is zero, and stays so
            new Span<T>(w, s.Heads * s.PaddedSlots).Clear();
            for (int i = 0; i < s.Slots; i++)
                for (int j = 0; j < s.Width; j++) m[(long)j * s.PaddedSlots + i] = from[(long)i * strides[1] + (long)j * strides[2]];
            for (int head = 0; head < s.Heads; head++)
                Recurrence.Copy(weightings.Pointer<T>() + ((long)b * s.Heads + head) * s.Slots, w + (long)head * s.PaddedSlots, s.Slots);
            T* v = saved.State<T>(saved.V, 0, b);
            Recurrence.Copy(reads.Pointer<T>() + (long)b * s.Reads, v, s.Reads);
            Recurrence.Copy(hidden.Pointer<T>() + (long)b * s.Hidden, v + s.Reads, s.Hidden);
            Recurrence.Copy(cell.Pointer<T>() + (long)b * s.Hidden, saved.State<T>(saved.Cell, 0, b), s.Hidden);
        }

        /// <summary>z_t, h_t and p_t, for a group of sequences that share the loads of the weights.</summary>
        void Controller<V, T>(int t, int first, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int gates = s.Gates, gateStride = saved.Gates.Strides[1], vStride = saved.V.Strides[1], headStride = saved.Head.Strides[1];
            T* z = saved.Step<T>(saved.Gates, t, first), v = saved.State<T>(saved.V, t, first), next = saved.State<T>(saved.V, t + 1, first);
            T* p = saved.Step<T>(saved.Head, t, first);
            for (int g = 0; g < count; g++)
            {
                Recurrence.Copy(x.Pointer<T>() + ((long)t * x.Shape[1] + first + g) * gates, z + (long)g * gateStride, gates);
                Recurrence.Copy(headBias.Pointer<T>(), p + (long)g * headStride, s.HeadParameters);
            }
            toController.MultiplyAdd<V, T>(v, vStride, z, gateStride, count);
            for (int g = 0; g < count; g++)
            {
                T* gate = z + (long)g * gateStride, h = next + (long)g * vStride + s.Reads;
                if (s.Controller == NtmController.Lstm)
                    RecurrentStep<LstmCell>.Forward<V, T>(null, gate, h, saved.State<T>(saved.Cell, t, first + g), h, saved.State<T>(saved.Cell, t + 1, first + g), s.Hidden);
                else
                    for (int j = 0; j < s.Hidden; j += V.Count)
                        Lanes.Store(h + j, 1, V.Tanh(Lanes.Load<V, T>(gate + j, 1, s.Hidden - j)), s.Hidden - j);
            }
            toHeads.MultiplyAdd<V, T>(next + s.Reads, vStride, p, headStride, count);
        }

        /// <summary>w_t, r_t and M_t of one sequence.</summary>
        void Heads<V, T>(int t, int b, T* m, T* newMemory) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots, width = s.Width;
            T* p = saved.Step<T>(saved.Head, t, b), norms = saved.Step<T>(saved.Norms, t, b), next = saved.State<T>(saved.V, t + 1, b);
            T* before = saved.State<T>(saved.Weighting, t, b), after = saved.State<T>(saved.Weighting, t + 1, b);
            NtmHead.Activate<V, T>(s, p);
            NtmAddressing.Norms<V, T>(m, padded, width, norms);
            for (int head = 0; head < s.Heads; head++)
            {
                long row = (long)head * padded;
                NtmAddressing.Forward<V, T>(s, m, norms, p + s.HeadOffset(head), before + row, saved.Step<T>(saved.Similarity, t, b) + row,
                    saved.Step<T>(saved.Content, t, b) + row, saved.Step<T>(saved.Shifted, t, b) + row, after + row, scratch.Pointer<T>() + (long)b * scratch.Strides[0]);
                if (!saved.Keeps) Recurrence.Copy(after + row, allWeightings.Pointer<T>() + (((long)t * x.Shape[1] + b) * s.Heads + head) * s.Slots, s.Slots);
                if (head < s.ReadHeads) NtmHead.Read<V, T>(m, after + row, next + head * width, padded, width);
            }
            NtmHead.Write<V, T>(s, m, after, p, newMemory);
            Recurrence.Copy(next, y.Pointer<T>() + ((long)t * x.Shape[1] + b) * (s.Reads + s.Hidden), s.Reads + s.Hidden);
        }

        void End<V, T>(int b, T* m) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int time = x.Shape[0];
            T* to = lastMemory.Pointer<T>() + (long)b * s.Slots * s.Width;
            for (int i = 0; i < s.Slots; i++)
                for (int j = 0; j < s.Width; j++) to[(long)i * s.Width + j] = m[(long)j * s.PaddedSlots + i];
            for (int head = 0; head < s.Heads; head++)
                Recurrence.Copy(saved.State<T>(saved.Weighting, time, b) + (long)head * s.PaddedSlots, lastWeightings.Pointer<T>() + ((long)b * s.Heads + head) * s.Slots, s.Slots);
            if (s.Controller == NtmController.Lstm) Recurrence.Copy(saved.State<T>(saved.Cell, time, b), lastCell.Pointer<T>() + (long)b * s.Hidden, s.Hidden);
        }
    }

    /// <summary>
    /// Back through time by hand. With dv = dL/d[r, h] and dM, dw, dc carried down from step to step, each step undoes write, read, addressing, heads and
    /// controller in turn; the weights' gradients are products over the whole sequence at the end.
    /// </summary>
    protected override void Backward()
    {
        NtmSizes s = sizes;
        Tensor x = Input(0), y = Output();
        int time = x.Shape[0], batch = x.Shape[1], inputs = s.Controller == NtmController.Lstm ? s.Reads + s.Hidden : s.Reads;
        Tensor dz = Tensor.Empty([time, batch, Recurrence.Pad(s.Gates)], x.DType), dp = Tensor.Empty([time, batch, Recurrence.Pad(s.HeadParameters)], x.DType);
        Tensor dMemory = Tensor.Zeros([batch, s.Width, s.PaddedSlots], x.DType), dWeightings = Tensor.Zeros([batch, s.Heads, s.PaddedSlots], x.DType);
        Tensor dv = Tensor.Zeros([batch, Recurrence.Pad(s.Reads + s.Hidden)], x.DType), dCell = Tensor.Zeros([batch, s.Hidden], x.DType);
        Tensor dy = OutputGradient();
        Tensor? dLastMemory = HasOutputGradient(1) ? OutputGradient(1) : null, dLastWeightings = HasOutputGradient(2) ? OutputGradient(2) : null;
        Tensor? dLastCell = HasOutputGradient(3) ? OutputGradient(3) : null;
        if (GpuBackend.Current is { } gpu)
            LaunchBackward(gpu, s, saved, dy, dLastMemory, dLastWeightings, dLastCell, Input(1), Input(2), Input(3), dz, dp, dMemory, dWeightings, dv, dCell);
        else
        {
            Tensor dHidden = Tensor.Empty([batch, Recurrence.Pad(s.Hidden)], x.DType);
            Tensor recurrent = s.Controller == NtmController.Lstm ? Input(2) : Tensor.Zeros([s.Gates, s.Hidden], x.DType);      // no weight leads back to a feed-forward layer's own past
            Tensor scratch = Tensor.Empty([batch, 2 * s.PaddedSlots + s.Shifts + Recurrence.Lanes], x.DType);
            Cpu.For(x.DType, Recurrence.Groups(batch), 1, new BackwardKernel(s, saved, dy,
                dLastMemory, dLastWeightings, dLastCell, Panels.Beside(Input(1), recurrent), Panels.Of(Input(3)), dz, dp, dMemory, dWeightings, dv, dCell, dHidden, scratch));
        }

        int rows = time * batch;
        Tensor dzRows = dz.Reshape([rows, Recurrence.Pad(s.Gates)]).Slice(1, 0, s.Gates), dpRows = dp.Reshape([rows, Recurrence.Pad(s.HeadParameters)]).Slice(1, 0, s.HeadParameters);
        Tensor v = saved.V.Slice(0, 0, time).Reshape([rows, saved.V.Shape[2]]), h = saved.V.Slice(0, 1, time + 1).Reshape([rows, saved.V.Shape[2]]).Slice(1, s.Reads, s.Reads + s.Hidden);
        if (NeedsGradient(1)) Gemm.Multiply(dzRows.T, v.Slice(1, 0, s.Reads), InputGradient(1), accumulate: true);                          // dW_r = sum over t of dz_t r_t-1^T
        if (NeedsGradient(2)) Gemm.Multiply(dzRows.T, v.Slice(1, s.Reads, inputs), InputGradient(2), accumulate: true);                     // dW_h = sum over t of dz_t h_t-1^T
        if (NeedsGradient(3)) Gemm.Multiply(dpRows.T, h, InputGradient(3), accumulate: true);                                               // dW_p = sum over t of dp_t h_t^T
        if (NeedsGradient(4)) Summation.AddInto(dpRows, InputGradient(4));                                           // db_p = sum over t of dp_t
        if (NeedsGradient(5))
        {
            Tensor gradient = Input(5).GradientToAccumulate().Transpose(1, 2);
            for (int d = 0; d < 3; d++)
                if (gradient.Strides[d] == 0) gradient = gradient.Slice(d, 0, 1);            // repeated, and so summed
            Summation.AddInto(dMemory.Slice(2, 0, s.Slots), gradient);
        }
        if (NeedsGradient(6)) Summation.AddInto(dWeightings.Slice(2, 0, s.Slots), InputGradient(6));
        if (NeedsGradient(0)) GiveInputGradient(0, s.Gates == dz.Shape[2] ? dz : dz.Slice(2, 0, s.Gates));
        if (NeedsGradient(7)) Summation.AddInto(dv.Slice(1, 0, s.Reads), InputGradient(7));
        if (s.Controller != NtmController.Lstm) return;
        if (NeedsGradient(8)) Summation.AddInto(dv.Slice(1, s.Reads, s.Reads + s.Hidden), InputGradient(8));
        if (NeedsGradient(9)) Summation.AddInto(dCell, InputGradient(9));
    }

    readonly struct BackwardKernel(
        NtmSizes s, Saved saved, Tensor dy, Tensor? dLastMemory, Tensor? dLastWeightings, Tensor? dLastCell, Panels fromController, Panels fromHeads,
        Tensor dz, Tensor dp, Tensor dMemory, Tensor dWeightings, Tensor dv, Tensor dCell, Tensor dHidden, Tensor scratch) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, dy.Shape[1] - first);
                Memories<T> memories = new(saved, first, s.Width * s.PaddedSlots, recent: Every);
                for (int b = first; b < first + count; b++) Begin<V, T>(b);
                for (int t = dy.Shape[0] - 1; t >= 0; t--)
                {
                    for (int b = first; b < first + count; b++)
                    {
                        if (t == dy.Shape[0] - 1 || (t + 1) % Every == 0) WriteAgain<V, T>(t, b, memories);
                        Heads<V, T>(t, b, memories[t, b]);
                    }
                    Controller<V, T>(t, first, count);
                }
            }
        }

        /// <summary>What flows in from the state after the last step.</summary>
        void Begin<V, T>(int b) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* dm = dMemory.Pointer<T>() + (long)b * dMemory.Strides[0], dw = dWeightings.Pointer<T>() + (long)b * dWeightings.Strides[0];
            if (dLastMemory is { } memory)
                for (int i = 0; i < s.Slots; i++)
                    for (int j = 0; j < s.Width; j++) dm[(long)j * s.PaddedSlots + i] = memory.Pointer<T>()[((long)b * s.Slots + i) * s.Width + j];
            if (dLastWeightings is { } weightings)
                for (int head = 0; head < s.Heads; head++)
                    Recurrence.Copy(weightings.Pointer<T>() + ((long)b * s.Heads + head) * s.Slots, dw + (long)head * s.PaddedSlots, s.Slots);
            if (dLastCell is { } cell) Recurrence.Copy(cell.Pointer<T>() + (long)b * s.Hidden, dCell.Pointer<T>() + (long)b * s.Hidden, s.Hidden);
        }

        /// <summary>The memories since the last one kept, up to that before step <paramref name="t"/>.</summary>
        void WriteAgain<V, T>(int t, int b, in Memories<T> memories) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int u = t - t % Every; u < t; u++)
                NtmHead.Write<V, T>(s, memories[u, b], saved.State<T>(saved.Weighting, u + 1, b), saved.Step<T>(saved.Head, u, b), memories[u + 1, b]);
        }

        /// <summary>Back through write, read and addressing of one sequence: dp_t, and dM and dw of the step before.</summary>
        void Heads<V, T>(int t, int b, T* m) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots, width = s.Width, outputs = s.Reads + s.Hidden;
            T* p = saved.Step<T>(saved.Head, t, b), norms = saved.Step<T>(saved.Norms, t, b);
            T* before = saved.State<T>(saved.Weighting, t, b), w = saved.State<T>(saved.Weighting, t + 1, b);
            T* dm = dMemory.Pointer<T>() + (long)b * dMemory.Strides[0], dw = dWeightings.Pointer<T>() + (long)b * dWeightings.Strides[0];
            T* dHead = dp.Pointer<T>() + (long)t * dp.Strides[0] + (long)b * dp.Strides[1];
            T* dState = dv.Pointer<T>() + (long)b * dv.Strides[0], dOut = dy.Pointer<T>() + ((long)t * dy.Shape[1] + b) * outputs;
            for (int j = 0; j < outputs; j += V.Count)                                   // [dr, dh] += dy
                Lanes.Store(dState + j, 1, Lanes.Load<V, T>(dState + j, 1, outputs - j) + Lanes.Load<V, T>(dOut + j, 1, outputs - j), outputs - j);

            NtmHead.WriteBackward<V, T>(s, m, w, p, dm, dw, dHead);
            for (int head = 0; head < s.Heads; head++)
            {
                long row = (long)head * padded;
                if (head < s.ReadHeads) NtmHead.ReadBackward<V, T>(m, w + row, dState + head * width, dm, dw + row, padded, width);
                NtmAddressing.Backward<V, T>(s, m, norms, p + s.HeadOffset(head), before + row, saved.Step<T>(saved.Similarity, t, b) + row,
                    saved.Step<T>(saved.Content, t, b) + row, saved.Step<T>(saved.Shifted, t, b) + row, w + row, scratch.Pointer<T>() + (long)b * scratch.Strides[0],
                    dw + row, dHead + s.HeadOffset(head), dm);
            }
            NtmHead.ActivateBackward<V, T>(s, p, dHead);
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
                T* gates = saved.Step<T>(saved.Gates, t, first + g), d = dGates + (long)g * dz.Strides[1], dHiddenRow = dh + (long)g * dHidden.Strides[0];
                if (s.Controller == NtmController.Lstm)
                    RecurrentStep<LstmCell>.Backward<V, T>(gates, null, saved.State<T>(saved.Cell, t, first + g), saved.State<T>(saved.Cell, t + 1, first + g), dHiddenRow,
                        dCell.Pointer<T>() + (long)(first + g) * s.Hidden, d, null, s.Hidden);
                else
                {
                    T* h = saved.State<T>(saved.V, t + 1, first + g) + s.Reads;
                    for (int j = 0; j < s.Hidden; j += V.Count)
                    {
                        V tanh = Lanes.Load<V, T>(h + j, 1, s.Hidden - j);
                        Lanes.Store(d + j, 1, Lanes.Load<V, T>(dHiddenRow + j, 1, s.Hidden - j) * (V.One - tanh * tanh), s.Hidden - j);
                    }
                }
                new Span<T>(dState + (long)g * dv.Strides[0], dv.Strides[0]).Clear();
            }
            fromController.MultiplyAdd<V, T>(dGates, dz.Strides[1], dState, dv.Strides[0], count);
        }
    }
}
