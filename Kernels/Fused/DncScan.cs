using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// A Differentiable Neural Computer over a whole sequence (Graves et al. 2016, "Hybrid computing using a neural network with dynamic external memory", Methods), fused: the memory and
/// the links of a sequence stay in the cache while the loop over time runs, forwards and backwards. Equal in value and every gradient to <see cref="DncComposed"/>, which a GPU runs instead.
/// At every step
/// <code>
/// z = x + W_r r' + W_h h'                      x = W_x input + b is one product for the whole sequence, made before
/// h = LSTM gates of z
/// xi = W_xi h + b_xi                           the interface, see DncInterface
/// u, a                                         usage and allocation, see DncAllocation
/// w = g_w (g_a a + (1 - g_a) C(M', k_w, b_w))  write weighting; C is in DncContent
/// M = M' (1 - w e) + w v                       write
/// L, p, f, b                                   links, see DncLinks
/// w_r = pi_1 b_r + pi_2 C(M, k_r, b_r) + pi_3 f_r       read weightings
/// r = sum over i of w_r[i] M[i]                read
/// </code>
/// A prime marks what the step before left.
/// </summary>
/// <remarks>For the backward pass the memory and the links of every eighth step are kept: time / 8 * batch * N (N + W) numbers.</remarks>
public sealed unsafe partial class DncScan : Operation<DncScan>
{
    /// <summary>Added to the square of every length in the cosine, so that it is smooth where the memory or a key is zero.</summary>
    public const double LengthEpsilon = DncContent.Epsilon;

    /// <summary>Memory and links are kept at every eighth step, and made anew between on the way back: see <see cref="States{T}"/>.</summary>
    const int Every = 8;

    DncSizes sizes;
    Saved saved;

    /// <summary>What the forward pass leaves for the backward one. Rows are padded to whole vectors; only the padding of slots is ever read, and is zero.</summary>
    /// <param name="V">[time + 1, batch, reads + hidden]: what enters the controller at each step.</param>
    /// <param name="Gates">[time, batch, gates], activated.</param>
    /// <param name="Cell">[time + 1, batch, hidden].</param>
    /// <param name="Interface">[time, batch, interface parameters], activated.</param>
    /// <param name="State">[time / Every + 1, batch, width + link rows, slots]: the memory, [width, slots], over the links; none where not every step is kept: see <see cref="States{T}"/>.</param>
    /// <param name="Norms">[time + 1, batch, slots]: the length of every slot.</param>
    /// <param name="Usage">[time + 1, batch, slots].</param>
    /// <param name="Precedence">[time + 1, batch, linked slots].</param>
    /// <param name="Write">[time + 1, batch, slots]: the write weighting.</param>
    /// <param name="Reads">[time + 1, batch, read heads, slots]: the read weightings.</param>
    /// <param name="Free">[time, batch, slots], Int32: the free list.</param>
    /// <param name="Allocation">[time, batch, slots].</param>
    /// <param name="Similarity">[time, batch, 1 + read heads, slots]: of the write key, then of the read keys.</param>
    /// <param name="Content">Likewise, the weightings by content.</param>
    /// <param name="Followed">[time, batch, 2, read heads, linked slots]: forward and backward weightings.</param>
    /// <param name="Keeps">Whether every step is kept. Without a gradient two steps are enough, and they take turns.</param>
    readonly record struct Saved(
        Tensor V, Tensor Gates, Tensor Cell, Tensor Interface, Tensor State, Tensor Norms, Tensor Usage, Tensor Precedence, Tensor Write, Tensor Reads,
        Tensor Free, Tensor Allocation, Tensor Similarity, Tensor Content, Tensor Followed, bool Keeps)
    {
        public static Saved Make(in DncSizes s, int time, int batch, DType type, bool keeps)
        {
            int steps = keeps ? time : 1, states = keeps ? time + 1 : 2, slots = s.PaddedSlots, linked = Recurrence.Pad(s.LinkedSlots), heads = s.ReadHeads;
            Tensor New(Shape shape) => Tensor.Empty(shape, type);
            return new(
                New([states, batch, Recurrence.Pad(s.Reads + s.Hidden)]), New([steps, batch, Recurrence.Pad(s.Gates)]), New([states, batch, s.Hidden]),
                New([steps, batch, Recurrence.Pad(s.InterfaceParameters)]), New([keeps ? time / Every + 1 : 0, batch, s.StateRows, slots]), New([states, batch, slots]), New([states, batch, slots]),
                New([states, batch, linked]), New([states, batch, slots]), New([states, batch, heads, slots]),
                Tensor.Empty([steps, batch, s.Slots], DType.Int32), New([steps, batch, slots]), New([steps, batch, 1 + heads, slots]), New([steps, batch, 1 + heads, slots]),
                New([steps, batch, 2, heads, linked]), keeps);
        }

        /// <summary>The address of a sequence's part of a tensor at step t, of those saved once a step.</summary>
        public T* Step<T>(Tensor tensor, int t, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? t : 0, b);

        /// <summary>Likewise of those that a step takes over from the one before and hands on.</summary>
        public T* At<T>(Tensor tensor, int t, int b) where T : unmanaged => Recurrence.At<T>(tensor, Keeps ? t : t & 1, b);
    }

