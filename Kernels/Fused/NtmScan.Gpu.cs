using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

// The machine on a GPU: one group of threads walks one sequence, forwards and backwards, with the loop over time inside. What a step needs of all slots or units at once lies in shared memory, the
// memory itself too where it is small enough. A thread owns some slots, so that equations (3) to (9) but for their sums and the shift need nobody else; a sum over slots for each column, such as
// a read, is a warp's.
public sealed unsafe partial class NtmScan
{
    const int MaxThreads = 256;

    /// <summary>Floats of shared memory that may be asked for: 48 KB less what the reductions take.</summary>
    const int SharedFloats = 11 * 1024;

    static int Threads(in NtmSizes s) => Math.Clamp((Math.Max(s.Slots, s.Hidden) + 31) / 32 * 32, 32, MaxThreads);

    static int Shared(in NtmSizes s, int floats) => floats <= SharedFloats ? floats
        : throw new DeviceException($"NtmScan: {s} needs {floats:n0} floats of shared memory for a step; a GPU's group has {SharedFloats:n0}. Use fewer hidden units, heads or slots, or the CPU.");

    /// <summary>Where the memory, or its gradient, of the sequence at hand lies.</summary>
    interface IPlace
    {
        static abstract bool IsShared { get; }
    }

    readonly struct InShared : IPlace
    {
        public static bool IsShared => true;
    }

    readonly struct InGlobal : IPlace
    {
        public static bool IsShared => false;
    }

    /// <summary>Views of what the forward pass saves, and which step of it is where.</summary>
    readonly struct GpuSaved(GpuBackend gpu, in Saved saved, int batch)
    {
        public readonly ArrayView<float>
            V = gpu.View(saved.V), Gates = gpu.View(saved.Gates), Cell = gpu.View(saved.Cell), Head = gpu.View(saved.Head), Memory = gpu.View(saved.Memory), Norms = gpu.View(saved.Norms),
            Similarity = gpu.View(saved.Similarity), Content = gpu.View(saved.Content), Shifted = gpu.View(saved.Shifted), Weighting = gpu.View(saved.Weighting);

        readonly int keeps = saved.Keeps ? 1 : 0;

        /// <summary>Where the row of a sequence at step t begins, of what is saved once a step.</summary>
        public int Step(int t, int b, int row) => ((keeps != 0 ? t : 0) * batch + b) * row;

        /// <summary>Likewise of what a step takes over from the one before and hands on.</summary>
        public int State(int t, int b, int row) => ((keeps != 0 ? t : t & 1) * batch + b) * row;
    }

    static void Launch(GpuBackend gpu, in NtmSizes s, in Saved saved, Tensor x, in NtmWeights weights, Tensor recurrent, in NtmState start, in NtmState final, Tensor y, Tensor weightings)
    {
        int inner = s.Controller == NtmController.Lstm ? s.Reads + s.Hidden : s.Reads, floats = Shared(s, s.Reads + 2 * s.Hidden + 2 * s.HeadParameters + 2 * s.Slots);
        Tensor packed = Tensor.Empty([inner, s.Gates], x.DType);
        Transfer.Copy(weights.Read.T, packed.Slice(0, 0, s.Reads));
        if (inner > s.Reads) Transfer.Copy(recurrent.T, packed.Slice(0, s.Reads, inner));
        GpuForward forward = new(
            s, new(gpu, saved, x.Shape[1]), x.Shape[0], x.Shape[1], gpu.View(x), gpu.View(packed), gpu.View(weights.Head.T.Contiguous()), gpu.View(weights.HeadBias.Contiguous()),
            gpu.View(start.Memory), gpu.View(start.Weightings), gpu.View(start.Reads), gpu.View(start.Hidden), gpu.View(start.Cell),
            gpu.View(y), gpu.View(final.Memory), gpu.View(final.Weightings), gpu.View(final.Cell), gpu.View(weightings));
        int memory = s.Slots * s.Width;
        if (floats + memory <= SharedFloats) gpu.Launch(x.Shape[1], Threads(s), new GpuForwardIn<InShared>(forward), floats + memory);
        else gpu.Launch(x.Shape[1], Threads(s), new GpuForwardIn<InGlobal>(forward), floats);
    }

    readonly struct GpuForwardIn<TPlace>(GpuForward forward) : IGpuKernel where TPlace : struct, IPlace
    {
        public void Run() => forward.Run<TPlace>();
    }

