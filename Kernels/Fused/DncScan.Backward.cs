using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <content>Back through time.</content>
public sealed unsafe partial class DncScan
{
    /// <summary>The gradients that the backward pass carries from each step to the one before, padded as what they belong to.</summary>
    /// <param name="Memory">dM: [batch, width, slots].</param>
    /// <param name="Usage">du: [batch, slots].</param>
    /// <param name="Precedence">dp: [batch, linked slots].</param>
    /// <param name="Links">dL: [batch, link rows, linked slots].</param>
    /// <param name="Write">dw: [batch, slots].</param>
    /// <param name="Reads">dw_r: [batch, read heads, slots].</param>
    /// <param name="V">[batch, reads + hidden].</param>
    /// <param name="Cell">[batch, hidden].</param>
    readonly record struct Carried(Tensor Memory, Tensor Usage, Tensor Precedence, Tensor Links, Tensor Write, Tensor Reads, Tensor V, Tensor Cell)
    {
        public static Carried Make(in DncSizes s, int batch, DType type)
        {
            int slots = s.PaddedSlots, linked = Recurrence.Pad(s.LinkedSlots);
            Tensor New(Shape shape) => Tensor.Zeros(shape, type);
            return new(New([batch, s.Width, slots]), New([batch, slots]), New([batch, linked]), New([batch, s.LinkRows, linked]), New([batch, slots]), New([batch, s.ReadHeads, slots]),
                New([batch, Recurrence.Pad(s.Reads + s.Hidden)]), New([batch, s.Hidden]));
        }

        /// <summary>A sequence's part of a tensor.</summary>
        public static T* Of<T>(Tensor tensor, int b) where T : unmanaged => tensor.Pointer<T>() + (long)b * tensor.Strides[0];
    }

    /// <summary>
    /// Back through time by hand. Each step undoes read, links, write, addressing, interface and controller in turn; the weights' gradients are products over the whole
    /// sequence at the end.
    /// </summary>
    protected override void Backward()
    {
        DncSizes s = sizes;
        Tensor x = Input(0);
        DType type = x.DType;
        int time = x.Shape[0], batch = x.Shape[1], inputs = s.Reads + s.Hidden;
        Tensor dz = Tensor.Empty([time, batch, Recurrence.Pad(s.Gates)], type), dxi = Tensor.Empty([time, batch, Recurrence.Pad(s.InterfaceParameters)], type);
        Carried carried = Carried.Make(s, batch, type);
        Tensor? Last(int i) => HasOutputGradient(i) ? OutputGradient(i) : null;
        Cpu.For(type, Recurrence.Groups(batch), 1, new BackwardKernel(s, saved, OutputGradient(),
            new(Last(1), Last(2), Last(3), Last(4), Last(5), Last(6), Last(7)), Panels.Beside(Input(1), Input(2)), Panels.Of(Input(3)), dz, dxi, carried,
            Tensor.Empty([batch, Recurrence.Pad(s.Hidden)], type)));

        int rows = time * batch;
        Tensor dzRows = dz.Reshape([rows, dz.Shape[2]]).Slice(1, 0, s.Gates), dxiRows = dxi.Reshape([rows, dxi.Shape[2]]).Slice(1, 0, s.InterfaceParameters);
        Tensor v = saved.V.Slice(0, 0, time).Reshape([rows, saved.V.Shape[2]]), h = saved.V.Slice(0, 1, time + 1).Reshape([rows, saved.V.Shape[2]]).Slice(1, s.Reads, inputs);
        if (NeedsGradient(1)) Gemm.Multiply(dzRows.T, v.Slice(1, 0, s.Reads), InputGradient(1), accumulate: true);                  // dW_r = sum over t of dz_t r_t-1^T
        if (NeedsGradient(2)) Gemm.Multiply(dzRows.T, v.Slice(1, s.Reads, inputs), InputGradient(2), accumulate: true);             // dW_h = sum over t of dz_t h_t-1^T
        if (NeedsGradient(3)) Gemm.Multiply(dxiRows.T, h, InputGradient(3), accumulate: true);                                      // dW_xi = sum over t of dxi_t h_t^T
        if (NeedsGradient(4)) Summation.AddInto(dxiRows, InputGradient(4));                                                         // db_xi = sum over t of dxi_t
        Tensor Unpadded(Tensor tensor) => tensor.Slice(-1, 0, Math.Min(s.Slots, tensor.Shape[^1]));
        if (NeedsGradient(5)) Summation.AddInto(Unpadded(carried.Memory).Transpose(1, 2), InputGradient(5));
        if (NeedsGradient(6)) Summation.AddInto(Unpadded(carried.Usage), InputGradient(6));
        if (NeedsGradient(7)) Summation.AddInto(Unpadded(carried.Precedence), InputGradient(7));
        if (NeedsGradient(8)) Summation.AddInto(Unpadded(carried.Links).Slice(1, 0, s.LinkedSlots), InputGradient(8));
        if (NeedsGradient(9)) Summation.AddInto(Unpadded(carried.Write), InputGradient(9));
        if (NeedsGradient(10) && (s.Links || s.FreeGates)) Summation.AddInto(Unpadded(carried.Reads), InputGradient(10));
        if (NeedsGradient(11)) Summation.AddInto(carried.V.Slice(1, 0, s.Reads), InputGradient(11));
        if (NeedsGradient(12)) Summation.AddInto(carried.V.Slice(1, s.Reads, inputs), InputGradient(12));
        if (NeedsGradient(13)) Summation.AddInto(carried.Cell, InputGradient(13));
        if (NeedsGradient(0)) GiveInputGradient(0, s.Gates == dz.Shape[2] ? dz : dz.Slice(2, 0, s.Gates));
    }