    /// <summary>
    /// The memory and the links of a group of sequences: those kept, and those of the last few steps in the thread's own memory, where they stay in the cache. Kept at every step, N (N + W) numbers
    /// of every sequence left the cache and came back: made anew from every eighth, a training step with 64 slots of width 32 takes a seventh less.
    /// </summary>
    readonly struct States<T>(in DncSizes s, Saved saved, int first, int recent) where T : unmanaged
    {
        readonly long size = (long)s.StateRows * s.PaddedSlots;
        readonly T* scratch = ThreadScratch<Saved>.Take<T>((long)Recurrence.Group * recent * s.StateRows * s.PaddedSlots);

        /// <summary>M of sequence <paramref name="b"/> before step <paramref name="t"/>, [width, slots], over L.</summary>
        public T* this[int t, int b] => saved.Keeps && t % Every == 0 ? Recurrence.At<T>(saved.State, t / Every, b) : scratch + ((b - first) * recent + t % recent) * size;
    }

    /// <summary>Runs the machine over a sequence.</summary>
    /// <param name="x">The controller's input projections, W_x input + b: [time, batch, gates].</param>
    /// <param name="weights">The weights within the recurrence.</param>
    /// <param name="start">The state before the first step.</param>
    /// <param name="sizes">The sizes that all shapes follow from.</param>
    /// <param name="trace">What the memory did at every step.</param>
    /// <param name="traceLinks">Whether the trace holds the links: time * batch * N^2 numbers.</param>
    /// <returns>At every step the vectors read and the controller's hidden state, [time, batch, reads + hidden], and the state after the last step.</returns>
    /// <exception cref="ShapeException">A shape does not follow from the sizes, or links are asked for where there are none.</exception>
    public static (Tensor Output, DncState Final) Apply(Tensor x, in DncWeights weights, in DncState start, in DncSizes sizes, out DncTrace trace, bool traceLinks = false)
    {
        (int time, int batch) = Check(x, weights, start, sizes, traceLinks);
        if (time == 0 || GpuBackend.Current is not null) return DncComposed.Apply(x, weights, start, sizes, out trace, traceLinks);
        DncSizes s = sizes;
        DncState from = new(start.Memory.Contiguous(), start.Usage.Contiguous(), start.Precedence.Contiguous(), start.Links.Contiguous(), start.WriteWeighting.Contiguous(),
            start.ReadWeightings.Contiguous(), start.Reads.Contiguous(), start.Hidden.Contiguous(), start.Cell.Contiguous());
        x = x.Contiguous();
        ReadOnlySpan<Tensor> inputs =
        [
            x, weights.Read, weights.Recurrent, weights.Interface, weights.InterfaceBias, from.Memory, from.Usage, from.Precedence, from.Links, from.WriteWeighting, from.ReadWeightings,
            from.Reads, from.Hidden, from.Cell,
        ];
        bool keeps = false;
        foreach (Tensor input in inputs) keeps |= Tape.IsRecording && input.RequiresGradient;

        Saved saved = Saved.Make(s, time, batch, x.DType, keeps);
        Tensor New(Shape shape) => Tensor.Empty(shape, x.DType);
        Tensor y = New([time, batch, s.Reads + s.Hidden]);
        DncState last = new(New([batch, s.Slots, s.Width]), New([batch, s.Slots]), New([batch, s.LinkedSlots]), New([batch, s.LinkedSlots, s.LinkedSlots]), New([batch, s.Slots]),
            New([batch, s.ReadHeads, s.Slots]), from.Reads, from.Hidden, New([batch, s.Hidden]));
        Tensor Kept(Tensor states) => states.Slice(0, 1, time + 1).Slice(-1, 0, s.Slots);
        Tensor? links = traceLinks ? New([time, batch, s.Slots, s.Slots]) : null;
        trace = keeps                                                                      // what is kept is shown
            ? new(Kept(saved.Reads), Kept(saved.Write), Kept(saved.Usage), links)
            : new(New([time, batch, s.ReadHeads, s.Slots]), New([time, batch, s.Slots]), New([time, batch, s.Slots]), links);

        Cpu.For(x.DType, Recurrence.Groups(batch), 1, new Forward(s, saved, x, from, weights.InterfaceBias.Contiguous(),
            Panels.Above(weights.Read.T, weights.Recurrent.T), Panels.Of(weights.Interface.T), y, last, trace));

        if (Record([y, last.Memory, last.Usage, last.Precedence, last.Links, last.WriteWeighting, last.ReadWeightings, last.Cell], inputs) is { } node)
            (node.sizes, node.saved) = (s, saved);
        return (y, last with { Reads = y.Select(0, ^1).Slice(-1, 0, s.Reads), Hidden = y.Select(0, ^1).Slice(-1, s.Reads, s.Reads + s.Hidden) });
    }