    readonly struct GpuForward(
        NtmSizes s, GpuSaved saved, int time, int batch, ArrayView<float> x, ArrayView<float> recurrent, ArrayView<float> headWeight, ArrayView<float> headBias,
        ArrayView<float> memory, ArrayView<float> weightings, ArrayView<float> reads, ArrayView<float> hidden, ArrayView<float> cell,
        ArrayView<float> y, ArrayView<float> lastMemory, ArrayView<float> lastWeightings, ArrayView<float> lastCell, ArrayView<float> allWeightings)
    {
        public void Run<TPlace>() where TPlace : struct, IPlace
        {
            ArrayView<float> shared = SharedMemory.GetDynamic<float>();
            int outputs = s.Reads + s.Hidden, at = outputs;
            ArrayView<float> v = shared.SubView(0, outputs), h = shared.SubView(at, s.Hidden), raw = shared.SubView(at += s.Hidden, s.HeadParameters);
            ArrayView<float> p = shared.SubView(at += s.HeadParameters, s.HeadParameters), ring = shared.SubView(at += s.HeadParameters, s.Slots), w = shared.SubView(at += s.Slots, s.Slots);
            ArrayView<float> m = TPlace.IsShared ? shared.SubView(at + s.Slots, s.Slots * s.Width) : w;

            int b = Grid.IdxX;
            Begin<TPlace>(b, v, m);
            Group.Barrier();
            for (int t = 0; t < time; t++)
            {
                Controller(t, b, v, h, raw, p);
                Heads<TPlace>(t, b, v, p, ring, w, m);
                Group.Barrier();                                                     // all have read the memory
                Write<TPlace>(t, b, p, m);
                for (int j = Group.IdxX; j < outputs; j += Group.DimX)
                {
                    if (j >= s.Reads) v[j] = h[j - s.Reads];
                    y[(t * batch + b) * outputs + j] = v[j];
                    saved.V[saved.State(t + 1, b, Recurrence.Pad(outputs)) + j] = v[j];
                }
                Group.Barrier();
            }
            End<TPlace>(b, m);
        }

        /// <summary>M[slot i, column j] at step t.</summary>
        float Memory<TPlace>(ArrayView<float> m, int state, int i, int j) where TPlace : struct, IPlace =>
            TPlace.IsShared ? m[j * s.Slots + i] : saved.Memory[state + j * s.PaddedSlots + i];

        void Begin<TPlace>(int b, ArrayView<float> v, ArrayView<float> m) where TPlace : struct, IPlace
        {
            int outputs = s.Reads + s.Hidden, toMemory = saved.State(0, b, s.Width * s.PaddedSlots), toWeighting = saved.State(0, b, s.Heads * s.PaddedSlots);
            for (int i = Group.IdxX; i < s.Slots; i += Group.DimX)
            {
                for (int j = 0; j < s.Width; j++)
                {
                    float value = memory[(b * s.Slots + i) * s.Width + j];
                    saved.Memory[toMemory + j * s.PaddedSlots + i] = value;
                    if (TPlace.IsShared) m[j * s.Slots + i] = value;
                }
                for (int head = 0; head < s.Heads; head++) saved.Weighting[toWeighting + head * s.PaddedSlots + i] = weightings[(b * s.Heads + head) * s.Slots + i];
            }
            for (int j = Group.IdxX; j < outputs; j += Group.DimX)
            {
                v[j] = j < s.Reads ? reads[b * s.Reads + j] : hidden[b * s.Hidden + j - s.Reads];
                saved.V[saved.State(0, b, Recurrence.Pad(outputs)) + j] = v[j];
            }
            if (s.Controller == NtmController.Lstm)
                for (int j = Group.IdxX; j < s.Hidden; j += Group.DimX) saved.Cell[saved.State(0, b, s.Hidden) + j] = cell[b * s.Hidden + j];
        }

        /// <summary>z_t, h_t and p_t.</summary>
        void Controller(int t, int b, ArrayView<float> v, ArrayView<float> h, ArrayView<float> raw, ArrayView<float> p)
        {
            int hidden = s.Hidden, gates = s.Gates, input = (t * batch + b) * gates, to = saved.Step(t, b, Recurrence.Pad(gates));
            for (int j = Group.IdxX; j < hidden; j += Group.DimX)
            {
                if (s.Controller == NtmController.Lstm)
                {
                    Gates<GpuFloat> z = default;
                    z.A = x[input + j];
                    z.B = x[input + hidden + j];
                    z.C = x[input + 2 * hidden + j];
                    z.D = x[input + 3 * hidden + j];
                    for (int i = 0; i < s.Reads + hidden; i++)
                    {
                        float vi = v[i];
                        int row = i * gates + j;
                        z.A = GpuMath.Fma(recurrent[row], vi, z.A);
                        z.B = GpuMath.Fma(recurrent[row + hidden], vi, z.B);
                        z.C = GpuMath.Fma(recurrent[row + 2 * hidden], vi, z.C);
                        z.D = GpuMath.Fma(recurrent[row + 3 * hidden], vi, z.D);
                    }
                    LstmCell.Forward(default, ref z, GpuFloat.Zero, saved.Cell[saved.State(t, b, hidden) + j], out GpuFloat after, out GpuFloat cellAfter);
                    saved.Gates[to + j] = z.A;
                    saved.Gates[to + hidden + j] = z.B;
                    saved.Gates[to + 2 * hidden + j] = z.C;
                    saved.Gates[to + 3 * hidden + j] = z.D;
                    saved.Cell[saved.State(t + 1, b, hidden) + j] = cellAfter;
                    h[j] = after;
                }
                else
                {
                    float z = x[input + j];
                    for (int i = 0; i < s.Reads; i++) z = GpuMath.Fma(recurrent[i * gates + j], v[i], z);
                    h[j] = GpuFloat.Tanh(z);
                }
            }
            Group.Barrier();
            for (int q = Group.IdxX; q < s.HeadParameters; q += Group.DimX)
            {
                float sum = headBias[q];
                for (int j = 0; j < hidden; j++) sum = GpuMath.Fma(headWeight[j * s.HeadParameters + q], h[j], sum);
                raw[q] = sum;
            }
            Group.Barrier();
            for (int q = Group.IdxX; q < s.HeadParameters; q += Group.DimX)
            {
                p[q] = Activate(raw, q);
                saved.Head[saved.Step(t, b, Recurrence.Pad(s.HeadParameters)) + q] = p[q];
            }
            Group.Barrier();
        }

        /// <summary>A head's parameter in its range, see <see cref="NtmHead.Activate"/>.</summary>
        float Activate(ArrayView<float> raw, int q)
        {
            int offset = Owner(s, q, out int k), shift = offset + s.Width + 2;
            if (k < s.Width || k >= s.AddressParameters + s.Width) return raw[q];                                // key, add
            if (k == s.Width) return GpuFloat.Softplus(raw[q]);
            if (k == s.Width + 1 || k >= s.AddressParameters) return GpuFloat.Sigmoid(raw[q]);                  // gate, erase
            if (k == s.AddressParameters - 1) return 1 + GpuFloat.Softplus(raw[q]).Value;
            float max = float.NegativeInfinity, sum = 0;
            for (int j = 0; j < s.Shifts; j++) max = GpuFloat.Max(max, raw[shift + j]);
            for (int j = 0; j < s.Shifts; j++) sum += GpuFloat.Exp(raw[shift + j] - max).Value;
            return GpuFloat.Exp(raw[q] - max).Value / sum;
        }

        /// <summary>w_t and r_t: equations (5) to (9), and (2).</summary>
        void Heads<TPlace>(int t, int b, ArrayView<float> v, ArrayView<float> p, ArrayView<float> ring, ArrayView<float> w, ArrayView<float> m) where TPlace : struct, IPlace
        {
            int slots = s.Slots, padded = s.PaddedSlots, width = s.Width, shifts = s.Shifts, half = shifts / 2, norms = saved.Step(t, b, padded);
            int state = saved.State(t, b, width * padded), heads = s.Heads * padded, warp = Group.IdxX / 32, warps = Group.DimX / 32;
            for (int i = Group.IdxX; i < slots; i += Group.DimX)
            {
                float sum = 0;
                for (int j = 0; j < width; j++)
                {
                    float value = Memory<TPlace>(m, state, i, j);
                    sum = GpuMath.Fma(value, value, sum);
                }
                saved.Norms[norms + i] = GpuFloat.Sqrt(sum);
            }
            for (int head = 0; head < s.Heads; head++)
            {
                int key = s.HeadOffset(head), shift = key + width + 2, row = head * padded, step = saved.Step(t, b, heads) + row;
                int before = saved.State(t, b, heads) + row, after = saved.State(t + 1, b, heads) + row;
                float strength = p[key + width], gate = p[key + width + 1], sharpening = p[shift + shifts], keyNorm = Norm(p, key, width), max = float.NegativeInfinity, sum = 0;
                for (int i = Group.IdxX; i < slots; i += Group.DimX)                                             // (6)
                {
                    float dot = 0;
                    for (int j = 0; j < width; j++) dot = GpuMath.Fma(p[key + j], Memory<TPlace>(m, state, i, j), dot);
                    float similarity = dot / GpuFloat.Max(keyNorm * saved.Norms[norms + i], (float)NtmAddressing.CosineEpsilon);
                    saved.Similarity[step + i] = similarity;
                    max = GpuFloat.Max(max, similarity * strength);
                }
                max = GroupReduce.Max(max);
                for (int i = Group.IdxX; i < slots; i += Group.DimX)                                             // (5)
                {
                    float e = GpuFloat.Exp(saved.Similarity[step + i] * strength - max);
                    saved.Content[step + i] = e;
                    sum += e;
                }
                float factor = 1 / GroupReduce.Sum(sum);
                for (int i = Group.IdxX; i < slots; i += Group.DimX)                                             // (7)
                {
                    float content = saved.Content[step + i] * factor, old = saved.Weighting[before + i];
                    saved.Content[step + i] = content;
                    ring[i] = GpuMath.Fma(gate, content - old, old);
                }
                Group.Barrier();
                max = float.NegativeInfinity;
                for (int i = Group.IdxX; i < slots; i += Group.DimX)                                             // (8)
                {
                    float shifted = 0;
                    for (int j = 0; j < shifts; j++) shifted = GpuMath.Fma(p[shift + j], ring[Around(i + half - j, slots)], shifted);
                    saved.Shifted[step + i] = shifted;
                    w[i] = GpuFloat.Log(shifted + (float)SharpenEpsilon).Value * sharpening;
                    max = GpuFloat.Max(max, w[i]);
                }
                max = GroupReduce.Max(max);
                sum = 0;
                for (int i = Group.IdxX; i < slots; i += Group.DimX)                                             // (9)
                {
                    w[i] = GpuFloat.Exp(w[i] - max);
                    sum += w[i];
                }
                factor = 1 / GroupReduce.Sum(sum);
                for (int i = Group.IdxX; i < slots; i += Group.DimX)
                {
                    w[i] *= factor;
                    saved.Weighting[after + i] = w[i];
                    allWeightings[((t * batch + b) * s.Heads + head) * slots + i] = w[i];
                }
                Group.Barrier();
                if (head >= s.ReadHeads) continue;
                for (int j = warp; j < width; j += warps)                                                        // (2)
                {
                    float read = 0;
                    for (int i = Warp.LaneIdx; i < slots; i += 32) read = GpuMath.Fma(Memory<TPlace>(m, state, i, j), w[i], read);
                    read = WarpReduce.Sum(read);
                    if (Warp.LaneIdx == 0) v[head * width + j] = read;
                }
            }
        }

        /// <summary>M_t: equations (3) and (4).</summary>
        void Write<TPlace>(int t, int b, ArrayView<float> p, ArrayView<float> m) where TPlace : struct, IPlace
        {
            int padded = s.PaddedSlots, width = s.Width, from = saved.State(t, b, width * padded), to = saved.State(t + 1, b, width * padded), weights = saved.State(t + 1, b, s.Heads * padded);
            for (int i = Group.IdxX; i < s.Slots; i += Group.DimX)
                for (int j = 0; j < width; j++)
                {
                    float kept = Memory<TPlace>(m, from, i, j), added = 0;
                    for (int head = s.ReadHeads; head < s.Heads; head++)
                    {
                        int erase = s.HeadOffset(head) + s.AddressParameters + j;
                        float w = saved.Weighting[weights + head * padded + i];
                        kept *= 1 - w * p[erase];
                        added = GpuMath.Fma(w, p[erase + width], added);
                    }
                    saved.Memory[to + j * padded + i] = kept + added;
                    if (TPlace.IsShared) m[j * s.Slots + i] = kept + added;
                }
        }

        void End<TPlace>(int b, ArrayView<float> m) where TPlace : struct, IPlace
        {
            int state = saved.State(time, b, s.Width * s.PaddedSlots), weights = saved.State(time, b, s.Heads * s.PaddedSlots);
            for (int i = Group.IdxX; i < s.Slots; i += Group.DimX)
            {
                for (int j = 0; j < s.Width; j++) lastMemory[(b * s.Slots + i) * s.Width + j] = Memory<TPlace>(m, state, i, j);
                for (int head = 0; head < s.Heads; head++) lastWeightings[(b * s.Heads + head) * s.Slots + i] = saved.Weighting[weights + head * s.PaddedSlots + i];
            }
            if (s.Controller == NtmController.Lstm)
                for (int j = Group.IdxX; j < s.Hidden; j += Group.DimX) lastCell[b * s.Hidden + j] = saved.Cell[saved.State(time, b, s.Hidden) + j];
        }
    }