    /// <summary>What flows in from the state after the last step, where anything does.</summary>
    readonly record struct LastGradients(Tensor? Memory, Tensor? Usage, Tensor? Precedence, Tensor? Links, Tensor? Write, Tensor? Reads, Tensor? Cell);

    readonly struct BackwardKernel(
        DncSizes s, Saved saved, Tensor dy, LastGradients last, Panels fromController, Panels fromInterface, Tensor dz, Tensor dxi, Carried carried, Tensor dHidden) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, dy.Shape[1] - first);
                States<T> states = new(s, saved, first, recent: Every);
                for (int b = first; b < first + count; b++) Begin<T>(b);
                for (int t = dy.Shape[0] - 1; t >= 0; t--)
                {
                    for (int b = first; b < first + count; b++)
                    {
                        if (t == dy.Shape[0] - 1 || (t + 1) % Every == 0) MakeAgain<V, T>(t, b, states);
                        Access<V, T>(t, b, states[t, b], states[t + 1, b]);
                    }
                    Controller<V, T>(t, first, count);
                }
            }
        }

        /// <summary>Memory and links since the last ones kept, up to those after step <paramref name="t"/>.</summary>
        void MakeAgain<V, T>(int t, int b, in States<T> states) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            for (int u = t - t % Every; u <= t && (u + 1) % Every != 0; u++)
            {
                T* m = states[u, b], newMemory = states[u + 1, b], xi = saved.Step<T>(saved.Interface, u, b), w = saved.At<T>(saved.Write, u + 1, b);
                DncMemory.Write<V, T>(s, m, w, xi + s.Erase, xi + s.WriteVector, newMemory, saved.At<T>(saved.Norms, u + 1, b));
                long links = (long)s.Width * s.PaddedSlots;
                if (s.Links) DncLinks.Forward<V, T>(s, w, saved.At<T>(saved.Precedence, u, b), m + links, newMemory + links);
            }
        }

        void Begin<T>(int b) where T : unmanaged
        {
            int padded = s.PaddedSlots;
            T* dm = Carried.Of<T>(carried.Memory, b);
            if (last.Memory is { } memory)
                for (int i = 0; i < s.Slots; i++)
                    for (int j = 0; j < s.Width; j++) dm[(long)j * padded + i] = memory.Pointer<T>()[((long)b * s.Slots + i) * s.Width + j];
            void Take(Tensor? from, Tensor to, int rows)
            {
                if (from is { } gradient) Recurrence.CopyPadded(Carried.Of<T>(gradient, b), gradient.Shape[^1], Carried.Of<T>(to, b), to.Shape[^1], rows);
            }
            Take(last.Usage, carried.Usage, 1);
            Take(last.Precedence, carried.Precedence, 1);
            Take(last.Links, carried.Links, s.LinkedSlots);
            Take(last.Write, carried.Write, 1);
            Take(last.Reads, carried.Reads, s.ReadHeads);
            Take(last.Cell, carried.Cell, 1);
        }

        /// <summary>Back through reading and writing of one sequence: dxi, and everything carried but the controller's.</summary>
        void Access<V, T>(int t, int b, T* m, T* newMemory) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots, width = s.Width, heads = s.ReadHeads, outputs = s.Reads + s.Hidden, all = heads * padded;
            T* xi = saved.Step<T>(saved.Interface, t, b), d = Recurrence.At<T>(dxi, t, b), dv = Carried.Of<T>(carried.V, b);
            T* newNorms = saved.At<T>(saved.Norms, t + 1, b);
            T* w = saved.At<T>(saved.Write, t + 1, b), a = saved.Step<T>(saved.Allocation, t, b), read = saved.At<T>(saved.Reads, t, b), newRead = saved.At<T>(saved.Reads, t + 1, b);
            T* similarity = saved.Step<T>(saved.Similarity, t, b), content = saved.Step<T>(saved.Content, t, b);
            T* dm = Carried.Of<T>(carried.Memory, b), du = Carried.Of<T>(carried.Usage, b), dw = Carried.Of<T>(carried.Write, b), dRead = Carried.Of<T>(carried.Reads, b);
            T* rows = ThreadScratch<DncScan>.Take<T>(6L * all + 3 * padded + 2 * s.Reads), columns = rows + 2 * all, dContent = columns + 2 * all, dBefore = dContent + all;
            T* toSlots = dBefore + all, da = toSlots + padded, work = da + padded, vectors = work + padded;
            Recurrence.Add<V, T>(dy.Pointer<T>() + ((long)t * dy.Shape[1] + b) * outputs, dv, outputs);                             // [dr, dh] += dy

            // Reading: r = M^T w_r, and the modes
            Recurrence.MultiplyAdd<V, T>(newMemory, padded, dv, width, width, dRead, padded, padded, heads);                        // dw_r[i] += sum over j of M[i, j] dr[j]
            new Span<T>(dBefore, all).Clear();                                                                                      // dw'_r
            T* c = content + padded, dc = dRead;
            if (s.Links)
            {
                dc = dContent;
                Modes<V, T>(xi + s.ReadModes, saved.Step<T>(saved.Followed, t, b), c, dRead, rows, dContent, columns + all, d + s.ReadModes);
                Recurrence.Copy(read, rows + all, all);
                Recurrence.Copy(read, columns, all);
                long links = (long)width * padded;
                T* dLinks = Carried.Of<T>(carried.Links, b);
                DncLinks.FollowBackward<V, T>(s, newMemory + links, rows, columns, dBefore, dLinks);
                DncLinks.Backward<V, T>(s, w, saved.At<T>(saved.Precedence, t, b), m + links, work, Carried.Of<T>(carried.Precedence, b), dLinks, dw);
            }
            else c = newRead;
            DncContent.Backward<V, T>(s, newMemory, newNorms, xi, xi + s.ReadStrengths, heads, similarity + padded, c, dc, columns + all, toSlots, d, d + s.ReadStrengths);
            Recurrence.Copy(newRead, columns, all);
            Recurrence.Copy(dv, vectors, s.Reads);
            Recurrence.Copy(xi, vectors + s.Reads, s.Reads);
            Recurrence.AddOuter<V, T>(vectors, width, columns, padded, 2 * heads, dm, padded, width, padded);                      // dM[i, j] += sum over heads of w_r[i] dr[j] + toKey[i] k[j]

            // Writing
            Recurrence.Copy(dBefore, dRead, all);
            DncMemory.WriteBackward<V, T>(s, m, w, xi + s.Erase, xi + s.WriteVector, toSlots, dm, dw, d + s.Erase, d + s.WriteVector);
            WeightingBackward<V, T>(a, content, xi[s.AllocationGate], xi[s.WriteGate], dw, da, dContent, d + s.AllocationGate, d + s.WriteGate);
            DncContent.Backward<V, T>(s, m, saved.At<T>(saved.Norms, t, b), xi + s.WriteKey, xi + s.WriteStrength, 1, similarity, content, dContent, work, toSlots, d + s.WriteKey, d + s.WriteStrength);
            DncMemory.AddContent<V, T>(s, m, xi + s.WriteKey, work, toSlots, dm);
            DncAllocation.AllocateBackward(s, saved.At<T>(saved.Usage, t + 1, b), saved.Step<int>(saved.Free, t, b), da, work, du);
            DncAllocation.UsageBackward<V, T>(s, xi + s.FirstGate, saved.At<T>(saved.Usage, t, b), saved.At<T>(saved.Write, t, b), read, du, dw, d + s.FirstGate, dRead);
            DncInterface.ActivateBackward<V, T>(s, xi, d);
        }

        /// <summary>Back through w_r = pi_1 b_r + pi_2 c_r + pi_3 f_r of all heads: df, dc, db and the modes' gradients, to be written.</summary>
        void Modes<V, T>(T* mode, T* forward, T* content, T* dRead, T* dForward, T* dContent, T* dBackward, T* dMode)
            where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int padded = s.PaddedSlots, heads = s.ReadHeads;
            T* backward = forward + (long)heads * padded;
            for (int head = 0; head < heads; head++, mode += 3, dMode += 3)
            {
                V back = V.Create(mode[0]), by = V.Create(mode[1]), ahead = V.Create(mode[2]), dBack = V.Zero, dBy = V.Zero, dAhead = V.Zero;
                for (int i = head * padded, end = i + padded; i < end; i += V.Count)
                {
                    V dr = V.Load(dRead + i);
                    (dBack, dBy, dAhead) = (V.Fma(dr, V.Load(backward + i), dBack), V.Fma(dr, V.Load(content + i), dBy), V.Fma(dr, V.Load(forward + i), dAhead));
                    V.Store(dBackward + i, back * dr);
                    V.Store(dContent + i, by * dr);
                    V.Store(dForward + i, ahead * dr);
                }
                (dMode[0], dMode[1], dMode[2]) = (V.Sum(dBack), V.Sum(dBy), V.Sum(dAhead));
            }
        }

        /// <summary>Back through w = g_w (g_a a + (1 - g_a) c): da, dc and both gates, to be written.</summary>
        void WeightingBackward<V, T>(T* a, T* c, T allocationGate, T writeGate, T* dw, T* da, T* dc, T* dAllocationGate, T* dWriteGate)
            where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            V allocate = V.Create(allocationGate), other = V.One - allocate, write = V.Create(writeGate), dAllocate = V.Zero, dWrite = V.Zero;
            for (int i = 0; i < s.PaddedSlots; i += V.Count)
            {
                V d = V.Load(dw + i), allocated = V.Load(a + i), content = V.Load(c + i);
                dWrite = V.Fma(d, V.Fma(allocate, allocated, other * content), dWrite);
                d *= write;
                dAllocate = V.Fma(d, allocated - content, dAllocate);
                V.Store(da + i, d * allocate);
                V.Store(dc + i, d * other);
            }
            *dAllocationGate = V.Sum(dAllocate);
            *dWriteGate = V.Sum(dWrite);
        }

        /// <summary>Back through interface and controller of a group: dz, and dv and dc of the step before.</summary>
        void Controller<V, T>(int t, int first, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int vStride = carried.V.Strides[0], hiddenStride = dHidden.Strides[0];
            T* d = Recurrence.At<T>(dxi, t, first), dh = Carried.Of<T>(dHidden, first), dv = Carried.Of<T>(carried.V, first), dGates = Recurrence.At<T>(dz, t, first);
            for (int g = 0; g < count; g++) Recurrence.CopyPadded(dv + (long)g * vStride + s.Reads, s.Hidden, dh + (long)g * hiddenStride, hiddenStride, 1);
            fromInterface.MultiplyAdd<V, T>(d, dxi.Strides[1], dh, hiddenStride, count);
            for (int g = 0; g < count; g++)
            {
                RecurrentStep<LstmCell>.Backward<V, T>(saved.Step<T>(saved.Gates, t, first + g), null, saved.At<T>(saved.Cell, t, first + g), saved.At<T>(saved.Cell, t + 1, first + g),
                    dh + (long)g * hiddenStride, Carried.Of<T>(carried.Cell, first + g), dGates + (long)g * dz.Strides[1], null, s.Hidden);
                new Span<T>(dv + (long)g * vStride, vStride).Clear();
            }
            fromController.MultiplyAdd<V, T>(dGates, dz.Strides[1], dv, vStride, count);
        }
    }
}