    internal static (int Time, int Batch) Check(Tensor x, in DncWeights w, in DncState start, in DncSizes s, bool traceLinks)
    {
        const string name = nameof(DncScan);
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
        Expect("the recurrent weight", w.Recurrent, [s.Gates, s.Hidden]);
        Expect("the interface weight", w.Interface, [s.InterfaceParameters, s.Hidden]);
        Expect("the interface bias", w.InterfaceBias, [s.InterfaceParameters]);
        Expect("the memory", start.Memory, [batch, s.Slots, s.Width]);
        Expect("the usage", start.Usage, [batch, s.Slots]);
        Expect("the precedence", start.Precedence, [batch, s.LinkedSlots]);
        Expect("the links", start.Links, [batch, s.LinkedSlots, s.LinkedSlots]);
        Expect("the write weighting", start.WriteWeighting, [batch, s.Slots]);
        Expect("the read weightings", start.ReadWeightings, [batch, s.ReadHeads, s.Slots]);
        Expect("the vectors read", start.Reads, [batch, s.Reads]);
        Expect("the hidden state", start.Hidden, [batch, s.Hidden]);
        Expect("the cell", start.Cell, [batch, s.Hidden]);
        if (traceLinks && !s.Links) throw new ShapeException(name, "the trace cannot hold links: the machine has none.");
        return (x.Shape[0], batch);
    }