    /// <summary>Where the parameters of the head that parameter <paramref name="q"/> belongs to begin, and its number among them.</summary>
    static int Owner(in NtmSizes s, int q, out int k)
    {
        int reading = s.ReadHeads * s.AddressParameters, each = q < reading ? s.AddressParameters : s.AddressParameters + 2 * s.Width;
        k = q < reading ? q % each : (q - reading) % each;
        return q - k;
    }

    /// <summary>A place on a ring of slots, from one that is less than a round away from it.</summary>
    static int Around(int i, int slots) => i < 0 ? i + slots : i >= slots ? i - slots : i;

    static float Norm(ArrayView<float> p, int key, int width)
    {
        float sum = 0;
        for (int j = 0; j < width; j++) sum = GpuMath.Fma(p[key + j], p[key + j], sum);
        return GpuFloat.Sqrt(sum);
    }

    static void LaunchBackward(
        GpuBackend gpu, in NtmSizes s, in Saved saved, Tensor dy, Tensor? dLastMemory, Tensor? dLastWeightings, Tensor? dLastCell,
        Tensor read, Tensor recurrent, Tensor head, Tensor dz, Tensor dp, Tensor dMemory, Tensor dWeightings, Tensor dv, Tensor dCell)
    {
        int outputs = s.Reads + s.Hidden, floats = Shared(s, outputs + s.Hidden + s.Gates + 2 * s.HeadParameters + 3 * s.Slots);
        Tensor packed = Tensor.Zeros([s.Gates, outputs], dy.DType);              // no weight leads back to a feed-forward layer's own past
        Transfer.Copy(read, packed.Slice(1, 0, s.Reads));
        if (s.Controller == NtmController.Lstm) Transfer.Copy(recurrent, packed.Slice(1, s.Reads, outputs));
        GpuBackward backward = new(
            s, new(gpu, saved, dy.Shape[1]), dy.Shape[0], dy.Shape[1], gpu.View(dy), View(dLastMemory), View(dLastWeightings), View(dLastCell), gpu.View(packed), gpu.View(head.Contiguous()),
            gpu.View(dz), gpu.View(dp), gpu.View(dMemory), gpu.View(dWeightings), gpu.View(dv), gpu.View(dCell));
        int memory = s.Slots * s.Width;
        if (floats + memory <= SharedFloats) gpu.Launch(dy.Shape[1], Threads(s), new GpuBackwardIn<InShared>(backward), floats + memory);
        else gpu.Launch(dy.Shape[1], Threads(s), new GpuBackwardIn<InGlobal>(backward), floats);

        ArrayView<float> View(Tensor? tensor) => tensor is { } t ? gpu.View(t) : ArrayView<float>.Empty;
    }

    readonly struct GpuBackwardIn<TPlace>(GpuBackward backward) : IGpuKernel where TPlace : struct, IPlace
    {
        public void Run() => backward.Run<TPlace>();
    }

    readonly struct GpuBackward(
        NtmSizes s, GpuSaved saved, int time, int batch, ArrayView<float> dy, ArrayView<float> dLastMemory, ArrayView<float> dLastWeightings, ArrayView<float> dLastCell,
        ArrayView<float> recurrent, ArrayView<float> headWeight, ArrayView<float> dz, ArrayView<float> dp, ArrayView<float> dMemory, ArrayView<float> dWeightings,
        ArrayView<float> dv, ArrayView<float> dCell)
    {
        public void Run<TPlace>() where TPlace : struct, IPlace
        {
            ArrayView<float> shared = SharedMemory.GetDynamic<float>();
            int outputs = s.Reads + s.Hidden, at = outputs;
            ArrayView<float> dState = shared.SubView(0, outputs), dGates = shared.SubView(at, s.Gates), p = shared.SubView(at += s.Gates, s.HeadParameters);
            ArrayView<float> dHead = shared.SubView(at += s.HeadParameters, s.HeadParameters), a = shared.SubView(at += s.HeadParameters, s.Slots);
            ArrayView<float> ring = shared.SubView(at += s.Slots, s.Slots), weight = shared.SubView(at += s.Slots, s.Slots);
            ArrayView<float> dm = TPlace.IsShared ? shared.SubView(at + s.Slots, s.Slots * s.Width) : weight;

            int b = Grid.IdxX;
            Begin<TPlace>(b, dState, dm);
            for (int t = time - 1; t >= 0; t--)
            {
                for (int j = Group.IdxX; j < outputs; j += Group.DimX) dState[j] += dy[(t * batch + b) * outputs + j];
                for (int q = Group.IdxX; q < s.HeadParameters; q += Group.DimX) p[q] = saved.Head[saved.Step(t, b, Recurrence.Pad(s.HeadParameters)) + q];
                Group.Barrier();
                Write<TPlace>(t, b, p, dHead, dm);
                for (int head = 0; head < s.Heads; head++) Address<TPlace>(t, b, head, dState, p, dHead, a, ring, weight, dm);
                Controller(t, b, dState, dGates, p, dHead, a);
            }
            End<TPlace>(b, dState, dm);
        }

        /// <summary>Where dL/dM[slot i, column j] lies in its place.</summary>
        int Place<TPlace>(int b, int i, int j) where TPlace : struct, IPlace => TPlace.IsShared ? j * s.Slots + i : (b * s.Width + j) * s.PaddedSlots + i;

        float Get<TPlace>(ArrayView<float> dm, int place) where TPlace : struct, IPlace => TPlace.IsShared ? dm[place] : dMemory[place];

        void Set<TPlace>(ArrayView<float> dm, int place, float value) where TPlace : struct, IPlace
        {
            if (TPlace.IsShared) dm[place] = value;
            else dMemory[place] = value;
        }

        /// <summary>What flows in from the state after the last step.</summary>
        void Begin<TPlace>(int b, ArrayView<float> dState, ArrayView<float> dm) where TPlace : struct, IPlace
        {
            for (int i = Group.IdxX; i < s.Slots; i += Group.DimX)
            {
                for (int j = 0; j < s.Width; j++)
                {
                    float slope = 0;
                    if (dLastMemory.Length > 0) slope = dLastMemory[(b * s.Slots + i) * s.Width + j];
                    Set<TPlace>(dm, Place<TPlace>(b, i, j), slope);
                }
                if (dLastWeightings.Length > 0)
                    for (int head = 0; head < s.Heads; head++) dWeightings[(b * s.Heads + head) * s.PaddedSlots + i] = dLastWeightings[(b * s.Heads + head) * s.Slots + i];
            }
            for (int j = Group.IdxX; j < s.Reads + s.Hidden; j += Group.DimX) dState[j] = 0;
            if (dLastCell.Length > 0)
                for (int j = Group.IdxX; j < s.Hidden; j += Group.DimX) dCell[b * s.Hidden + j] = dLastCell[b * s.Hidden + j];
        }

        /// <summary>Back through equations (3) and (4), see <c>NtmHead.WriteBackward</c>.</summary>
        void Write<TPlace>(int t, int b, ArrayView<float> p, ArrayView<float> dHead, ArrayView<float> dm) where TPlace : struct, IPlace
        {
            int padded = s.PaddedSlots, width = s.Width, memory = saved.State(t, b, width * padded), weights = saved.State(t + 1, b, s.Heads * padded);
            int warp = Group.IdxX / 32, warps = Group.DimX / 32;
            for (int q = warp; q < s.WriteHeads * width; q += warps)                 // de and da: sums over the slots, a column of a head a warp
            {
                int head = s.ReadHeads + q / width, j = q % width, erase = s.HeadOffset(head) + s.AddressParameters + j;
                float dErase = 0, dAdd = 0;
                for (int i = Warp.LaneIdx; i < s.Slots; i += 32)
                {
                    float d = Get<TPlace>(dm, Place<TPlace>(b, i, j)), w = saved.Weighting[weights + head * padded + i];
                    dErase = GpuMath.Fma(d * saved.Memory[memory + j * padded + i] * KeptByOthers(p, weights, head, i, j), w, dErase);
                    dAdd = GpuMath.Fma(d, w, dAdd);
                }
                dErase = WarpReduce.Sum(dErase);
                dAdd = WarpReduce.Sum(dAdd);
                if (Warp.LaneIdx == 0)
                {
                    dHead[erase] = -dErase;
                    dHead[erase + width] = dAdd;
                }
            }
            Group.Barrier();
            for (int i = Group.IdxX; i < s.Slots; i += Group.DimX)                   // dw and dM: each slot by itself
            {
                for (int head = s.ReadHeads; head < s.Heads; head++)
                {
                    int erase = s.HeadOffset(head) + s.AddressParameters, to = (b * s.Heads + head) * padded + i;
                    float sum = dWeightings[to];
                    for (int j = 0; j < width; j++)
                    {
                        float erased = saved.Memory[memory + j * padded + i] * KeptByOthers(p, weights, head, i, j);
                        sum = GpuMath.Fma(Get<TPlace>(dm, Place<TPlace>(b, i, j)), p[erase + width + j] - erased * p[erase + j], sum);
                    }
                    dWeightings[to] = sum;
                }
                for (int j = 0; j < width; j++)
                {
                    int place = Place<TPlace>(b, i, j);
                    Set<TPlace>(dm, place, Get<TPlace>(dm, place) * KeptByOthers(p, weights, -1, i, j));
                }
            }
        }

        /// <summary>The product of 1 - w[i] e[j] over all writing heads but one.</summary>
        float KeptByOthers(ArrayView<float> p, int weights, int but, int i, int j)
        {
            float kept = 1;
            for (int head = s.ReadHeads; head < s.Heads; head++)
                if (head != but) kept *= 1 - saved.Weighting[weights + head * s.PaddedSlots + i] * p[s.HeadOffset(head) + s.AddressParameters + j];
            return kept;
        }

        /// <summary>Back through read and addressing of a head, see <see cref="NtmAddressing.Backward"/>: dL/dw' replaces dL/dw.</summary>
        void Address<TPlace>(
            int t, int b, int head, ArrayView<float> dState, ArrayView<float> p, ArrayView<float> dHead, ArrayView<float> a, ArrayView<float> ring, ArrayView<float> weight, ArrayView<float> dm)
            where TPlace : struct, IPlace
        {
            int slots = s.Slots, padded = s.PaddedSlots, width = s.Width, shifts = s.Shifts, half = shifts / 2, heads = s.Heads * padded, row = head * padded;
            int key = s.HeadOffset(head), shift = key + width + 2, memory = saved.State(t, b, width * padded), norms = saved.Step(t, b, padded), dw = (b * s.Heads + head) * padded;
            int step = saved.Step(t, b, heads) + row, before = saved.State(t, b, heads) + row, after = saved.State(t + 1, b, heads) + row;
            float strength = p[key + width], gate = p[key + width + 1], sharpening = p[shift + shifts], mean = 0, sum = 0;

            for (int i = Group.IdxX; i < slots; i += Group.DimX)
            {
                float w = saved.Weighting[after + i], d = dWeightings[dw + i];
                if (head < s.ReadHeads)
                    for (int j = 0; j < width; j++)
                    {
                        int place = Place<TPlace>(b, i, j);
                        float dr = dState[head * width + j];
                        d = GpuMath.Fma(dr, saved.Memory[memory + j * padded + i], d);
                        Set<TPlace>(dm, place, GpuMath.Fma(dr, w, Get<TPlace>(dm, place)));
                    }
                dWeightings[dw + i] = d;
                mean = GpuMath.Fma(w, d, mean);
            }
            mean = GroupReduce.Sum(mean);
            for (int i = Group.IdxX; i < slots; i += Group.DimX)                     // (9)
            {
                float dx = saved.Weighting[after + i] * (dWeightings[dw + i] - mean), ws = saved.Shifted[step + i] + (float)SharpenEpsilon, old = saved.Weighting[before + i];
                sum = GpuMath.Fma(dx, GpuFloat.Log(ws), sum);
                a[i] = sharpening * dx / ws;
                ring[i] = GpuMath.Fma(gate, saved.Content[step + i] - old, old);
            }
            sum = GroupReduce.Sum(sum);                                              // and all of a and ring are there
            if (Group.IdxX == 0) dHead[shift + shifts] = sum;

            for (int j = 0; j < shifts; j++)                                         // (8)
            {
                sum = 0;
                for (int i = Group.IdxX; i < slots; i += Group.DimX) sum = GpuMath.Fma(a[i], ring[Around(i + half - j, slots)], sum);
                sum = GroupReduce.Sum(sum);
                if (Group.IdxX == 0) dHead[shift + j] = sum;
            }
            float dGate = 0, dot = 0;
            for (int i = Group.IdxX; i < slots; i += Group.DimX)                     // (7)
            {
                float d = 0, content = saved.Content[step + i];
                for (int j = 0; j < shifts; j++) d = GpuMath.Fma(p[shift + j], a[Around(i + j - half, slots)], d);
                weight[i] = d;
                dGate = GpuMath.Fma(d, content - saved.Weighting[before + i], dGate);
                dot = GpuMath.Fma(d, content, dot);
            }
            dGate = GroupReduce.Sum(dGate);
            dot = GroupReduce.Sum(dot);
            if (Group.IdxX == 0) dHead[key + width + 1] = dGate;

            float keyNorm = Norm(p, key, width), dStrength = 0, dKeyNorm = 0, floor = (float)NtmAddressing.CosineEpsilon;
            for (int i = Group.IdxX; i < slots; i += Group.DimX)                     // (5) and (6)
            {
                float d = weight[i], k = saved.Similarity[step + i], norm = saved.Norms[norms + i], n = keyNorm * norm, dx = gate * saved.Content[step + i] * (d - dot), dk = strength * dx;
                float pull = floor < n ? -dk * k : 0, dNorm = floor < n ? pull / (norm * norm) : 0, dDot = dk / GpuFloat.Max(n, floor);
                dStrength = GpuMath.Fma(dx, k, dStrength);
                dKeyNorm += pull;
                a[i] = dDot;
                dWeightings[dw + i] = (1 - gate) * d;
                for (int j = 0; j < width; j++)
                {
                    int place = Place<TPlace>(b, i, j);
                    Set<TPlace>(dm, place, GpuMath.Fma(dDot, p[key + j], GpuMath.Fma(dNorm, saved.Memory[memory + j * padded + i], Get<TPlace>(dm, place))));
                }
            }
            dStrength = GroupReduce.Sum(dStrength);
            dKeyNorm = GroupReduce.Sum(dKeyNorm);
            if (Group.IdxX == 0) dHead[key + width] = dStrength;
            float keyPull = keyNorm > 0 ? dKeyNorm / (keyNorm * keyNorm) : 0;
            for (int j = Group.IdxX / 32; j < width; j += Group.DimX / 32)
            {
                float dKey = 0;
                for (int i = Warp.LaneIdx; i < slots; i += 32) dKey = GpuMath.Fma(a[i], saved.Memory[memory + j * padded + i], dKey);
                dKey = WarpReduce.Sum(dKey);
                if (Warp.LaneIdx == 0) dHead[key + j] = dKey + keyPull * p[key + j];
            }
            Group.Barrier();
        }

        /// <summary>Back through the heads' parameters and the controller: dz_t, and dv and dc of the step before.</summary>
        void Controller(int t, int b, ArrayView<float> dState, ArrayView<float> dGates, ArrayView<float> p, ArrayView<float> dHead, ArrayView<float> a)
        {
            int hidden = s.Hidden, outputs = s.Reads + hidden, gates = saved.Step(t, b, Recurrence.Pad(s.Gates)), to = (t * batch + b) * Recurrence.Pad(s.Gates);
            for (int q = Group.IdxX; q < s.HeadParameters; q += Group.DimX)
            {
                float d = ActivateBackward(p, dHead, q);
                dp[(t * batch + b) * Recurrence.Pad(s.HeadParameters) + q] = d;
            }
            Group.Barrier();
            for (int q = Group.IdxX; q < s.HeadParameters; q += Group.DimX) dHead[q] = dp[(t * batch + b) * Recurrence.Pad(s.HeadParameters) + q];
            Group.Barrier();
            for (int j = Group.IdxX; j < hidden; j += Group.DimX)
            {
                float dh = dState[s.Reads + j];
                for (int q = 0; q < s.HeadParameters; q++) dh = GpuMath.Fma(headWeight[q * hidden + j], dHead[q], dh);
                if (s.Controller == NtmController.Lstm)
                {
                    Gates<GpuFloat> z = default;
                    z.A = saved.Gates[gates + j];
                    z.B = saved.Gates[gates + hidden + j];
                    z.C = saved.Gates[gates + 2 * hidden + j];
                    z.D = saved.Gates[gates + 3 * hidden + j];
                    GpuFloat slope = dh, dc = dCell[b * hidden + j];
                    LstmCell.Backward(z, GpuFloat.Zero, saved.Cell[saved.State(t, b, hidden) + j], saved.Cell[saved.State(t + 1, b, hidden) + j], ref slope, ref dc, out Gates<GpuFloat> d, out _);
                    dCell[b * hidden + j] = dc;
                    dGates[j] = d.A;
                    dGates[hidden + j] = d.B;
                    dGates[2 * hidden + j] = d.C;
                    dGates[3 * hidden + j] = d.D;
                }
                else
                {
                    float h = saved.V[saved.State(t + 1, b, Recurrence.Pad(outputs)) + s.Reads + j];
                    dGates[j] = dh * (1 - h * h);
                }
            }
            Group.Barrier();
            for (int g = Group.IdxX; g < s.Gates; g += Group.DimX) dz[to + g] = dGates[g];
            for (int j = Group.IdxX; j < outputs; j += Group.DimX)
            {
                float sum = 0;
                for (int g = 0; g < s.Gates; g++) sum = GpuMath.Fma(recurrent[g * outputs + j], dGates[g], sum);
                dState[j] = sum;
            }
            Group.Barrier();
        }

        /// <summary>The gradient of a head's raw parameter, see <see cref="NtmHead.ActivateBackward"/>.</summary>
        float ActivateBackward(ArrayView<float> p, ArrayView<float> d, int q)
        {
            int offset = Owner(s, q, out int k), shift = offset + s.Width + 2;
            if (k < s.Width || k >= s.AddressParameters + s.Width) return d[q];
            if (k == s.Width) return d[q] * (1 - GpuFloat.Exp(-p[q]).Value);
            if (k == s.Width + 1 || k >= s.AddressParameters) return d[q] * p[q] * (1 - p[q]);
            if (k == s.AddressParameters - 1) return d[q] * (1 - GpuFloat.Exp(1 - p[q]).Value);
            float dot = 0;
            for (int j = 0; j < s.Shifts; j++) dot = GpuMath.Fma(p[shift + j], d[shift + j], dot);
            return p[q] * (d[q] - dot);
        }

        void End<TPlace>(int b, ArrayView<float> dState, ArrayView<float> dm) where TPlace : struct, IPlace
        {
            for (int j = Group.IdxX; j < s.Reads + s.Hidden; j += Group.DimX) dv[b * Recurrence.Pad(s.Reads + s.Hidden) + j] = dState[j];
            if (TPlace.IsShared)
                for (int i = Group.IdxX; i < s.Slots; i += Group.DimX)
                    for (int j = 0; j < s.Width; j++) dMemory[(b * s.Width + j) * s.PaddedSlots + i] = dm[j * s.Slots + i];
        }
    }
}