    /// <summary>The loop over time, for groups of sequences.</summary>
    readonly struct Forward(
        DncSizes s, Saved saved, Tensor x, DncState from, Tensor interfaceBias, Panels toController, Panels toInterface, Tensor y, DncState last, DncTrace trace)
        : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, x.Shape[1] - first);
                States<T> states = new(s, saved, first, recent: 1);                         // a step's state takes the place of the one before
                for (int b = first; b < first + count; b++) Begin<V, T>(b, states[0, b]);
                for (int t = 0; t < x.Shape[0]; t++)
                {
                    Controller<V, T>(t, first, count);
                    for (int b = first; b < first + count; b++)
                    {
                        Access<V, T>(t, b, states[t, b], states[t + 1, b]);
                        Show(t, b, states[t + 1, b]);
                    }
                }
                for (int b = first; b < first + count; b++) End(b, states[x.Shape[0], b]);
            }
        }

        void Begin<V, T>(int b, T* m) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots;
            T* memory = from.Memory.Pointer<T>() + (long)b * s.Slots * s.Width;
            new Span<T>(m, s.Width * padded).Clear();                                    // the padding of everything over slots is zero, and stays so
            for (int i = 0; i < s.Slots; i++)
                for (int j = 0; j < s.Width; j++) m[(long)j * padded + i] = memory[(long)i * s.Width + j];
            DncContent.Norms<V, T>(m, padded, s.Width, saved.At<T>(saved.Norms, 0, b));
            Recurrence.CopyPadded(from.Usage.Pointer<T>() + (long)b * s.Slots, s.Slots, saved.At<T>(saved.Usage, 0, b), padded, 1);
            Recurrence.CopyPadded(from.WriteWeighting.Pointer<T>() + (long)b * s.Slots, s.Slots, saved.At<T>(saved.Write, 0, b), padded, 1);
            Recurrence.CopyPadded(from.ReadWeightings.Pointer<T>() + (long)b * s.ReadHeads * s.Slots, s.Slots, saved.At<T>(saved.Reads, 0, b), padded, s.ReadHeads);
            if (s.Links)
            {
                Recurrence.CopyPadded(from.Precedence.Pointer<T>() + (long)b * s.Slots, s.Slots, saved.At<T>(saved.Precedence, 0, b), padded, 1);
                T* links = m + (long)s.Width * padded;
                Recurrence.CopyPadded(from.Links.Pointer<T>() + (long)b * s.Slots * s.Slots, s.Slots, links, padded, s.Slots);
                new Span<T>(links + (long)s.Slots * padded, (s.LinkRows - s.Slots) * padded).Clear();
            }
            T* v = saved.At<T>(saved.V, 0, b);
            Recurrence.Copy(from.Reads.Pointer<T>() + (long)b * s.Reads, v, s.Reads);
            Recurrence.Copy(from.Hidden.Pointer<T>() + (long)b * s.Hidden, v + s.Reads, s.Hidden);
            Recurrence.Copy(from.Cell.Pointer<T>() + (long)b * s.Hidden, saved.At<T>(saved.Cell, 0, b), s.Hidden);
        }

        /// <summary>z, h and xi, for a group of sequences that share the loads of the weights.</summary>
        void Controller<V, T>(int t, int first, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int gates = s.Gates, gateStride = saved.Gates.Strides[1], vStride = saved.V.Strides[1], interfaceStride = saved.Interface.Strides[1];
            T* z = saved.Step<T>(saved.Gates, t, first), v = saved.At<T>(saved.V, t, first), next = saved.At<T>(saved.V, t + 1, first);
            T* xi = saved.Step<T>(saved.Interface, t, first);
            for (int g = 0; g < count; g++)
            {
                Recurrence.Copy(x.Pointer<T>() + ((long)t * x.Shape[1] + first + g) * gates, z + (long)g * gateStride, gates);
                Recurrence.Copy(interfaceBias.Pointer<T>(), xi + (long)g * interfaceStride, s.InterfaceParameters);
            }
            toController.MultiplyAdd<V, T>(v, vStride, z, gateStride, count);
            for (int g = 0; g < count; g++)
            {
                T* h = next + (long)g * vStride + s.Reads;
                RecurrentStep<LstmCell>.Forward<V, T>(null, z + (long)g * gateStride, h, saved.At<T>(saved.Cell, t, first + g), h, saved.At<T>(saved.Cell, t + 1, first + g), s.Hidden);
            }
            toInterface.MultiplyAdd<V, T>(next + s.Reads, vStride, xi, interfaceStride, count);
        }

        /// <summary>Writing and reading of one sequence.</summary>
        void Access<V, T>(int t, int b, T* m, T* newMemory) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots, width = s.Width;
            T* xi = saved.Step<T>(saved.Interface, t, b), next = saved.At<T>(saved.V, t + 1, b);
            T* norms = saved.At<T>(saved.Norms, t, b), newNorms = saved.At<T>(saved.Norms, t + 1, b);
            T* usage = saved.At<T>(saved.Usage, t + 1, b), w = saved.At<T>(saved.Write, t + 1, b), a = saved.Step<T>(saved.Allocation, t, b);
            T* read = saved.At<T>(saved.Reads, t, b), newRead = saved.At<T>(saved.Reads, t + 1, b);
            T* similarity = saved.Step<T>(saved.Similarity, t, b), content = saved.Step<T>(saved.Content, t, b);

            DncInterface.Activate<V, T>(s, xi);
            DncAllocation.Usage<V, T>(s, xi + s.FirstGate, saved.At<T>(saved.Usage, t, b), saved.At<T>(saved.Write, t, b), read, usage);
            DncAllocation.Allocate<V, T>(s, usage, saved.Step<int>(saved.Free, t, b), ThreadScratch<DncScan>.Take<T>(padded), a);
            DncContent.Forward<V, T>(s, m, norms, xi + s.WriteKey, xi + s.WriteStrength, 1, similarity, content);
            V allocate = V.Create(xi[s.AllocationGate]), write = V.Create(xi[s.WriteGate]);
            for (int i = 0; i < padded; i += V.Count) V.Store(w + i, write * V.Fma(allocate, V.Load(a + i), (V.One - allocate) * V.Load(content + i)));
            DncMemory.Write<V, T>(s, m, w, xi + s.Erase, xi + s.WriteVector, newMemory, newNorms);

            T* c = s.Links ? content + padded : newRead;
            DncContent.Forward<V, T>(s, newMemory, newNorms, xi, xi + s.ReadStrengths, s.ReadHeads, similarity + padded, c);
            if (s.Links)
            {
                long at = (long)width * padded;
                T* links = newMemory + at, forward = saved.Step<T>(saved.Followed, t, b), backward = forward + (long)s.ReadHeads * padded, precedence = saved.At<T>(saved.Precedence, t, b);
                DncLinks.Forward<V, T>(s, w, precedence, m + at, links);
                DncLinks.Precedence<V, T>(s, w, precedence, saved.At<T>(saved.Precedence, t + 1, b));
                DncLinks.Follow<V, T>(s, links, read, forward, backward);
                for (int head = 0; head < s.ReadHeads; head++)
                {
                    T* mode = xi + s.ReadModes + 3 * head;
                    V back = V.Create(mode[0]), by = V.Create(mode[1]), ahead = V.Create(mode[2]);
                    for (int i = head * padded, end = i + padded; i < end; i += V.Count)
                        V.Store(newRead + i, V.Fma(back, V.Load(backward + i), V.Fma(by, V.Load(c + i), ahead * V.Load(forward + i))));
                }
            }
            new Span<T>(next, s.Reads).Clear();
            Recurrence.MultiplyAddTransposed<V, T>(newMemory, padded, width, newRead, padded, padded, next, width, s.ReadHeads);
            Recurrence.Copy(next, y.Pointer<T>() + ((long)t * x.Shape[1] + b) * (s.Reads + s.Hidden), s.Reads + s.Hidden);
        }

        /// <summary>What is not kept for the backward pass is copied for those who look at it.</summary>
        void Show<T>(int t, int b, T* m) where T : unmanaged
        {
            long row = (long)t * x.Shape[1] + b;
            if (trace.Links is { } links) CopyRows(m + (long)s.Width * s.PaddedSlots, links.Pointer<T>() + row * s.Slots * s.Slots, s.Slots);
            if (saved.Keeps) return;
            CopyRows(saved.At<T>(saved.Reads, t + 1, b), trace.ReadWeightings.Pointer<T>() + row * s.ReadHeads * s.Slots, s.ReadHeads);
            CopyRows(saved.At<T>(saved.Write, t + 1, b), trace.WriteWeightings.Pointer<T>() + row * s.Slots, 1);
            CopyRows(saved.At<T>(saved.Usage, t + 1, b), trace.Usage.Pointer<T>() + row * s.Slots, 1);
        }

        void End<T>(int b, T* m) where T : unmanaged
        {
            int time = x.Shape[0];
            T* to = last.Memory.Pointer<T>() + (long)b * s.Slots * s.Width;
            for (int i = 0; i < s.Slots; i++)
                for (int j = 0; j < s.Width; j++) to[(long)i * s.Width + j] = m[(long)j * s.PaddedSlots + i];
            CopyRows(saved.At<T>(saved.Usage, time, b), last.Usage.Pointer<T>() + (long)b * s.Slots, 1);
            CopyRows(saved.At<T>(saved.Write, time, b), last.WriteWeighting.Pointer<T>() + (long)b * s.Slots, 1);
            CopyRows(saved.At<T>(saved.Reads, time, b), last.ReadWeightings.Pointer<T>() + (long)b * s.ReadHeads * s.Slots, s.ReadHeads);
            if (s.Links)
            {
                CopyRows(saved.At<T>(saved.Precedence, time, b), last.Precedence.Pointer<T>() + (long)b * s.Slots, 1);
                CopyRows(m + (long)s.Width * s.PaddedSlots, last.Links.Pointer<T>() + (long)b * s.Slots * s.Slots, s.Slots);
            }
            Recurrence.Copy(saved.At<T>(saved.Cell, time, b), last.Cell.Pointer<T>() + (long)b * s.Hidden, s.Hidden);
        }

        /// <summary>Rows of slots without their padding.</summary>
        void CopyRows<T>(T* padded, T* to, int rows) where T : unmanaged
        {
            for (int i = 0; i < rows; i++) Recurrence.Copy(padded + (long)i * s.PaddedSlots, to + (long)i * s.Slots, s.Slots);
        }
    }
}
